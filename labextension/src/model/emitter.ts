/** Tells listeners that something changed; fits React's `useSyncExternalStore`. */
export class Emitter {
  /** Calls *listener* at each change, until the returned function is called, which may be done twice. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const own = () => listener();
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  };

  protected changed(): void {
    for (const listener of [...this.listeners]) {
      listener();
    }
  }

  private readonly listeners = new Set<() => void>();
}
