import { ToolProblem } from './arguments.js';

/**
 * What the calls of one answer of the model have changed. Whoever allows one of them to run cells sees these as
 * they are before all of them.
 */
export class StepChanges {
  private step = '';
  private isRenumbered = false;
  private readonly cells = new Set<string>();

  /** Notes a change; *isRenumbered* when other cells have other numbers now. */
  note(step: string, cell: string, isRenumbered: boolean): void {
    this.begin(step);
    this.cells.add(cell);
    this.isRenumbered ||= isRenumbered;
  }

  /** Throws `ToolProblem` when cells, given by name and id, are not what they were before the answer. */
  check(step: string, cells: readonly { readonly name: string; readonly id: string }[]): void {
    this.begin(step);
    const other = cells.find(
      ({ name, id }) => this.cells.has(id) || (this.isRenumbered && /^\d+$/.test(name))
    );
    if (other) {
      throw new ToolProblem(
        `Cell ${other.name} is another one since the user was asked: this step has changed it or its number. ` +
          'Nothing was run; run it in a step of its own, or with run of insert_cell or edit_cell.'
      );
    }
  }

  private begin(step: string): void {
    if (step !== this.step) {
      this.step = step;
      this.isRenumbered = false;
      this.cells.clear();
    }
  }
}
