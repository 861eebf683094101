/** The bundle: draws the widgets of a page, in as many cells as there are. */

import * as React from 'react';
import { createRoot } from 'react-dom/client';

import { HostProvider } from '../components/host.js';
import type { IAnyModel, IRenderProps } from './contract.js';
import { hostFor } from './host.js';
import { pageServer } from './page.js';
import { sessionFor, type WidgetSession } from './session.js';
import { STYLE } from './style.js';
import { VIEWS } from './views.js';

const STYLE_ID = 'jp-chatd-style';

/** Draws a widget until the returned function is called. */
export function render({ model, el }: IRenderProps): () => void {
  addStyle();
  el.classList.add('jp-chatd-panel', 'jp-chatd-widget');
  el.classList.toggle('jp-mod-unthemed', !hasTheme());
  const keepKeys = keyKeeper(el);
  window.addEventListener('keydown', keepKeys, true);
  el.dataset.view = String(model.get('_view'));
  el.dataset.chat = String(model.get('_chat_id'));
  const root = createRoot(el);
  root.render(<Widget model={model} />);
  return () => {
    window.removeEventListener('keydown', keepKeys, true);
    root.unmount();
  };
}

/** Keys that are pressed there are typed on a desktop. */
const TYPED_ON = '.jp-chatd-screen:not(.jp-mod-viewOnly) canvas';

/**
 * Returns what lets no key that is pressed in *el* be a command of the notebook, except that it is saved: and not even
 * that where the key is a desktop's.
 *
 * JupyterLab looks for commands at the element with the focus before it looks at those around it, so that element itself
 * has to say so, and before the document hears of the key.
 */
function keyKeeper(el: HTMLElement): (event: KeyboardEvent) => void {
  return event => {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    if (target instanceof HTMLElement && el.contains(target)) {
      const isSave = (ctrlKey || metaKey) && !altKey && key.toLowerCase() === 's';
      target.toggleAttribute('data-lm-suppress-shortcuts', !isSave || target.matches(TYPED_ON));
    }
  };
}

function Widget({ model }: { readonly model: IAnyModel }): React.ReactElement | null {
  const chatId = String(model.get('_chat_id'));
  const View = VIEWS[String(model.get('_view'))];
  const [session, setSession] = React.useState<WidgetSession>();
  React.useEffect(() => {
    void sessionFor(model, chatId).then(setSession);
  }, [model, chatId]);
  const host = React.useMemo(() => session && hostFor(session), [session]);
  if (!session || !host || !View) {
    return null;
  }
  return (
    <HostProvider value={host}>
      <Versions session={session} version={String(model.get('_version'))} />
      <View session={session} chatId={chatId} widget={model} />
    </HostProvider>
  );
}

/** Says that kernel and server have different releases: what one of them can do the other may not understand. */
function Versions({
  session,
  version
}: {
  session: WidgetSession;
  version: string;
}): React.ReactElement | null {
  const server = session.connection.isDirect ? pageServer()?.version : undefined;
  return server && server !== version ? (
    <p className="jp-chatd-versions">
      {`The kernel has jupyter_chatd ${version} and its server ${server}: install the same version in both.`}
    </p>
  ) : null;
}

function hasTheme(): boolean {
  return getComputedStyle(document.documentElement).getPropertyValue('--jp-layout-color1') !== '';
}

function addStyle(): void {
  if (!document.getElementById(STYLE_ID)) {
    const element = document.createElement('style');
    element.id = STYLE_ID;
    element.textContent = STYLE;
    document.head.append(element);
  }
}
