import { CommSocket } from './commsocket.js';
import type { IConnection } from './connection.js';
import type { IAnyModel, KernelMessage, PageMessage } from './contract.js';

/** Requests and streams that a widget's kernel makes for the page, over the widget's own comm. */
export class CommConnection implements IConnection {
  constructor(private readonly model: IAnyModel) {
    model.on('msg:custom', this.receive);
  }

  readonly isDirect = false;

  readonly fetch = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const id = crypto.randomUUID();
    const request = new Request(new URL(path, 'http://kernel/'), init);
    const headers = Object.fromEntries(request.headers);
    const body = init.body == null ? undefined : await request.arrayBuffer();
    return new Promise<Response>((resolve, reject) => {
      this.requests.set(id, { resolve, reject });
      this.tell({ type: 'request', id, method: request.method, path, headers }, body);
    });
  };

  /** Opens something that the models of a stream, and noVNC, take for a WebSocket. */
  readonly openSocket = (path: string): WebSocket => {
    const id = crypto.randomUUID();
    const socket = new CommSocket(id, (message, data) => this.tell(message, data));
    this.sockets.set(id, socket);
    socket.addEventListener('close', () => this.sockets.delete(id));
    this.tell({ type: 'open', id, path });
    return socket as unknown as WebSocket;
  };

  /** Ends what still runs. May be called twice. */
  dispose(): void {
    this.model.off('msg:custom', this.receive);
    for (const socket of [...this.sockets.values()]) {
      socket.close();
    }
    for (const { reject } of this.requests.values()) {
      reject(new TypeError('The widget was closed.'));
    }
    this.requests.clear();
  }

  private tell(message: PageMessage, data?: ArrayBuffer | ArrayBufferView): void {
    this.model.send(message, undefined, data === undefined ? [] : [data]);
  }

  private readonly receive = (content: unknown, buffers: DataView[]): void => {
    const message = content as KernelMessage;
    if (message.type === 'response') {
      this.respond(message, buffers[0]);
    } else if (message.type !== 'bundle') {
      this.sockets.get(message.id)?.take(message, buffers[0]);
    }
  };

  private respond(message: KernelMessage & { type: 'response' }, body: DataView | undefined): void {
    const request = this.requests.get(message.id);
    this.requests.delete(message.id);
    const { status, reason, headers } = message;
    if (status === 0) {
      request?.reject(new TypeError(reason));
      return;
    }
    const isEmpty = status === 204 || status === 304; // these may have no body, not even an empty one
    request?.resolve(new Response(isEmpty ? null : (body as BodyInit), { status, headers }));
  }

  private readonly requests = new Map<
    string,
    { resolve(response: Response): void; reject(error: Error): void }
  >();
  private readonly sockets = new Map<string, CommSocket>();
}
