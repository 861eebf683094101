import { streamPath } from '../client/chats.js';
import { decodeStreamFrame } from '../client/events.js';
import { type OpenSocket, ResumableSocket } from '../client/socket.js';
import type { IChat } from '../client/values.js';
import { apply, cursorOf, EMPTY_VIEW, reconnected } from '../client/view.js';
import type { Chats } from './chats.js';
import type { ToolWork } from './toolwork.js';

const STALE = 10 * 60_000; // ms; the server waits for a client's tool for 5 minutes
const HEAD_START = 500; // ms for a view of the chat that opens just now

/** Follows chats that wait for a page's tools while nobody looks at them. Lives as long as *chats*. */
export class Follower {
  constructor(
    private readonly chats: Chats,
    private readonly open: OpenSocket,
    private readonly work: ToolWork
  ) {
    this.unsubscribe = chats.subscribe(() => this.check());
  }

  dispose(): void {
    this.unsubscribe();
    for (const socket of this.sockets.values()) {
      socket.dispose();
    }
    this.sockets.clear();
    clearTimeout(this.timer);
  }

  private check(): void {
    if (this.timer === undefined && this.waiting().length > 0) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        for (const { id } of this.waiting()) {
          this.follow(id);
        }
      }, HEAD_START);
    }
  }

  private waiting(): readonly IChat[] {
    const isRecent = ({ updatedAt }: IChat) => Date.now() - Date.parse(updatedAt) < STALE;
    return this.chats
      .getState()
      .chats.filter(
        chat =>
          chat.status === 'requires_action' &&
          isRecent(chat) &&
          !this.sockets.has(chat.id) &&
          !this.work.isAttended(chat.id)
      );
  }

  /** Shows the stream to the page's tools until the chat waits no more. */
  private follow(chatId: string): void {
    let view = EMPTY_VIEW;
    const end = () => {
      this.sockets.get(chatId)?.dispose();
      this.sockets.delete(chatId);
    };
    const socket = new ResumableSocket({
      open: this.open,
      path: () => streamPath(chatId, cursorOf(view)),
      opened: () => {
        view = reconnected(view);
      },
      received: text => {
        view = apply(view, decodeStreamFrame(text));
        this.work.look(chatId, view);
        if (view.isComplete && view.status !== 'requires_action') {
          end();
        }
      },
      failed: end
    });
    this.sockets.set(chatId, socket);
  }

  private readonly unsubscribe: () => void;
  private readonly sockets = new Map<string, ResumableSocket>();
  private timer: ReturnType<typeof setTimeout> | undefined;
}
