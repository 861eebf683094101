import type { Kernel, KernelMessage } from '@jupyterlab/services';

type IKernel = Pick<Kernel.IKernelConnection, 'iopubMessage' | 'statusChanged' | 'interrupt'>;

/** States of a kernel that has forgotten what it was asked for. */
const LOST: ReadonlySet<string> = new Set(['restarting', 'autorestarting', 'terminating', 'dead']);

/** What a kernel executes now, and which of it the agent asked for: what its user runs is left alone. */
export class Executions {
  private running: string | undefined;
  private readonly asked = new Set<string>();

  constructor(private readonly kernel: IKernel) {
    kernel.iopubMessage.connect((_, message) => this.note(message));
    kernel.statusChanged.connect((_, status) => {
      if (LOST.has(status)) {
        this.running = undefined;
        this.asked.clear();
      }
    });
  }

  /** Notes that the agent asked for these executions, which have not ended: the ids of their requests. */
  own(requests: Iterable<string>): void {
    for (const request of requests) {
      this.asked.add(request);
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

  private note({ header, parent_header: parent, content }: KernelMessage.IIOPubMessage): void {
    const request = 'msg_id' in parent ? parent.msg_id : undefined;
    if (request === undefined) {
      return;
    }
    if (header.msg_type === 'execute_input') {
      this.running = request;
    } else if ('execution_state' in content && content.execution_state === 'idle') {
      this.asked.delete(request);
      this.running = this.running === request ? undefined : this.running;
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
