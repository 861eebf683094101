import * as React from 'react';

import { splitBlocks } from '../model/blocks.js';
import { type IHost, useHost } from './host.js';

export interface IMarkdownProps {
  readonly text: string;
  /** Whether more is to come. */
  readonly isLive?: boolean;
}

/** Markdown of which only the blocks that changed are rendered. */
export const Markdown = React.memo(function Markdown({
  text,
  isLive = false
}: IMarkdownProps): React.ReactElement {
  const blocks = React.useMemo(() => splitBlocks(text), [text]);
  return (
    <div className="jp-chatd-markdown">
      {blocks.map((block, index) => (
        <MarkdownBlock key={index} source={block} isGrowing={isLive && index === blocks.length - 1} />
      ))}
    </div>
  );
});

interface IMarkdownBlockProps {
  readonly source: string;
  readonly isGrowing: boolean;
}

const MarkdownBlock = React.memo(function MarkdownBlock({
  source,
  isGrowing
}: IMarkdownBlockProps): React.ReactElement {
  const host = useHost();
  const place = React.useRef<HTMLDivElement>(null);
  const view = React.useRef<ReturnType<IHost['createMarkdown']>>();
  React.useLayoutEffect(() => {
    const created = host.createMarkdown();
    view.current = created;
    place.current?.append(created.node);
    return () => {
      view.current = undefined;
      created.node.remove();
      created.dispose();
    };
  }, [host]);
  React.useLayoutEffect(() => {
    const current = view.current;
    void current?.render(source, isGrowing).then(() => addCodeActions(current.node, host));
  }, [host, source, isGrowing]);
  return <div className="jp-chatd-block" ref={place} />;
});

/** Puts the buttons onto each block of code; rendering anew takes them away. */
function addCodeActions(node: HTMLElement, host: IHost): void {
  for (const pre of node.querySelectorAll('pre')) {
    if (pre.parentElement?.classList.contains('jp-chatd-code') || !pre.textContent?.trim()) {
      continue;
    }
    const frame = document.createElement('div');
    frame.className = 'jp-chatd-code';
    pre.replaceWith(frame);
    pre.tabIndex = 0;
    frame.append(pre, codeToolbar(pre, host));
  }
}

function codeToolbar(pre: HTMLElement, { codeActions }: IHost): HTMLElement {
  const toolbar = document.createElement('div');
  toolbar.className = 'jp-chatd-codeToolbar';
  for (const action of codeActions) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = action.label;
    button.onclick = () => action.run((pre.textContent ?? '').replace(/\n$/, ''));
    toolbar.append(button);
  }
  return toolbar;
}
