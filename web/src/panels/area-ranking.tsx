/** The districts by the mean of the column on the map, as bars in the map's own colours. */
import { computed, signal } from '@preact/signals';
import { areaName, NO_AREAS } from '../layers/areas';
import { createAreaIndex, rankAreas } from '../layers/ranking';
import { rangeOf } from '../state/select';
import { cividis } from '../theme/ramps';
import { unitText } from '../words/format';
import { WORDS } from '../words/strings';
import { Empty, Panel } from './panel';
import { Say } from './say';
import { columnIndex, columns, picture } from './store';

export const counties = signal(NO_AREAS);

const index = computed(() => createAreaIndex(counties.value));
const ranks = computed(() => (picture.value === null ? [] : rankAreas(index.value, picture.value, columnIndex.value)));

export function AreaRanking() {
  const column = columns.value[columnIndex.value];
  const [low, high] =
    picture.value === null ? [0, 1] : rangeOf(picture.value, columnIndex.value, column?.range ?? null);
  const unit = unitText(column?.unit ?? null);
  const aside = column !== undefined && (
    <span class="count">
      <Say of={column.title} /> · <Say of={WORDS.mean} />
      {unit && ` · ${unit}`}
    </span>
  );
  return (
    <Panel name="ranking" title={WORDS.ranking} aside={aside}>
      {ranks.value.length === 0 ? (
        <Empty words={picture.value === null ? WORDS.loading : WORDS.noCells} waiting={picture.value === null} />
      ) : (
        <ol class="bars">
          {ranks.value.map(({ area, mean }, i) => {
            const t = (mean - low) / (high - low);
            const width = `${Math.max(2, Math.min(100, t * 100)).toFixed(1)}%`;
            return (
              <li key={area.properties.code}>
                <span class="place">{i + 1}</span>
                <span class="bar-name">
                  <Say of={areaName(area)} />
                </span>
                <span class="track">
                  <i style={{ width, background: `rgb(${cividis(t).join(' ')})` }} />
                </span>
                <span class="figure">{mean.toFixed(high - low >= 1000 ? 0 : 1)}</span>
              </li>
            );
          })}
        </ol>
      )}
    </Panel>
  );
}
