/** What lies over the map: the choice of layer and column, the legend, the values of a cell, and what is wrong. */

import { useEffect, useRef } from 'preact/hooks';
import { areaAt, areaName } from '../layers/areas';
import { cellCentre, cellText } from '../layers/mercator';
import { ordinalOf, type Picture } from '../state/model';
import { rangeOf } from '../state/select';
import { rampGradient } from '../theme/ramps';
import { formatMeasure, formatTime, unitText } from '../words/format';
import { WORDS } from '../words/strings';
import { counties } from './area-ranking';
import { Say, say } from './say';
import {
  columnIndex,
  columnName,
  columns,
  fresh,
  hovered,
  layerName,
  paused,
  picked,
  picture as shownPicture,
  timeZone,
  wall,
} from './store';

export type StageActions = {
  readonly chooseLayer: (name: string) => void;
  readonly chooseColumn: (name: string) => void;
  readonly togglePause: () => void;
  readonly wholeCity: () => void;
};

export function MapStage({ actions }: { readonly actions: StageActions }) {
  const picture = shownPicture.value;
  return (
    <>
      <SceneBar actions={actions} />
      {fresh.value.level === 'red' && (
        <p class="veil" role="alert">
          {WORDS.stale.zh} {WORDS.stale.en}
        </p>
      )}
      {picture !== null && picture.table.length === 0 && (
        <p class="veil quiet">
          <Say of={WORDS.noCells} />
        </p>
      )}
      {picture === null && (
        <p class="veil quiet waiting">
          <Say of={WORDS.loading} />
        </p>
      )}
      <div class="stage-foot">
        {picture !== null && <Legend picture={picture} />}
        {picture !== null && <CellCard picture={picture} />}
      </div>
    </>
  );
}

function SceneBar({ actions }: { readonly actions: StageActions }) {
  const layers = wall.value.sys?.layers ?? [];
  const themes = useRef<HTMLFieldSetElement>(null);
  const chosen = columnIndex.value;
  useEffect(() => {
    const row = themes.current;
    const button = row?.children[chosen];
    if (!(button instanceof HTMLElement) || row === null) return;
    row.scrollTo({ left: button.offsetLeft - (row.clientWidth - button.offsetWidth) / 2 });
  }, [chosen]);
  return (
    <nav class="scenes" aria-label={say(WORDS.themes)}>
      {layers.length > 1 && (
        <label class="layer-choice">
          <Say of={WORDS.layers} />
          <select value={layerName.value} onChange={(event) => actions.chooseLayer(event.currentTarget.value)}>
            {layers.map((layer) => (
              <option key={layer.name} value={layer.name}>
                {say(layer.title)}
              </option>
            ))}
          </select>
        </label>
      )}
      <fieldset class="themes" aria-label={say(WORDS.themes)} ref={themes}>
        {columns.value.map((column, i) => (
          <button
            key={column.name}
            type="button"
            class="stacked"
            data-column={column.name}
            aria-pressed={i === columnIndex.value}
            onClick={() => actions.chooseColumn(column.name)}
          >
            <Say of={column.title} />
          </button>
        ))}
      </fieldset>
      <div class="tools">
        <button
          type="button"
          onClick={actions.wholeCity}
          title={say(WORDS.wholeCity)}
          aria-label={say(WORDS.wholeCity)}
        >
          ⌂
        </button>
        <button
          type="button"
          onClick={actions.togglePause}
          aria-pressed={paused.value}
          title={say(paused.value ? WORDS.play : WORDS.pause)}
          aria-label={say(paused.value ? WORDS.play : WORDS.pause)}
        >
          {paused.value ? '▶' : '❚❚'}
        </button>
      </div>
    </nav>
  );
}

const TICKS = [0, 0.25, 0.5, 0.75, 1];

function Legend({ picture }: { readonly picture: Picture }) {
  const column = columns.value[columnIndex.value];
  if (column === undefined) return null;
  const [low, high] = rangeOf(picture, columnIndex.value, column.range);
  return (
    <section class="legend" aria-label={say(WORDS.legend)}>
      <h2>
        <Say of={column.title} />
        {unitText(column.unit) !== null && <small>{unitText(column.unit)}</small>}
      </h2>
      <div class="ramp" style={{ background: rampGradient() }} />
      <div class="ticks">
        {TICKS.map((t) => (
          <span key={t}>{formatMeasure(low + (high - low) * t)}</span>
        ))}
      </div>
      <p>
        {picture.table.length.toLocaleString('en-US')} <Say of={WORDS.cells} /> · <Say of={WORDS.dataTime} />{' '}
        <b>{formatTime(picture.tsMs, timeZone.value)}</b>
      </p>
    </section>
  );
}

function CellCard({ picture }: { readonly picture: Picture }) {
  const cell = hovered.value ?? picked.value;
  const ordinal = cell === null ? null : ordinalOf(picture.table, cell);
  if (cell === null || ordinal === null) return null;
  const area = areaAt(counties.value, cellCentre(cell));
  return (
    <section class="cell-card" aria-label={say(WORDS.cell)} data-cell={cellText(cell)}>
      <h2>
        {area === null ? <Say of={WORDS.cell} /> : <Say of={areaName(area)} />} <small>{cellText(cell)}</small>
      </h2>
      <dl>
        {columns.value.map((column, i) => {
          const value = picture.columns[i]?.[ordinal] ?? Number.NaN;
          return (
            <div key={column.name} class={column.name === (columnName.value ?? columns.value[0]?.name) ? 'on' : ''}>
              <dt>
                <Say of={column.title} />
              </dt>
              <dd>
                {Number.isNaN(value) ? <Say of={WORDS.noValue} /> : formatMeasure(value)}
                {!Number.isNaN(value) && <small> {unitText(column.unit)}</small>}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
