import * as React from 'react';

import type { IToolResultPart } from '../client/values.js';
import { picturesOf } from '../model/results.js';

/** All pictures of a result, one below the other. */
export function Pictures({
  result
}: {
  readonly result: IToolResultPart | undefined;
}): React.ReactElement | null {
  const pictures = React.useMemo(() => picturesOf(result), [result]);
  return pictures.length === 0 ? null : (
    <div>
      {pictures.map(({ address, description }, index) => (
        <img key={index} className="jp-chatd-image" src={address} alt={description} />
      ))}
    </div>
  );
}
