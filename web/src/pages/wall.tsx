/** The wall: wires the stream, the map and the panels. It decides nothing that a pure module could. */
import { effect, untracked } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { NO_AREAS } from '../layers/areas';
import { pinsOf } from '../layers/pins';
import { type CityMap, createMap } from '../map/create-map';
import { AlertFeed } from '../panels/alert-feed';
import { AreaRanking, counties } from '../panels/area-ranking';
import { FeedHealth } from '../panels/feed-health';
import { Header } from '../panels/header';
import { KpiTiles } from '../panels/kpi-tiles';
import { MapStage } from '../panels/map-stage';
import { NoticeStrip, pageFault } from '../panels/notice-strip';
import { OrderBoard } from '../panels/order-board';
import { SignIn } from '../panels/sign-in';
import {
  columnIndex,
  columnName,
  columns,
  declaredRange,
  fresh,
  hovered,
  language,
  layerName,
  nowMs,
  paused,
  picked,
  picture,
  serverNowMs,
  session,
  wall,
} from '../panels/store';
import { Ticker } from '../panels/ticker';
import { sinceOf } from '../state/model';
import { layerChannel, rangeOf } from '../state/select';
import { fetchAreas } from '../transport/api';
import { WORDS } from '../words/strings';
import { entry } from './entry';
import { IDLE_MS, isDue, nextScene, VISIT_MS, worthVisit } from './rotation';
import { offerTestHook } from './test-hook';

const STATE_CHANNELS = ['sys', 'kpis', 'feeds', 'alerts', 'orders'];
const query = new URLSearchParams(location.search);
const testing = query.has('test');
const ASK_AGAIN_MS = 4000;

let map: CityMap | null = null;
/** Nobody has touched a page that was just opened. */
let touchedMs = 0;
let sceneSinceMs = Date.now();
let askedMs = Date.now();
let visitEndsMs: number | null = null;
const visited = new Set<string>();
/** Who wants no motion gets none; a test looks at a map that stands still unless it asks for visits. */
const visits = !matchMedia('(prefers-reduced-motion: reduce)').matches && (!testing || query.get('test') === 'visits');

const { happen, link, enter, giveToken, leave } = entry({
  protocol: query.get('wire') === 'json' ? 'loom.v1.json' : 'loom.v1',
  name: query.get('name') ?? 'wall',
  channels: () => [...STATE_CHANNELS, layerChannel(layerName.value)],
  since: (ch) => sinceOf(wall.value, ch),
  onOpening: () => happen({ type: 'show-layer', ch: layerChannel(layerName.value) }),
  onEntered: () => {
    if (map !== null) void loadAreas(map);
  },
});

function chooseLayer(name: string): void {
  if (name === layerName.value) return;
  link()?.unsubscribe(layerChannel(layerName.value));
  layerName.value = name;
  columnName.value = null;
  picked.value = null;
  happen({ type: 'show-layer', ch: layerChannel(name) });
  link()?.subscribe(layerChannel(name));
}

function chooseColumn(name: string): void {
  columnName.value = name;
  sceneSinceMs = Date.now();
}

const actions = {
  chooseLayer,
  chooseColumn,
  togglePause: () => {
    paused.value = !paused.value;
  },
  wholeCity: () => map?.fitCity(),
};

const go = (lng: number, lat: number): void => map?.flyTo(lng, lat);

/** Asked for again until the server has them: a city may still be starting. */
async function loadAreas(shown: CityMap, attempt = 0): Promise<void> {
  const [county, town] = await Promise.all([fetchAreas('county'), fetchAreas('town')]);
  counties.value = county ?? NO_AREAS;
  if (county !== null) shown.showAreas('county', county);
  if (town !== null) shown.showAreas('town', town);
  pageFault.value = county === null ? WORDS.noAreas : null;
  if (county === null) setTimeout(() => void loadAreas(shown, attempt + 1), Math.min(60_000, 2000 * 2 ** attempt));
}

/** The map follows the signals; each effect reads only what it draws. */
function followSignals(shown: CityMap): void {
  effect(() => {
    const now = picture.value;
    const column = columnIndex.value;
    const declared = declaredRange.value;
    shown.showCells(now === null ? null : { picture: now, column, range: rangeOf(now, column, declared) });
  });
  let [alerts, orders] = [untracked(() => wall.value.alerts.rows), untracked(() => wall.value.orders.rows)];
  effect(() => {
    const { alerts: a, orders: o } = wall.value;
    if (a.rows === alerts && o.rows === orders) return;
    [alerts, orders] = [a.rows, o.rows];
    shown.showPins(pinsOf(a.rows, o.rows));
  });
  effect(() => shown.showPicked(hovered.value ?? picked.value));
  effect(() => {
    document.documentElement.lang = language.value === 'en' ? 'en' : 'zh-CN';
    shown.showLanguage(language.value);
  });
}

/** A grave alert just raised takes the map there for a while, unless somebody works at the wall. True while it lasts. */
function visiting(): boolean {
  const next = visits ? worthVisit(wall.value.alerts.rows, visited, serverNowMs.value) : null;
  const free = !paused.value && (visitEndsMs !== null || nowMs.value - touchedMs >= IDLE_MS);
  if (next !== null) visited.add(next.id);
  if (next !== null && free) {
    visitEndsMs = nowMs.value + VISIT_MS;
    map?.flyTo(next.lng, next.lat);
  }
  if (visitEndsMs === null || nowMs.value < visitEndsMs) return visitEndsMs !== null;
  visitEndsMs = null;
  sceneSinceMs = nowMs.value;
  map?.fitCity();
  return false;
}

/** A server that has just started may refuse a layer that it has a moment later: asked for again until it answers. */
function askAgain(): void {
  const ch = layerChannel(layerName.value);
  const waiting = wall.value.link.phase === 'live' && wall.value.layers[ch]?.awaiting === true;
  if (!waiting) askedMs = nowMs.value;
  if (nowMs.value - askedMs < ASK_AGAIN_MS) return;
  askedMs = nowMs.value;
  link()?.subscribe(ch);
}

function everyHalfSecond(): void {
  nowMs.value = Date.now();
  askAgain();
  if (visiting()) return;
  if (!isDue({ paused: paused.value, touchedMs, sinceMs: sceneSinceMs }, nowMs.value)) return;
  const next = nextScene(
    columns.value.map((column) => column.name),
    columnName.value,
  );
  if (next === null) return;
  chooseColumn(next);
  map?.fitCity();
}

/** A hand on the wall ends a visit where it is. */
function touched(): void {
  touchedMs = Date.now();
  visitEndsMs = null;
}

export function Wall() {
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const timer = setInterval(everyHalfSecond, 500);
    for (const type of ['pointerdown', 'keydown', 'wheel'] as const) addEventListener(type, touched, { passive: true });
    if (container.current !== null) {
      try {
        map = createMap(container.current, testing, {
          onHover: (cell) => {
            hovered.value = cell;
          },
          onPick: (cell) => {
            picked.value = picked.value === cell ? null : cell;
          },
          onTouched: touched,
        });
        followSignals(map);
        if (testing) offerTestHook(map);
      } catch (error) {
        console.warn(error);
        pageFault.value = WORDS.noMap;
      }
    }
    enter();
    return () => {
      clearInterval(timer);
      leave();
    };
  }, []);
  return (
    <div class={`wall ${fresh.value.level}`} data-level={fresh.value.level} data-language={language.value}>
      <Header />
      <main>
        <KpiTiles />
        <AreaRanking />
        <FeedHealth />
        <section class="stage" aria-label={WORDS.layers.en}>
          <div class="map" ref={container} />
          <MapStage actions={actions} />
          <NoticeStrip />
        </section>
        <AlertFeed go={go} />
        <OrderBoard go={go} />
      </main>
      <Ticker />
      {session.value?.kind === 'locked' && <SignIn why={session.value.why} give={giveToken} />}
    </div>
  );
}
