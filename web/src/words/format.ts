/** Numbers, instants and durations as text. Pure; the time zone is an argument. */

export type Clock = {
  readonly date: string;
  readonly weekdayZh: string;
  readonly weekdayEn: string;
  readonly time: string;
};

/** A KPI's value by its format: `0`, `0.0`, `0.00`, `0%`, `0.0%`; without one, as many digits as say something. */
export function formatValue(value: number | null, format: string | null): string {
  if (value === null || !Number.isFinite(value)) return '–';
  if (format === null) return formatMeasure(value);
  const percent = format.endsWith('%');
  const digits = /\.(0+)/.exec(format)?.[1]?.length ?? 0;
  const shown = percent ? value * 100 : value;
  const text = shown.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return percent ? `${text}%` : text;
}

/** A measure in three significant digits or whole. */
export function formatMeasure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** A unit as it is printed; none where it says nothing. */
export function unitText(unit: string | null): string | null {
  if (unit === null || unit === '' || unit === '1') return null;
  return unit.replace(/^ug\b/, 'µg').replace(/m3\b/, 'm³').replace(/m2\b/, 'm²');
}

/** `1.2 M`, `34 k`: counts where the order of size is enough. */
export function formatCount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(value >= 1e7 ? 0 : 1)} M`;
  if (value >= 1e4) return `${Math.round(value / 1e3)} k`;
  return value.toLocaleString('en-US');
}

/** `512 B`, `3.4 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** `0:42`, `12:07`, `3:05:00`; never negative. */
export function formatTimer(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** `0.4 s`, `12 s`, `3 min`, `2 h`, `5 d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Formatters are dear to make: one for each kind, zone and language, a handful in all. */
function formatter(
  key: string,
  locale: string,
  zone: string | null,
  options: Intl.DateTimeFormatOptions,
): Intl.DateTimeFormat {
  const name = `${key} ${zone ?? ''}`;
  const found = formatters.get(name);
  if (found !== undefined) return found;
  const made = new Intl.DateTimeFormat(locale, zone === null ? options : { ...options, timeZone: zone });
  formatters.set(name, made);
  return made;
}

const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
const DATE = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;

export function formatTime(ms: number, zone: string | null): string {
  return formatter('time', 'en-GB', zone, TIME).format(ms);
}

/** A day and the time of day. */
export function formatStamp(ms: number, zone: string | null): string {
  return `${formatter('date', 'sv-SE', zone, DATE).format(ms)} ${formatTime(ms, zone)}`;
}

export function formatClock(ms: number, zone: string | null): Clock {
  return {
    date: formatter('date', 'sv-SE', zone, DATE).format(ms),
    weekdayZh: formatter('day-zh', 'zh-CN', zone, { weekday: 'long' }).format(ms),
    weekdayEn: formatter('day-en', 'en-GB', zone, { weekday: 'short' }).format(ms),
    time: formatTime(ms, zone),
  };
}
