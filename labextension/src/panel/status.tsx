import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { isStoppable } from '../client/view.js';
import { useModel } from '../components/useModel.js';
import type { Chats } from '../model/chats.js';

/** Says in the status bar how many chats work or wait for somebody; a click shows the panel. */
export class StatusItem extends ReactWidget {
  constructor(
    private readonly chats: Chats,
    private readonly open: () => void
  ) {
    super();
  }

  protected override render(): React.ReactElement {
    return <Status chats={this.chats} onClick={this.open} />;
  }
}

interface IStatusProps {
  readonly chats: Chats;
  readonly onClick: () => void;
}

function Status({ chats, onClick }: IStatusProps): React.ReactElement | null {
  const { chats: shown } = useModel(chats);
  const waiting = shown.filter(({ status }) => status === 'requires_action').length;
  const working = shown.filter(({ status }) => isStoppable(status)).length - waiting;
  const words = [working && `${working} at work`, waiting && `${waiting} waiting for you`].filter(Boolean);
  return words.length === 0 ? null : (
    <button type="button" className="jp-StatusBar-TextItem jp-chatd-statusItem" onClick={onClick}>
      Agent: {words.join(', ')}
    </button>
  );
}
