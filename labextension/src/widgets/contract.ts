/** What passes between a kernel, the loader that it sends with each widget, and the bundle that draws. */

/** A widget's model, as anywidget gives it: the state that the kernel shares, and messages to and from it. */
export interface IAnyModel {
  get(name: string): unknown;
  on(event: 'msg:custom', listener: (content: unknown, buffers: DataView[]) => void): void;
  on(event: string, listener: () => void): void;
  off(event: string, listener: (...args: never[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: (ArrayBuffer | ArrayBufferView)[]): void;
}

/** Something to draw, and where. */
export interface IRenderProps {
  readonly model: IAnyModel;
  readonly el: HTMLElement;
}

/** The module that both routes bring. */
export interface IBundle {
  /** Draws until the returned function is called. */
  render(props: IRenderProps): () => void;
}

/** The state of every widget. It is saved with the notebook and seen by whoever reads that: nothing secret, nothing large. */
export interface IWidgetState {
  /** File name of the bundle that belongs to this widget; it holds a hash of the content. */
  readonly _bundle: string;
  /** Which of the views to draw. */
  readonly _view: string;
  readonly _chat_id: string;
  /** Of the kernel's package. */
  readonly _version: string;
}

/** From the page to the kernel. `id`s are unique among all pages: each hears what the kernel says to any. */
export type PageMessage =
  /** A file of the built ones. */
  | { readonly type: 'bundle'; readonly name: string }
  | {
      readonly type: 'request';
      readonly id: string;
      readonly method: string;
      /** Relative to the server's base URL. The body is the message's buffer. */
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly type: 'open'; readonly id: string; readonly path: string }
  /** A frame is `text`, or the message's buffer. */
  | { readonly type: 'send'; readonly id: string; readonly text?: string }
  | { readonly type: 'alive'; readonly id: string }
  /** So many bytes of frames have been taken in: more may be sent. */
  | { readonly type: 'taken'; readonly id: string; readonly bytes: number }
  | { readonly type: 'close'; readonly id: string };

/** From the kernel to the page. */
export type KernelMessage =
  /** The source is the message's buffer. */
  | { readonly type: 'bundle'; readonly name: string }
  /** `status` 0 says that the server did not answer; `reason` then says why. The body is the buffer. */
  | {
      readonly type: 'response';
      readonly id: string;
      readonly status: number;
      readonly reason: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly type: 'opened'; readonly id: string }
  | { readonly type: 'frame'; readonly id: string; readonly text?: string }
  | { readonly type: 'closed'; readonly id: string; readonly code: number; readonly reason: string };
