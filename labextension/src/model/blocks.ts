/** Markdown cut into pieces that can be rendered one by one, so that an answer's growth costs only its last piece. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:\s*\S/;
const LIST_ITEM = /^ {0,3}([-*+]|\d{1,9}[.)])(\s|$)/;
const HTML_BLOCK = /^ {0,3}<(?!https?:|mailto:)[a-z!?/]/i;

/**
 * Returns the blocks of *markdown* in order; joined with blank lines they mean the same. A block never ends
 * inside a code fence, a `$$` formula, a list, or HTML. Adding text changes the last block or adds others, but
 * for definitions of links, which every block gets that may use them.
 */
export function splitBlocks(markdown: string): string[] {
  const blocks = cut(markdown.replace(/\r\n?/g, '\n').split('\n'));
  const definitions = blocks.flatMap(block => block.split('\n').filter(line => DEFINITION.test(line)));
  if (definitions.length === 0) {
    return blocks;
  }
  const appendix = `\n\n${definitions.join('\n')}`;
  return blocks.map(block => (block.includes('[') && !FENCE.test(block) ? block + appendix : block));
}

function cut(lines: readonly string[]): string[] {
  const blocks: string[][] = [];
  const place = new Place();
  let current: string[] = [];
  for (const line of lines) {
    if (current.length > 0 && place.startsBlock(line)) {
      blocks.push(current);
      current = [];
      place.reset();
    }
    if (current.length > 0 || line.trim()) {
      current.push(line);
    }
    place.read(line);
  }
  blocks.push(current);
  return blocks.map(block => block.join('\n').trimEnd()).filter(block => block);
}

/** Where in its block a line stands. */
class Place {
  /** Whether *line* can begin a block of its own: it follows a blank line, or a fence that ended. */
  startsBlock(line: string): boolean {
    if (this.fence !== undefined || this.inFormula || !this.afterBreak || !line.trim()) {
      return false;
    }
    return (
      !(this.inList && (/^\s/.test(line) || LIST_ITEM.test(line))) && !this.inHTML && !/^( {4}|\t)/.test(line)
    );
  }

  reset(): void {
    this.inList = this.inHTML = this.afterBreak = this.isStarted = false;
  }

  read(line: string): void {
    const mark = FENCE.exec(line.trimStart())?.[1];
    if (this.fence !== undefined) {
      this.readFenced(line, mark);
      return;
    }
    if (mark !== undefined) {
      this.fence = mark;
    } else if ((line.match(/\$\$/g)?.length ?? 0) % 2 === 1) {
      this.inFormula = !this.inFormula;
    }
    if (!this.isStarted && line.trim()) {
      this.isStarted = true;
      this.inList = LIST_ITEM.test(line);
      this.inHTML = HTML_BLOCK.test(line);
    }
    this.afterBreak = !line.trim();
  }

  /** A fence ends with at least as many of the same characters and nothing else. */
  private readFenced(line: string, mark: string | undefined): void {
    const fence = this.fence ?? '';
    if (mark?.startsWith(fence) && line.trim() === mark) {
      this.fence = undefined;
      this.afterBreak = !this.inList;
    }
  }

  private fence: string | undefined;
  private inFormula = false;
  private inList = false;
  private inHTML = false;
  private afterBreak = false;
  private isStarted = false;
}
