/** What the chosen feed asks for, in plain words, and a file to begin with. */
import type { FeedDetail } from '../../protocol/intake';
import { sampleHref } from '../../transport/intake-api';
import { INTAKE } from '../../words/intake-strings';
import { clauses, sentences } from '../../words/plain-contract';
import { Say } from '../say';
import { Download } from './parts';

export function ContractCard({ feed }: { readonly feed: FeedDetail }) {
  const { contract } = feed;
  return (
    <section class="card contract" aria-labelledby="contract-title">
      <header class="card-head">
        <h2 id="contract-title">
          <Say of={INTAKE.contract} />{' '}
          <small>
            <Say of={INTAKE.version} /> {contract.version}
          </small>
        </h2>
        <Download href={sampleHref(feed.feed)}>
          <Say of={INTAKE.sample} />
        </Download>
      </header>
      <ul class="sentences">
        {sentences(contract).map((sentence) => (
          <li key={sentence.en}>
            <Say of={sentence} />
          </li>
        ))}
      </ul>
      <div class="scroll">
        <table>
          <caption>
            <Say of={INTAKE.asks} />
          </caption>
          <thead>
            <tr>
              <th scope="col">
                <Say of={INTAKE.column} />
              </th>
              <th scope="col">
                <Say of={INTAKE.meaning} />
              </th>
            </tr>
          </thead>
          <tbody>
            {contract.columns.map((column) => (
              <tr key={column.header}>
                <th scope="row">
                  <code>{column.header}</code>
                  <span class={column.required ? 'tag required' : 'tag'}>
                    <Say of={column.required ? INTAKE.required : INTAKE.optional} />
                  </span>
                </th>
                <td>
                  {clauses(column).map((clause) => (
                    <span class="clause" key={clause.en}>
                      <Say of={clause} />
                    </span>
                  ))}
                  {column.description !== null && <small class="described">{column.description}</small>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
