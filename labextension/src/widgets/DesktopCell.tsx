import * as React from 'react';

import { DesktopAPI } from '../client/desktops.js';
import { DesktopView } from '../desktop/DesktopView.js';
import { DesktopModel } from '../desktop/model.js';
import type { RFB } from '../desktop/rfb.js';
import { openScreenWith } from '../desktop/screen.js';
import { importBundle } from './bundles.js';
import type { IAnyModel } from './contract.js';
import type { IWidgetViewProps } from './useChatModel.js';

/** File of noVNC, which the build puts beside this bundle; its name holds a hash. */
declare const NOVNC_FILE: string;

/** The live view of a chat's desktop. */
export function DesktopCell({ session, chatId, widget }: IWidgetViewProps): React.ReactElement | null {
  const [model, setModel] = React.useState<DesktopModel>();
  React.useEffect(() => {
    const { fetch, openSocket } = session.connection;
    const openScreen = openScreenWith(openSocket, () => loadRFB(widget));
    const opened = new DesktopModel(chatId, { api: new DesktopAPI(fetch), openScreen });
    setModel(opened);
    return () => opened.dispose();
  }, [session, chatId, widget]);
  return model ? <DesktopView model={model} /> : null;
}

async function loadRFB(widget: IAnyModel): Promise<RFB> {
  return (await importBundle<{ readonly default: RFB }>(NOVNC_FILE, widget)).default;
}
