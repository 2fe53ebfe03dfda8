/** The orders and their clocks. Accepting and closing are asked of the server; what is shown is only what it then says. */
import { useState } from 'preact/hooks';
import type { Order } from '../protocol/frames';
import { isActive, isOverdue, sortedOrders } from '../state/select';
import { postOrder } from '../transport/api';
import { formatTimer } from '../words/format';
import { WORDS } from '../words/strings';
import type { Go } from './alert-feed';
import { LongList } from './long-list';
import { Empty, Panel } from './panel';
import { Say, say } from './say';
import { SeverityBadge } from './severity-badge';
import { askOfficer, officer, serverNowMs, session, wall } from './store';

const SHOWN = 40;

export function OrderBoard({ go }: { readonly go: Go }) {
  const { rows, held } = wall.value.orders;
  return (
    <Panel name="orders" title={WORDS.orders} aside={<Counts orders={rows} />}>
      {rows.length === 0 ? (
        <Empty words={held === null ? WORDS.loading : WORDS.noOrders} waiting={held === null} />
      ) : (
        <LongList total={rows.filter(isActive).length}>
          {sortedOrders(rows)
            .slice(0, SHOWN)
            .map((order) => (
              <OrderRow key={order.id} order={order} go={go} />
            ))}
        </LongList>
      )}
    </Panel>
  );
}

function Counts({ orders }: { readonly orders: readonly Order[] }) {
  const count = (state: Order['state']): number => orders.filter((order) => order.state === state).length;
  const overdue = orders.filter((order) => isOverdue(order, serverNowMs.value)).length;
  return (
    <span class="counts">
      <span class="count">
        <strong>{count('dispatched')}</strong> <Say of={WORDS.dispatched} />
      </span>
      <span class="count">
        <strong>{count('accepted')}</strong> <Say of={WORDS.accepted} />
      </span>
      {overdue > 0 && (
        <span class="count overdue">
          <strong>{overdue}</strong> <Say of={WORDS.overdue} />
        </span>
      )}
    </span>
  );
}

/** Time left, time over, or how long it took. */
function Timer({ order }: { readonly order: Order }) {
  const now = serverNowMs.value;
  if (!isActive(order)) {
    return <span class="timer">{formatTimer((order.closedMs ?? order.dispatchedMs) - order.dispatchedMs)}</span>;
  }
  if (order.dueMs === null) return <span class="timer">{formatTimer(now - order.dispatchedMs)}</span>;
  const left = order.dueMs - now;
  const whole = Math.max(1, order.dueMs - order.dispatchedMs);
  const level = left < 0 ? 'red' : left < whole * 0.3 ? 'amber' : '';
  return <span class={`timer ${level}`}>{left < 0 ? `+${formatTimer(-left)}` : formatTimer(left)}</span>;
}

function OrderRow({ order, go }: { readonly order: Order; readonly go: Go }) {
  const [note, setNote] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const { lng, lat } = order;

  async function act(action: 'accept' | 'close'): Promise<void> {
    const known = session.value?.kind === 'known';
    const by = known ? '' : officer.value.trim();
    if (by === '' && !known) return askOfficer();
    setBusy(true);
    setRefusal(await postOrder(order.id, action, by, note ?? ''));
    setBusy(false);
    setNote(null);
  }

  return (
    <li class={isActive(order) ? 'row' : 'row done'} data-order={order.id} data-state={order.state}>
      <button
        type="button"
        class="row-button"
        disabled={lng === null || lat === null}
        onClick={() => lng !== null && lat !== null && go(lng, lat)}
      >
        <SeverityBadge severity={order.severity} />
        <span class="row-text stacked">
          <Say of={order.title} />
          <small class="unit">
            <Say of={order.unitName} />
          </small>
        </span>
      </button>
      <span class="order-state">
        <span class={`chip ${order.state}`}>
          <Say of={WORDS[order.state]} />
        </span>
        <Timer order={order} />
      </span>
      {isActive(order) && note === null && (
        <button
          type="button"
          class="act stacked"
          disabled={busy}
          onClick={() => (order.state === 'dispatched' ? act('accept') : setNote(''))}
        >
          <Say of={order.state === 'dispatched' ? WORDS.accept : WORDS.close} />
        </button>
      )}
      {note !== null && (
        <form
          class="note"
          onSubmit={(event) => {
            event.preventDefault();
            void act('close');
          }}
        >
          <input
            value={note}
            ref={(input) => input?.focus()}
            placeholder={say(WORDS.note)}
            aria-label={say(WORDS.note)}
            onInput={(event) => setNote(event.currentTarget.value)}
            onKeyDown={(event) => event.key === 'Escape' && setNote(null)}
          />
          <button type="submit" class="act" disabled={busy}>
            <Say of={WORDS.close} />
          </button>
        </form>
      )}
      {refusal !== null && (
        <p class="refusal" role="alert">
          <Say of={WORDS.refused} />: {refusal}
        </p>
      )}
    </li>
  );
}
