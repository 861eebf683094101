const KEY = 'jupyter-chatd:pins';

interface IPin {
  readonly turnId: number;
  readonly path: string;
}

/** Which notebook was in front when a turn began, of each chat; a reload of the page keeps it. */
export class Pins {
  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem'>) {}

  /** Returns the notebook of that turn; `undefined` when none was in front, or the page did not see it begin. */
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
    const pins = path === undefined ? others : { ...others, [chatId]: { turnId, path } };
    this.storage.setItem(KEY, JSON.stringify(pins));
  }

  /** Follows a notebook that gets another name. */
  rename(before: string, after: string): void {
    for (const [chatId, pin] of Object.entries(this.all())) {
      if (pin.path === before) {
        this.put(chatId, pin.turnId, after);
      }
    }
  }

  private all(): Readonly<Record<string, IPin>> {
    return JSON.parse(this.storage.getItem(KEY) ?? '{}') as Record<string, IPin>;
  }
}
