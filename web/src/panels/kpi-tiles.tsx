/** The city's indicators: a tile each, Chinese and English title, value, unit and its recent course. */
import type { Kpi } from '../protocol/frames';
import { formatValue, unitText } from '../words/format';
import { WORDS } from '../words/strings';
import { Empty, Panel } from './panel';
import { Say } from './say';
import { Sparkline } from './sparkline';
import { wall } from './store';

const TILES = 12;
/** From here on a narrow wall has three tiles in a row. */
const DENSE_FROM = 9;

export function KpiTiles() {
  const kpis = wall.value.kpis;
  return (
    <Panel name="kpis" title={WORDS.kpis}>
      {kpis === null || kpis.length === 0 ? (
        <Empty words={kpis === null ? WORDS.loading : WORDS.noKpis} waiting={kpis === null} />
      ) : (
        <ul class={kpis.length >= DENSE_FROM ? 'tiles dense' : 'tiles'}>
          {kpis.slice(0, TILES).map((kpi) => (
            <Tile key={kpi.name} kpi={kpi} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Tile({ kpi }: { readonly kpi: Kpi }) {
  const unit = kpi.format?.endsWith('%') ? null : unitText(kpi.unit);
  return (
    <li class="tile" data-kpi={kpi.name}>
      <h3 class="stacked">
        <Say of={kpi.title} />
      </h3>
      <div class="tile-foot">
        <p class="reading">
          <strong>{formatValue(kpi.value, kpi.format)}</strong>
          {unit !== null && <small>{unit}</small>}
        </p>
        {kpi.series !== null && <Sparkline series={kpi.series} />}
      </div>
    </li>
  );
}
