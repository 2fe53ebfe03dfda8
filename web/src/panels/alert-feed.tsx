/** The alerts: open ones by severity, then what was cleared. Choosing one takes the map there. */
import type { Alert } from '../protocol/frames';
import { sortedAlerts } from '../state/select';
import { formatAge, formatTime } from '../words/format';
import { WORDS } from '../words/strings';
import { LongList } from './long-list';
import { Empty, Panel } from './panel';
import { Say, say } from './say';
import { SeverityBadge } from './severity-badge';
import { serverNowMs, timeZone, wall } from './store';

const SHOWN = 40;

export type Go = (lng: number, lat: number) => void;

export function AlertFeed({ go }: { readonly go: Go }) {
  const { rows, held } = wall.value.alerts;
  const open = rows.filter((alert) => alert.open).length;
  const aside = (
    <span class="count">
      <strong>{open}</strong> <Say of={WORDS.openCount} />
    </span>
  );
  return (
    <Panel name="alerts" title={WORDS.alerts} aside={aside}>
      {rows.length === 0 ? (
        <Empty words={held === null ? WORDS.loading : WORDS.noAlerts} waiting={held === null} />
      ) : (
        <LongList total={open} live>
          {sortedAlerts(rows)
            .slice(0, SHOWN)
            .map((alert) => (
              <AlertRow key={alert.id} alert={alert} go={go} />
            ))}
        </LongList>
      )}
    </Panel>
  );
}

function AlertRow({ alert, go }: { readonly alert: Alert; readonly go: Go }) {
  const { lng, lat } = alert;
  const urgent = alert.open && alert.severity === 'Extreme' && alert.order === null;
  return (
    <li class={alert.open ? `row severity-${alert.severity}` : 'row done'} data-alert={alert.id}>
      <button
        type="button"
        class="row-button"
        disabled={lng === null || lat === null}
        onClick={() => lng !== null && lat !== null && go(lng, lat)}
      >
        <SeverityBadge severity={alert.severity} urgent={urgent} />
        <span class="row-text stacked">
          <Say of={alert.title} />
        </span>
        <span class="row-time" title={say(alert.open ? WORDS.openCount : WORDS.cleared)}>
          <span>{formatTime(alert.raisedMs, timeZone.value)}</span>
          <small>
            {alert.open ? formatAge(Math.max(10_000, serverNowMs.value - alert.raisedMs)) : <Say of={WORDS.cleared} />}
          </small>
        </span>
      </button>
    </li>
  );
}
