/** What tools give back, as it can be shown: pictures, tables, pages that were found. Pure. */

import type { IToolResultPart } from '../client/values.js';
import { fieldsOf, listField, textField } from './tools.js';

const PICTURES = /^image\/(png|jpeg|gif|webp)$/;
const MOST_ROWS = 200;
const MOST_COLUMNS = 30;

export interface IPicture {
  /** A `data:` address. */
  readonly address: string;
  readonly description: string;
}

/** Returns the pictures of a result: the first one, and those below `more`. */
export function picturesOf(result: IToolResultPart | undefined): IPicture[] {
  if (!result?.isMedia) {
    return [];
  }
  const { toolName, result: media } = result;
  const found = [media, ...listField(media, 'more')].filter(one =>
    PICTURES.test(textField(one, 'mime_type'))
  );
  return found.map((one, index) => ({
    address: `data:${textField(one, 'mime_type')};base64,${textField(one, 'data')}`,
    description: found.length > 1 ? `Picture ${index + 1} of ${toolName}` : `Picture of ${toolName}`
  }));
}

export interface ITable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** How many rows are not shown. */
  readonly leftOut: number;
}

/** Returns a list of objects with plain fields as a table, `undefined` when *value* is no such list. */
export function tableOf(value: unknown): ITable | undefined {
  const rows = Array.isArray(value) ? value : [];
  const columns = [...new Set(rows.flatMap(row => Object.keys(fieldsOf(row))))];
  const isPlain = rows.every(row => {
    const cells = Object.values(fieldsOf(row));
    return (
      cells.length > 0 && cells.every(cell => typeof cell !== 'object' || cell === null || isShort(cell))
    );
  });
  return rows.length > 0 && isPlain && columns.length <= MOST_COLUMNS
    ? cutTable(
        columns,
        rows.map(row => columns.map(column => cellText(fieldsOf(row)[column])))
      )
    : undefined;
}

/** Returns the text of a CSV or TSV file as a table, `undefined` when it has fewer than two lines. */
export function delimitedTable(text: string, separator: ',' | '\t'): ITable | undefined {
  const [columns, ...rows] = records(text, separator);
  return columns && rows.length > 0 && columns.length > 1 && columns.length <= MOST_COLUMNS
    ? cutTable(columns, rows)
    : undefined;
}

function cutTable(columns: readonly string[], rows: readonly (readonly string[])[]): ITable {
  return { columns, rows: rows.slice(0, MOST_ROWS), leftOut: Math.max(0, rows.length - MOST_ROWS) };
}

function isShort(cell: object): boolean {
  return Array.isArray(cell) && cell.length < 10 && cell.every(one => typeof one !== 'object');
}

function cellText(cell: unknown): string {
  if (Array.isArray(cell)) {
    return cell.join(', ');
  }
  return cell === undefined || cell === null ? '' : String(cell);
}

/** Fields may be quoted, and then hold separators, ends of lines, and quotes that are written twice (RFC 4180). */
function records(text: string, separator: string): string[][] {
  const found: string[][] = [];
  const field = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${separator}\\r\\n]*))(${separator}|\\r?\\n|$)`, 'y');
  let record: string[] = [];
  for (let match = field.exec(text); match; match = field.exec(text)) {
    record.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] !== separator) {
      found.push(record);
      record = [];
      if (field.lastIndex >= text.length) {
        break;
      }
    }
  }
  return found;
}

export interface IPage {
  readonly url: string;
  readonly title: string;
}

/** Returns the pages that a search found, wherever in its result they stand; each once. */
export function pagesOf(value: unknown): IPage[] {
  const pages = new Map<string, IPage>();
  collectPages(value, pages, 0);
  return [...pages.values()];
}

function collectPages(value: unknown, pages: Map<string, IPage>, depth: number): void {
  if (depth > 4) {
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) {
      collectPages(item, pages, depth + 1);
    }
    return;
  }
  const url = textField(value, 'url') || textField(value, 'uri');
  if (/^https?:\/\//i.test(url) && !pages.has(url)) {
    pages.set(url, { url, title: textField(value, 'title') });
  }
  for (const field of Object.values(fieldsOf(value))) {
    if (typeof field === 'object') {
      collectPages(field, pages, depth + 1);
    }
  }
}
