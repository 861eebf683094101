/** A server on loopback that answers as ours would: JSON by method and path, and WebSockets. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { WebSocket, WebSocketServer } from 'ws';

import type { Fetch } from '../src/client/restapi.js';
import type { OpenSocket } from '../src/client/socket.js';

export interface IRequest {
  readonly asked: string;
  readonly body: unknown;
}

/** Answers requests with what *replies* has for `GET /path`; a missing one is 404, a number a bare status. */
export class TestServer {
  static async start(): Promise<TestServer> {
    const server = new TestServer();
    await new Promise<void>(ready => server.http.listen(0, '127.0.0.1', ready));
    server.port = (server.http.address() as AddressInfo).port;
    return server;
  }

  private constructor() {
    this.http = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', chunk => chunks.push(chunk));
      request.on('end', () => {
        const asked = `${request.method} ${request.url}`;
        const body = Buffer.concat(chunks).toString();
        const isJSON = body !== '' && !asked.endsWith('/files');
        this.requests.push({ asked, body: isJSON ? JSON.parse(body) : body });
        const reply = this.replies[asked] ?? 404;
        if (typeof reply === 'number') {
          response.writeHead(reply).end();
        } else {
          response.writeHead(200).end(JSON.stringify(reply));
        }
      });
    });
    this.sockets = new WebSocketServer({ server: this.http });
    this.sockets.on('connection', (socket, request) => {
      this.paths.push(request.url ?? '');
      this.onConnection?.(socket, this.paths.length);
    });
  }

  readonly replies: Record<string, unknown> = {};
  readonly requests: IRequest[] = [];
  /** The path of each connection. */
  readonly paths: string[] = [];
  onConnection: ((socket: WebSocket, count: number) => void) | undefined;

  readonly fetch: Fetch = (path, init) => fetch(`http://127.0.0.1:${this.port}/${path}`, init);

  readonly open: OpenSocket = path => {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/${path}`);
    socket.on('error', () => {}); // `close` follows
    return socket as unknown as ReturnType<OpenSocket>;
  };

  /** Ends all connections of WebSockets. */
  cut(): void {
    for (const socket of this.sockets.clients) {
      socket.terminate();
    }
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.cut();
    this.http.closeAllConnections();
    await new Promise(ended => this.http.close(ended));
  }

  private port = 0;
  private readonly http: Server;
  private readonly sockets: WebSocketServer;
}

/** Waits until *isTrue*, for at most 5 s. */
export async function until(isTrue: () => boolean): Promise<void> {
  for (let waited = 0; !isTrue(); waited += 5) {
    if (waited > 5000) {
      throw new Error(`Waited in vain for ${isTrue}`);
    }
    await new Promise(awake => setTimeout(awake, 5));
  }
}
