import * as React from 'react';

import { textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import type { IToolBodyProps } from './ToolCard.js';
import { StoredFile } from './UserMessage.js';

/** A file that the agent hands over: a picture in place, others as a link. */
export function AttachBody(props: IToolBodyProps): React.ReactElement {
  const given = props.entry.result?.result;
  const fileId = textField(given, 'file_id');
  return fileId ? (
    <StoredFile
      fileId={fileId}
      name={textField(given, 'name') || undefined}
      isPicture={textField(given, 'media_type').startsWith('image/')}
    />
  ) : (
    <DefaultBody {...props} />
  );
}
