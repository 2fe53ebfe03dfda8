/** The signals that panels read. Written by the page alone, except the viewer's own choices. */
import { computed, signal } from '@preact/signals';
import { initialState, type WallState } from '../state/model';
import { columnsOf, freshness, pictureOf } from '../state/select';
import type { Session } from '../transport/session';
import { LANGUAGE_MODES, type LanguageMode } from '../words/strings';

export const wall = signal<WallState>(initialState());

/** Null until the server has said whether it wants to know who this is. */
export const session = signal<Session | null>(null);

/** This machine's clock, moved on every half second. */
export const nowMs = signal(Date.now());
export const serverNowMs = computed(() => nowMs.value + wall.value.skewMs);
export const timeZone = computed(() => wall.value.city?.timeZone ?? null);
export const fresh = computed(() => freshness(wall.value, nowMs.value));

/** The layer on the map and the column that colours it; null is the first. */
export const layerName = signal('map');
export const columnName = signal<string | null>(null);
export const paused = signal(false);
export const picked = signal<bigint | null>(null);
export const hovered = signal<bigint | null>(null);

/** The picture on the map: a new value only when its layer moved. */
export const picture = computed(() => pictureOf(wall.value, layerName.value));
export const columns = computed(() => columnsOf(wall.value, layerName.value));
export const columnIndex = computed(() => {
  const index = columns.value.findIndex((column) => column.name === columnName.value);
  return Math.max(0, index);
});
export const declaredRange = computed(() => columns.value[columnIndex.value]?.range ?? null);

const LANGUAGE_KEY = 'cityloom.language';
const OFFICER_KEY = 'cityloom.officer';

const remembered = localStorage.getItem(LANGUAGE_KEY);
export const language = signal<LanguageMode>(LANGUAGE_MODES.find((mode) => mode === remembered) ?? 'both');
export const officer = signal(localStorage.getItem(OFFICER_KEY) ?? '');
export const officerAsked = signal(false);

export function setLanguage(mode: LanguageMode): void {
  language.value = mode;
  localStorage.setItem(LANGUAGE_KEY, mode);
}

export function setOfficer(name: string): void {
  officer.value = name;
  officerAsked.value = false;
  localStorage.setItem(OFFICER_KEY, name.trim());
}

/** Nobody accepts an order without a name: the field is pointed at instead. */
export function askOfficer(): void {
  officerAsked.value = true;
  document.getElementById('officer')?.focus();
}
