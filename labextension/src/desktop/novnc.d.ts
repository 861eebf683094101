/** The package has no types of its own: what of it is used here, as its docs/API.md has it. */
declare module '@novnc/novnc' {
  import type { RFB } from './rfb.js';

  const client: RFB;
  export default client;
}
