/** A log channel (alerts, orders) folded into a bounded list. `pq` shows a hole; what was already seen is passed over. */
import type { Subscribed } from '../protocol/frames';
import { LOG_LIMIT, type Log } from './model';

export type LogStep<T> = { readonly log: Log<T>; readonly ask: boolean };

type Keyed = { readonly id: string };
type IsDone<T> = (row: T) => boolean;

const keep = <T>(log: Log<T>): LogStep<T> => ({ log, ask: false });
const ask = <T>(log: Log<T>): LogStep<T> => ({ log: { ...log, awaiting: true }, ask: true });

export function logSubscribed<T>(log: Log<T>, frame: Subscribed): LogStep<T> {
  if (frame.mode !== 'resumed') {
    return keep({ ...log, epoch: frame.e, held: null, awaiting: false, behind: null });
  }
  if (frame.e !== log.epoch || log.held === null) return ask({ ...log, held: null });
  return keep({ ...log, awaiting: false, behind: null });
}

/** The rows that are open now: the whole list. */
export function logItems<T>(log: Log<T>, e: string, q: number, items: readonly T[], isDone: IsDone<T>): LogStep<T> {
  if (log.awaiting) return keep(log);
  if (e !== log.epoch) return ask({ ...log, held: null });
  return keep({ ...log, held: q, rows: bounded(items, isDone) });
}

export function logEvent<T extends Keyed>(
  log: Log<T>,
  event: { readonly e: string; readonly q: number; readonly pq: number; readonly body: T },
  isDone: IsDone<T>,
): LogStep<T> {
  if (log.awaiting) return keep(log);
  if (event.e !== log.epoch || log.held === null) return ask({ ...log, held: null });
  if (event.q <= log.held) return keep(log);
  if (event.pq > log.held) return ask(log);
  const rows = [event.body, ...log.rows.filter((row) => row.id !== event.body.id)];
  return keep({ ...log, held: event.q, rows: bounded(rows, isDone) });
}

/** As for a layer: behind the same watermark at two heartbeats means that an event was lost. */
export function logWatermark<T>(log: Log<T>, q: number): LogStep<T> {
  if (log.awaiting || log.held === null) return keep(log);
  if (log.behind !== null && log.held < log.behind) return ask({ ...log, behind: null });
  const behind = log.held < q ? q : null;
  return keep(behind === log.behind ? log : { ...log, behind });
}

/** At most `LOG_LIMIT` rows: those that are done go first, the oldest of them foremost. */
function bounded<T>(rows: readonly T[], isDone: IsDone<T>): readonly T[] {
  let surplus = rows.length - LOG_LIMIT;
  if (surplus <= 0) return rows;
  const kept = rows.filter((row, i) => !(isDone(row) && rows.slice(i).filter(isDone).length <= surplus));
  surplus = kept.length - LOG_LIMIT;
  return surplus > 0 ? kept.slice(0, LOG_LIMIT) : kept;
}
