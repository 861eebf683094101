import * as React from 'react';

import { useHost } from './host.js';

/** Returns where the page finds a stored file; `undefined` until it has been fetched, where that must be. */
export function useFileAddress(fileId: string): string | undefined {
  const host = useHost();
  const [fetched, setFetched] = React.useState<string>();
  React.useEffect(() => {
    let address: string | undefined;
    let isOver = false;
    host.fileBlob?.(fileId).then(
      blob => {
        if (!isOver) {
          address = URL.createObjectURL(blob);
          setFetched(address);
        }
      },
      () => {} // the page shows the file's name
    );
    return () => {
      isOver = true;
      if (address !== undefined) {
        URL.revokeObjectURL(address);
      }
    };
  }, [host, fileId]);
  return host.fileBlob ? fetched : host.fileURL(fileId);
}
