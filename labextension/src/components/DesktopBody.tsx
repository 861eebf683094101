import * as React from 'react';

import { DefaultBody } from './DefaultBody.js';
import { useHost } from './host.js';
import type { IToolBodyProps } from './ToolCard.js';

/** What was done on the desktop and what it showed then, with the way to how it looks now. */
export function DesktopBody(props: IToolBodyProps): React.ReactElement {
  return (
    <>
      <WatchButton chatId={props.model.id} />
      <DefaultBody {...props} />
    </>
  );
}

/** Opens the live view of a chat's desktop; nothing where there is no place for one. */
export function WatchButton({ chatId }: { readonly chatId: string }): React.ReactElement | null {
  const { openDesktop } = useHost();
  return openDesktop ? (
    <button type="button" className="jp-chatd-button" onClick={() => openDesktop(chatId)}>
      Watch the desktop
    </button>
  ) : null;
}
