import type { ChatAPI, InputPart } from '../client/chats.js';
import { Emitter } from './emitter.js';
import { sentenceFor } from './problem.js';

const LONGEST_PASTE = 8_000; // characters; a longer paste becomes a file, so that the input stays readable

export interface IAttachment {
  /** Tells attachments of one draft apart. */
  readonly key: number;
  readonly name: string;
  /** What is sent of it; `undefined` until the server has the file. */
  readonly part: InputPart | undefined;
  /** Why the server does not take it. */
  readonly problem: string | undefined;
}

export interface IDraftState {
  readonly text: string;
  readonly attachments: readonly IAttachment[];
  /** What the next message is thought about with; empty leaves it to the model. */
  readonly effort: string;
}

/** What somebody is about to say: text, and files that are uploaded while they write. */
export class Draft extends Emitter {
  constructor(private readonly api: ChatAPI) {
    super();
  }

  readonly getState = (): IDraftState => this.state;

  setText(text: string): void {
    this.set({ text });
  }

  setEffort(effort: string): void {
    this.set({ effort });
  }

  /** Puts *texts* behind what is written. */
  append(...texts: readonly string[]): void {
    this.setText([this.state.text, ...texts].filter(text => text.trim()).join('\n\n'));
  }

  /** Attaches a file; resolves when the server has it, or has said why not. */
  async attach(data: Blob, name: string): Promise<void> {
    const key = this.nextKey++;
    this.set({
      attachments: [...this.state.attachments, { key, name, part: undefined, problem: undefined }]
    });
    try {
      this.change(key, { part: { type: 'file', file_id: await this.api.upload(data, name) } });
    } catch (error) {
      this.change(key, { problem: sentenceFor(error) });
    }
  }

  /** Attaches a long text as a file that the model reads as if it stood in the message. */
  attachPaste(text: string, now: Date): Promise<void> {
    const stamp = now.toISOString().slice(0, 19).replace(/[T:]/g, '-');
    return this.attach(new Blob([text], { type: 'text/plain' }), `pasted-text-${stamp}.txt`);
  }

  /** Attaches lines of a file or of a notebook, under a name for people. */
  refer(name: string, part: InputPart): void {
    const one = { key: this.nextKey++, name, part, problem: undefined };
    this.set({ attachments: [...this.state.attachments, one] });
  }

  remove(key: number): void {
    this.set({ attachments: this.state.attachments.filter(one => one.key !== key) });
  }

  /** Whether there is something to send and nothing is still on its way, or refused. */
  get isReady(): boolean {
    const { text, attachments } = this.state;
    const isComplete = attachments.every(({ part }) => part !== undefined);
    return isComplete && (text.trim() !== '' || attachments.length > 0);
  }

  /** Returns what is to be sent. */
  content(): InputPart[] {
    const { text, attachments } = this.state;
    const files = attachments.flatMap(({ part }) => part ?? []);
    return text.trim() ? [{ type: 'text', text }, ...files] : files;
  }

  /** Empties it and has *send* send what was there; puts it back when that fails. Returns whether it was sent. */
  async hand(send: (content: InputPart[]) => Promise<boolean>): Promise<boolean> {
    if (!this.isReady) {
      return false;
    }
    const { text, attachments } = this.state;
    const content = this.content();
    this.set({ text: '', attachments: [] });
    if (await send(content)) {
      return true;
    }
    const meanwhile = this.state;
    this.set({ text, attachments: [...attachments, ...meanwhile.attachments] });
    this.append(...(meanwhile.text.trim() ? [meanwhile.text] : []));
    return false;
  }

  private change(key: number, changes: Partial<IAttachment>): void {
    const { attachments } = this.state;
    this.set({ attachments: attachments.map(one => (one.key === key ? { ...one, ...changes } : one)) });
  }

  private set(changes: Partial<IDraftState>): void {
    this.state = { ...this.state, ...changes };
    this.changed();
  }

  private nextKey = 1;
  private state: IDraftState = { text: '', attachments: [], effort: '' };
}

/** Whether a pasted text is so long that it is better kept as a file. */
export function isLongPaste(text: string): boolean {
  return text.length > LONGEST_PASTE;
}
