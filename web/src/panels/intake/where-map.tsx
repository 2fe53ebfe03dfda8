/** Where the rows of a submission fell: cells over the city's areas, rejected rows as crosses, and the same in words. */
import { useEffect, useState } from 'preact/hooks';
import { type Areas, areaName, NO_AREAS } from '../../layers/areas';
import { type FootprintView, footprintView } from '../../layers/footprint-view';
import type { Receipt } from '../../protocol/intake';
import { cividis } from '../../theme/ramps';
import { fetchAreas } from '../../transport/api';
import { fetchFootprint } from '../../transport/intake-api';
import { formatCount } from '../../words/format';
import { INTAKE } from '../../words/intake-strings';
import { Say, say } from '../say';

/** So many areas are named in words. */
const NAMED = 5;
const CROSS = 5;

/** The dark end of the ramp would not stand out from the ground. */
const colourOf = (heat: number): string => `rgb(${cividis(0.3 + 0.7 * heat).join(' ')})`;
const LEGEND = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(colourOf).join(', ')})`;

type Shown = { readonly view: FootprintView; readonly placed: number; readonly nowhere: number };

async function load(receipt: Receipt): Promise<Shown | null> {
  const [answer, areas] = await Promise.all([fetchFootprint(receipt.feed, receipt.submission), fetchAreas('county')]);
  if (answer.kind !== 'done') return null;
  const { cells, rejected, rowsPlaced, rowsNowhere } = answer.value;
  if (cells.length + rejected.length === 0) return null;
  const city: Areas = areas ?? NO_AREAS;
  return { view: footprintView(answer.value, city), placed: rowsPlaced, nowhere: rowsNowhere };
}

export function WhereMap({ receipt }: { readonly receipt: Receipt }) {
  const [shown, setShown] = useState<Shown | null>(null);
  useEffect(() => {
    let wanted = true;
    void load(receipt).then((found) => wanted && setShown(found));
    return () => {
      wanted = false;
    };
  }, [receipt]);
  if (shown === null) return null;
  return (
    <section class="where" aria-labelledby="where-title">
      <h3 id="where-title">
        <Say of={INTAKE.where} />
      </h3>
      <div class="where-both">
        <Drawing view={shown.view} />
        <InWords {...shown} />
      </div>
    </section>
  );
}

function Drawing({ view }: { readonly view: FootprintView }) {
  return (
    <svg class="where-map" viewBox={`0 0 ${view.width} ${view.height}`} role="img" aria-label={say(INTAKE.whereLabel)}>
      {view.outlines.map((path) => (
        <path key={path} class="outline" d={path} fill-rule="evenodd" />
      ))}
      {view.cells.map(({ cell, rows, path, heat }) => {
        const colour = colourOf(heat);
        return (
          <path key={cell} class="cell" d={path} fill={colour} stroke={colour} data-rows={rows}>
            <title>{`${rows.toLocaleString('en-US')} ${say(INTAKE.rows)} · ${cell}`}</title>
          </path>
        );
      })}
      {view.labels.map(({ area, at: [x, y] }) => (
        <text key={area.properties.code} x={x} y={y}>
          {say(areaName(area))}
        </text>
      ))}
      {view.marks.map(({ mark, at: [x, y] }) => (
        <path
          key={mark.row}
          class="cross"
          d={`M${x - CROSS} ${y - CROSS}l${2 * CROSS} ${2 * CROSS}m0 ${-2 * CROSS}l${-2 * CROSS} ${2 * CROSS}`}
        >
          <title>{`${say(INTAKE.rowNumber)} ${mark.row}: ${mark.code}`}</title>
        </path>
      ))}
    </svg>
  );
}

/** The same in words and figures, beside the drawing. */
function InWords({ view, placed, nowhere }: Shown) {
  const figures = [
    [INTAKE.wherePlaced, placed],
    [INTAKE.whereNowhere, nowhere],
    [INTAKE.whereOutside, view.outside.rows],
    [INTAKE.whereMarks, view.marks.length + view.outside.marks],
    [INTAKE.whereMarksOutside, view.outside.marks],
  ] as const;
  return (
    <div class="where-words">
      {view.cells.length > 0 && (
        <p class="where-legend">
          <span>1</span>
          <i style={{ background: LEGEND }} aria-hidden="true" />
          <span>
            {formatCount(view.most)} <Say of={INTAKE.whereEach} />
          </span>
        </p>
      )}
      <dl>
        {figures
          .filter(([, count], i) => i === 0 || count > 0)
          .map(([words, count]) => (
            <div key={words.en}>
              <dt>
                <Say of={words} />
              </dt>
              <dd>{count.toLocaleString('en-US')}</dd>
            </div>
          ))}
      </dl>
      {view.byArea.length > 0 && (
        <table>
          <caption>
            <Say of={INTAKE.whereAreas} />
          </caption>
          <tbody>
            {view.byArea.slice(0, NAMED).map(({ area, rows }) => (
              <tr key={area.properties.code}>
                <th scope="row">
                  <Say of={areaName(area)} />
                </th>
                <td class="number">{rows.toLocaleString('en-US')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
