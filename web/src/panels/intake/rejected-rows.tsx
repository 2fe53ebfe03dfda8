/** The first rejected rows as they stand in the file, the offending cell marked. */
import type { FeedDetail, RejectedRow } from '../../protocol/intake';
import { INTAKE } from '../../words/intake-strings';
import { Say } from '../say';
import { Reason } from './reasons';

type Props = { readonly feed: FeedDetail; readonly rows: readonly RejectedRow[]; readonly all: number };

export function RejectedRows({ feed, rows, all }: Props) {
  if (rows.length === 0) return null;
  const { columns } = feed.contract;
  return (
    <div class="scroll">
      <table class="rejected">
        <caption>
          <Say of={INTAKE.firstRows} />
          {all > rows.length && (
            <small>
              {' '}
              <Say of={INTAKE.moreRows} />
            </small>
          )}
        </caption>
        <thead>
          <tr>
            <th scope="col" class="number">
              <Say of={INTAKE.rowNumber} />
            </th>
            <th scope="col">
              <Say of={INTAKE.reason} />
            </th>
            {columns.map((column) => (
              <th scope="col" key={column.header}>
                <code>{column.header}</code>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const blamed = new Set(row.column.split('+'));
            return (
              <tr key={row.row} data-row={row.row}>
                <th scope="row" class="number">
                  {row.row}
                </th>
                <td class="why">
                  <Reason code={row.code} />
                </td>
                {row.line !== null ? (
                  <td colSpan={columns.length}>
                    <mark>{row.line}</mark> <small>{row.value}</small>
                  </td>
                ) : (
                  columns.map((column) => {
                    const value = row.values[column.header] ?? '';
                    return (
                      <td key={column.header}>
                        {blamed.has(column.name) ? <mark>{value === '' ? '∅' : value}</mark> : value}
                      </td>
                    );
                  })
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
