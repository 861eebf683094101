const TURNS = 'jupyter-chatd:pins';
const SENT = 'jupyter-chatd:sent';
const MOST_SENT = 50; // messages of which it is known what was in front: more than wait in queues

interface IPin {
  readonly turnId: number;
  readonly path: string;
}

type Pinned = Readonly<Record<string, IPin>>;
/** Paths by the names of messages, the newest last. */
type Sent = Readonly<Record<string, string>>;

/** Which notebook was in front when a message was sent, and so which one its turn is about; a reload keeps it. */
export class Pins {
  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem'>) {}

  /** Notes what is in front when a message is sent. */
  send(name: string, path: string | undefined): void {
    if (path !== undefined) {
      const sent = Object.entries({ ...this.allSent(), [name]: path });
      this.keep(SENT, Object.fromEntries(sent.slice(-MOST_SENT)));
    }
  }

  /** Returns what was in front when the message of that name was sent; `undefined` for nothing, or another page's. */
  sent(name: string): string | undefined {
    return this.allSent()[name];
  }

  /** Returns the notebook of that turn; `undefined` when none was in front, or the page does not know. */
  find(chatId: string, turnId: number): string | undefined {
    const pin = this.all()[chatId];
    return pin?.turnId === turnId ? pin.path : undefined;
  }

  /** Returns the notebook of the newest turn. */
  newest(chatId: string): string | undefined {
    return this.all()[chatId]?.path;
  }

  put(chatId: string, turnId: number, path: string | undefined): void {
    const { [chatId]: _, ...others } = this.all();
    this.keep(TURNS, path === undefined ? others : { ...others, [chatId]: { turnId, path } });
  }

  /** Follows a notebook that gets another name. */
  rename(before: string, after: string): void {
    const sent = Object.entries(this.allSent()).map(([name, path]) => [name, path === before ? after : path]);
    this.keep(SENT, Object.fromEntries(sent));
    for (const [chatId, pin] of Object.entries(this.all())) {
      if (pin.path === before) {
        this.put(chatId, pin.turnId, after);
      }
    }
  }

  private all(): Pinned {
    return JSON.parse(this.storage.getItem(TURNS) ?? '{}') as Pinned;
  }

  private allSent(): Sent {
    return JSON.parse(this.storage.getItem(SENT) ?? '{}') as Sent;
  }

  private keep(key: string, value: Pinned | Sent): void {
    this.storage.setItem(key, JSON.stringify(value));
  }
}
