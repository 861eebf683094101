import * as React from 'react';

import type { ITable } from '../model/results.js';

/** Rows and columns in a box that scrolls. */
export function Table({ columns, rows, leftOut }: ITable): React.ReactElement {
  return (
    <>
      <section className="jp-chatd-table" aria-label="Table" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {columns.map((column, index) => (
                <th key={index} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {row.map((cell, place) => (
                  <td key={place}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {leftOut > 0 && <p className="jp-chatd-faint">{leftOut} more rows</p>}
    </>
  );
}
