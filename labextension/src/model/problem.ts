import { ResponseError } from '../client/restapi.js';

/** Says what went wrong, in the server's words where it had some, and, where that is known, what to do. */
export function sentenceFor(error: unknown): string {
  if (error instanceof ResponseError) {
    return error.sentence ?? error.message;
  }
  if (error instanceof TypeError) {
    return 'The server cannot be reached. Check that it runs, then try again.'; // what `fetch` throws
  }
  return error instanceof Error ? error.message : String(error);
}
