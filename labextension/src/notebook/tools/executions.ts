import { type Cell, CodeCell } from '@jupyterlab/cells';
import { type Kernel, KernelMessage } from '@jupyterlab/services';

/** What a kernel executes now, and which of it the agent asked for: what its user runs is left alone. */
export class Executions {
  private running: string | undefined;
  private readonly asked = new Set<string>();

  constructor(private readonly kernel: Kernel.IKernelConnection) {
    kernel.iopubMessage.connect((_, message) => this.note(message));
  }

  /** Notes that the agent asked for what these cells were sent for last. */
  own(cells: readonly Cell[]): void {
    for (const cell of cells) {
      const sent = cell instanceof CodeCell ? cell.outputArea.future?.msg.header.msg_id : undefined;
      if (sent !== undefined) {
        this.asked.add(sent);
      }
    }
  }

  /** Interrupts the kernel if it executes what the agent asked for; whether it does. */
  async interrupt(): Promise<boolean> {
    const isOwn = this.running !== undefined && this.asked.has(this.running);
    if (isOwn) {
      await this.kernel.interrupt();
    }
    return isOwn;
  }

  private note(message: KernelMessage.IIOPubMessage): void {
    const asked = 'msg_id' in message.parent_header ? message.parent_header.msg_id : undefined;
    if (KernelMessage.isExecuteInputMsg(message)) {
      this.running = asked;
    } else if (
      KernelMessage.isStatusMsg(message) &&
      message.content.execution_state === 'idle' &&
      asked === this.running
    ) {
      this.running = undefined;
    }
  }
}

const known = new WeakMap<Kernel.IKernelConnection, Executions>();

/** Returns what is known of a kernel; only from the first call on does one know what it executes. */
export function executionsOf(kernel: Kernel.IKernelConnection): Executions {
  const executions = known.get(kernel) ?? new Executions(kernel);
  known.set(kernel, executions);
  return executions;
}
