/** Why rows were rejected: each reason with its count, what it means and how to mend it. */
import { CODES, INTAKE } from '../../words/intake-strings';
import { Say } from '../say';

export function Reasons({ reasons }: { readonly reasons: readonly (readonly [code: string, rows: number])[] }) {
  const most = Math.max(1, ...reasons.map(([, rows]) => rows));
  return (
    <table class="reasons">
      <caption>
        <Say of={INTAKE.reasons} />
      </caption>
      <thead>
        <tr>
          <th scope="col">
            <Say of={INTAKE.reason} />
          </th>
          <th scope="col" class="number">
            <Say of={INTAKE.count} />
          </th>
          <th scope="col">
            <Say of={INTAKE.mend} />
          </th>
        </tr>
      </thead>
      <tbody>
        {reasons.map(([code, rows]) => (
          <tr key={code} data-code={code}>
            <th scope="row">
              <Reason code={code} />
            </th>
            <td class="number">
              {rows.toLocaleString('en-US')}
              <i class="share" style={{ width: `${(rows / most) * 100}%` }} aria-hidden="true" />
            </td>
            <td>{CODES[code] === undefined ? '' : <Say of={CODES[code].mend} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Reason({ code }: { readonly code: string }) {
  const known = CODES[code];
  return (
    <>
      {known !== undefined && <Say of={known.is} />} <code class="tag">{code}</code>
    </>
  );
}
