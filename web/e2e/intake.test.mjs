// The intake page in a real browser: against CITYLOOM_URL if it is set, else against the mock server. Build first.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { startBadLine } from './bad-line.mjs';
import { startBrowser, theCity } from './browser.mjs';
import { startMock } from './mock-server.mjs';

const FEED = 'traffic.speed';
/** Good rows of a file that is worth parts. */
const BIG = 220_000;
const HEADERS = 'ts,lat,lng,vehicle,speed_kmh';

const { real, mock, base } = await theCity();

let opened;
let page;
let foreign;
let errors;
/** Errors that a test brings about: a refused request is told on the console too. */
let expected = [];

/** A file that no run has sent before: as many good rows as asked, then the lines given. */
let next = randomInt(1, 1_000_000) * 100;
function file(name, good, bad = []) {
  const row = () => `2026-03-01T08:00:00Z,32.02,121.05,${next++},42`;
  const lines = [HEADERS, ...Array.from({ length: good }, row), ...bad];
  return { name, mimeType: 'text/csv', buffer: Buffer.from(`${lines.join('\n')}\n`) };
}
const tooFast = () => `2026-03-01T08:00:01Z,32.02,121.05,${next++},900`;

async function open() {
  await page.goto(`${base}/intake?feed=${FEED}`);
  await page.locator('.drop-button').waitFor();
}

const choose = (sent) => page.locator('#file').setInputFiles(sent);
const figure = async (name) => Number((await page.locator(`[data-figure=${name}] dd`).innerText()).replaceAll(',', ''));

async function send(sent) {
  await choose(sent);
  await page.locator('.chosen .primary').click();
  await page.locator('.outcome').waitFor();
}

before(async () => {
  opened = await startBrowser(base, { viewport: { width: 1366, height: 900 }, acceptDownloads: true });
  ({ page, foreign, errors } = opened);
});

after(async () => {
  await opened?.stop();
  await mock?.stop();
});

describe('the intake page', { timeout: 240_000 }, () => {
  beforeEach(() => {
    foreign.length = 0;
    errors.length = 0;
    expected = [];
  });
  afterEach(() => {
    assert.deepEqual(foreign, []);
    const surprising = errors.filter((error) => !expected.some((words) => error.includes(words)));
    assert.deepEqual(surprising, []);
  });

  it('lists the feeds, finds one, and says what it asks for', async () => {
    await page.goto(`${base}/intake`);
    await page.locator('.choose').waitFor();
    await page.locator(`[data-feed="${FEED}"]`).waitFor();
    assert.ok((await page.locator('.mark').count()) >= 1, 'synthetic or open is said');
    await page.locator('[type=search]').fill('no such feed');
    assert.equal(await page.locator('.feed-choice').count(), 0);
    await page.locator('[type=search]').fill('speed');
    await page.locator(`[data-feed="${FEED}"]`).click();
    await page.locator('.contract tbody tr').first().waitFor();
    assert.equal(await page.locator('.contract tbody tr').count(), 5);
    assert.match(await page.locator('.contract').innerText(), /from 0 to 250/);
    assert.match(page.url(), /feed=traffic\.speed/);
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('.contract a.button').click()]);
    const text = await readFile(await download.path(), 'utf8');
    assert.ok(text.replace(/^\uFEFF/, '').startsWith(HEADERS), text.slice(0, 80));
  });

  it('checks a file without landing it, then lands it, whole', async () => {
    await open();
    await choose(file('whole.csv', 3));
    await page.getByRole('button', { name: 'Check only' }).click();
    await page.locator('.outcome[data-level=good]').waitFor();
    assert.match(await page.locator('.outcome').innerText(), /nothing landed/);
    assert.equal(await page.locator('.history tr').filter({ hasText: 'whole.csv' }).count(), 0);
    await page.locator('.chosen .primary').click();
    await page.getByText('Every row landed and is safe').waitFor();
    assert.equal(await figure('landed'), 3);
    assert.equal(await page.locator('.read-as').innerText(), 'csv UTF-8 ,');
    await page.locator('#outcome-title:focus').waitFor();
    await page.locator('.history tr').filter({ hasText: 'whole.csv' }).waitFor();
  });

  it('tells which rows are wrong and why, gives them back, and takes them mended', async () => {
    await open();
    await send(file('some.csv', 4, [tooFast(), '2026-03-01T08:00:02Z,32.02']));
    assert.equal(await page.locator('.outcome').getAttribute('data-level'), 'amber');
    assert.deepEqual([await figure('landed'), await figure('rejected'), await figure('read')], [4, 2, 6]);
    assert.match(await page.locator('[data-code=OUT_OF_RANGE]').innerText(), /Outside the range[\s\S]*1[\s\S]*unit/);
    const marked = page.locator('.rejected tr[data-row="5"] mark');
    assert.deepEqual(await marked.allInnerTexts(), ['900']);
    assert.equal(await page.locator('.rejected tr[data-row="6"] mark').innerText(), '2026-03-01T08:00:02Z,32.02');

    const csv = page.getByRole('link', { name: 'rejected rows (CSV)' });
    const [download] = await Promise.all([page.waitForEvent('download'), csv.click()]);
    const rejected = await readFile(await download.path(), 'utf8');
    const [headers, first] = rejected.split('\n');
    assert.match(headers, /^\uFEFFts,lat,lng,vehicle,speed_kmh,_row,_code,_column,_value/);
    assert.match(first, /,900,5,OUT_OF_RANGE,speed_kmh,900/);

    const row = page.locator('.history tr').filter({ hasText: 'some.csv' });
    assert.match(await row.innerText(), /2 行待补正|2 .*rows to mend/);
    await page.locator('.outcome .actions .primary').click();
    assert.match(await page.locator('.upload').innerText(), /some\.csv/);
    const mended = `${headers}\n${first.replace(',900,5,', ',90,5,')}\n`;
    await send({ name: 'mended.csv', mimeType: 'text/csv', buffer: Buffer.from(mended) });
    assert.equal(await figure('landed'), 1);
    await row.filter({ hasText: '1 ' }).filter({ hasText: 'to mend' }).waitFor();
  });

  it('draws where the rows fell, and says it in words too', async () => {
    await open();
    await send(file('where.csv', 3, ['2026-03-01T08:00:00Z,32.071,121.052,1,40', tooFast()]));
    const cells = page.locator('.where-map .cell');
    await cells.first().waitFor();
    const rows = await cells.evaluateAll((all) => all.map((cell) => Number(cell.dataset.rows)));
    assert.deepEqual(
      rows.toSorted((a, b) => b - a),
      [3, 1],
    );
    assert.equal(await page.locator('.where-map .cross').count(), 1);
    assert.match(await page.locator('.where-map .cross title').textContent(), /5: OUT_OF_RANGE/);
    const words = await page.locator('.where-words').innerText();
    assert.match(words, /with a place[^\d]*4/);
    assert.match(await page.locator('.where-map').getAttribute('aria-label'), /in words/);
  });

  it('answers the same content with its first receipt', async () => {
    await open();
    const same = file('same.csv', 2);
    await send(same);
    const number = await page.locator('.outcome .fine code').nth(1).innerText();
    await send({ ...same, name: 'again.csv' });
    await page.locator('.known').waitFor();
    assert.equal(await page.locator('.outcome .fine code').nth(1).innerText(), number);
    assert.equal(await figure('landed'), 2);
  });

  it('says what a refused file lacks', async () => {
    expected = ['422'];
    await open();
    await send({ name: 'thin.csv', mimeType: 'text/csv', buffer: Buffer.from('ts,lat\n1,2\n') });
    assert.equal(await page.locator('.outcome').getAttribute('data-level'), 'red');
    assert.deepEqual(
      (await page.locator('.violations li').allInnerTexts()).map((text) => /`(.+)`/.exec(text)[1]),
      ['lng', 'vehicle', 'speed_kmh'],
    );
    assert.equal(await page.locator('.chosen .file-name').innerText(), 'thin.csv');
  });

  it('withdraws a submission when asked twice', async () => {
    await open();
    await send(file('wrong.csv', 2));
    const row = page.locator('.history tr').filter({ hasText: 'wrong.csv' });
    await row.locator('.danger').click();
    await page.locator('dialog[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    assert.equal(await row.getAttribute('data-state'), 'landed');
    await row.locator('.danger').click();
    await page.locator('dialog .button.danger').click();
    await page.locator('.history tr[data-state=withdrawn]').filter({ hasText: 'wrong.csv' }).waitFor();
    assert.equal(await page.locator('dialog[open]').count(), 0);
  });

  it('takes a file that is dragged onto it', async () => {
    await open();
    const sent = file('dragged.csv', 1);
    const data = await page.evaluateHandle(
      ([name, text]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], name, { type: 'text/csv' }));
        return transfer;
      },
      [sent.name, sent.buffer.toString()],
    );
    await page.dispatchEvent('.drop', 'dragover', { dataTransfer: data });
    await page.locator('.drop.over').waitFor();
    await page.dispatchEvent('.drop', 'drop', { dataTransfer: data });
    assert.equal(await page.locator('.chosen .file-name').innerText(), 'dragged.csv');
  });

  it('sends a big file in parts, goes on by itself after the line was cut, and shows its receipt', async () => {
    // The first question may come before the server has noticed that the line is gone.
    expected = ['ERR_', 'WebSocket', '409', '423'];
    const line = await startBadLine(base);
    const offsets = [];
    const heard = (request) => {
      if (request.method() === 'PATCH') offsets.push(Number(request.headers()['upload-offset']));
    };
    page.on('request', heard);
    try {
      await page.goto(`${line.url}/intake?feed=${FEED}`);
      await page.locator('.drop-button').waitFor();
      await choose(file('big.csv', BIG, [tooFast()]));
      line.cutAfter(5 << 20);
      await page.locator('.chosen .primary').click();
      await page.locator('[data-phase=cut]').waitFor();
      assert.match(await page.locator('[data-phase=cut] p').innerText(), /自动从断点续传[\s\S]*goes on by itself/);
      line.mend();
      await page.locator('.outcome').waitFor();
      assert.deepEqual([await figure('landed'), await figure('rejected')], [BIG, 1]);
      assert.ok(offsets.length >= 2 && offsets.at(0) === 0 && offsets.at(-1) > 1 << 20, `parts at ${offsets}`);
    } finally {
      page.off('request', heard);
      await page.goto(`${base}/intake`);
      await line.stop();
    }
    // The receipt asks for its map after it is shown: all that the page asked for is known once it was left.
    const own = new URL(line.url).host;
    assert.ok(foreign.every((url) => new URL(url).host === own));
    foreign.length = 0;
  });

  it('is worked by the keyboard alone', async () => {
    await open();
    await choose(file('keys.csv', 1));
    await page.locator('.chosen .primary:focus').waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.outcome[data-level=good]').waitFor();
    const reached = new Set();
    const wanted = ['withdraw', 'drop-button', FEED, 'zh'];
    for (let i = 0; i < 200 && !wanted.every((control) => reached.has(control)); i++) {
      await page.keyboard.press('Tab');
      reached.add(
        await page.evaluate(() => {
          const e = document.activeElement;
          if (e?.classList.contains('danger')) return 'withdraw';
          return e?.dataset.language ?? e?.dataset.feed ?? e?.className ?? '';
        }),
      );
    }
    for (const control of wanted) assert.ok(reached.has(control), `${control} by Tab, of ${[...reached].join()}`);
  });

  it('names every control and every table for those who do not see', async () => {
    await open();
    await send(file('named.csv', 1, [tooFast()]));
    const nameless = await page.evaluate(() => {
      const controls = [...document.querySelectorAll('button, a, input, progress')];
      const named = (e) => (e.getAttribute('aria-label') ?? e.textContent ?? '').trim() !== '' || e.title !== '';
      const tables = [...document.querySelectorAll('.outcome table, .contract table')];
      return [
        ...controls.filter((e) => !named(e)).map((e) => e.outerHTML),
        ...tables.filter((e) => e.caption === null).map((e) => e.className),
      ];
    });
    assert.deepEqual(nameless, []);
    assert.ok((await page.locator('nav, main, header').count()) >= 3);
  });

  it('speaks one language where one is chosen', async () => {
    await open();
    await page.locator('[data-language=zh]').click();
    assert.equal(await page.locator('#contract-title').innerText(), '数据约定 版本 1.0.0');
    await page.locator('[data-language=en]').click();
    assert.equal(await page.locator('#contract-title').innerText(), 'The contract version 1.0.0');
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    await page.locator('[data-language=both]').click();
  });

  const onlyMock = { skip: real ? 'only the mock can be made to fail' : false };

  it('shows how far a file is', onlyMock, async () => {
    await open();
    mock.intake.slowMs = 2500;
    await choose(file('slow.csv', 1));
    await page.locator('.chosen .primary').click();
    await page.locator('[data-phase=reading] progress').waitFor();
    assert.equal(await page.locator('[data-phase=reading] .figure').innerText(), '50%');
    await page.locator('.outcome[data-level=good]').waitFor();
    mock.intake.slowMs = 0;
  });

  it('asks for a token where the city wants one, and sends and downloads with it', onlyMock, async () => {
    expected = ['401'];
    const locked = await startMock({ token: 'good' });
    const own = new URL(locked.url).host;
    try {
      await page.goto(`${locked.url}/intake?feed=${FEED}`);
      await page.locator('.sign-in input').fill('good');
      await page.keyboard.press('Enter');
      await page.locator('.drop-button').waitFor();
      await send(file('mine.csv', 1, [tooFast()]));
      assert.equal(await figure('landed'), 1);
      const csv = page.getByRole('link', { name: 'rejected rows (CSV)' });
      const [download] = await Promise.all([page.waitForEvent('download'), csv.click()]);
      assert.match(await readFile(await download.path(), 'utf8'), /OUT_OF_RANGE/);
      assert.deepEqual(
        foreign.filter((url) => new URL(url).host !== own),
        [],
      );
      foreign.length = 0;
    } finally {
      await locked.stop();
    }
  });

  it('finds the receipt when the answer was lost', onlyMock, async () => {
    expected = ['ERR_EMPTY_RESPONSE', 'ERR_CONNECTION', 'Failed to load'];
    await open();
    mock.intake.lose = true;
    await send(file('lost.csv', 2));
    assert.equal(await page.locator('.outcome').getAttribute('data-level'), 'good');
    assert.equal(await figure('landed'), 2);
  });

  it('keeps what it shows when the server fails, says so, and comes back', onlyMock, async () => {
    expected = ['503'];
    await open();
    mock.intake.refuse = true;
    await page.locator('.stale').waitFor();
    assert.equal(await page.locator('.contract tbody tr').count(), 5);
    await page.goto(`${base}/intake?feed=${FEED}`);
    await page.locator('main .failure').waitFor();
    assert.match(await page.locator('main .failure').innerText(), /LAKE_UNAVAILABLE/);
    mock.intake.refuse = false;
    await page.locator('main .failure .button').click();
    await page.locator('.drop-button').waitFor();
    await page.locator('.feeds-nav .failure').waitFor({ state: 'detached' });
  });
});
