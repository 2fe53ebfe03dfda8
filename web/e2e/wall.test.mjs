// The page in a real browser: against CITYLOOM_URL if it is set, else against the mock server. Build first.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { SLOW, startBrowser, theCity, WITH_GL } from './browser.mjs';
import { startMock } from './mock-server.mjs';

const GROUND = [7, 16, 31];
const { real, mock, base } = await theCity();

let opened;
let page;
/** What must stay empty while any test runs. */
let foreign;
let errors;

async function open(query = '') {
  await page.goto(`${base}/?test=1${query}`);
  await page.waitForFunction(() => (window.cityloom?.cells() ?? 0) > 0, null, { timeout: SLOW });
}

before(async () => {
  opened = await startBrowser(base, { viewport: { width: 1920, height: 1080 }, args: WITH_GL });
  ({ page, foreign, errors } = opened);
});

after(async () => {
  await opened?.stop();
  await mock?.stop();
});

describe('the wall', { timeout: 240_000 }, () => {
  beforeEach(() => {
    foreign.length = 0;
    errors.length = 0;
  });

  it('loads from its own origin alone, without an error or a breach of its policy', async () => {
    await open();
    await page.locator('.tile').first().waitFor();
    await page.waitForTimeout(3000);
    assert.deepEqual(foreign, []);
    assert.deepEqual(errors, []);
    assert.notEqual(await page.locator('h1').innerText(), 'cityloom');
  });

  it('shows what must be known: synthetic data, open access', async () => {
    const sys = await page.locator('.mark').allInnerTexts();
    if (mock) assert.deepEqual(sys, ['SYNTHETIC DATA 合成数据', 'OPEN ACCESS 未设访问控制']);
    else assert.ok(sys.every((text) => /合成数据|未设访问控制/.test(text)));
  });

  it('fills the indicators, the alerts and the orders', async () => {
    const readings = await page.locator('.tile strong').allInnerTexts();
    assert.ok(readings.length > 0);
    assert.ok(
      readings.some((text) => /\d/.test(text)),
      readings.join(),
    );
    if (mock) {
      assert.ok((await page.locator('.alerts .row').count()) > 5);
      assert.ok((await page.locator('.orders .row').count()) > 3);
      assert.equal(await page.locator('.ranking li').count(), 10);
    }
  });

  it('draws cells in the colours of their values', async () => {
    const isDrawn = ({ pixel }) => distance(pixel, GROUND) > 12 && distance(pixel, [13, 28, 49]) > 6;
    let seen = [];
    for (let i = 0; i < 20 && !(seen.length > 0 && seen.filter(isDrawn).length >= seen.length * 0.8); i++) {
      await page.waitForTimeout(1000);
      seen = await page.evaluate(readProbes, 60);
    }
    assert.ok(seen.length >= 20, `${seen.length} cells to look at`);
    const drawn = seen.filter(isDrawn);
    assert.ok(drawn.length >= seen.length * 0.8, `${drawn.length} of ${seen.length} cells are drawn`);
    const right = seen.filter(({ pixel, ramp, opacity }) => {
      const land = [13, 28, 49];
      return [land, GROUND].some(
        (under) =>
          distance(
            pixel,
            ramp.map((c, i) => c * opacity + under[i] * (1 - opacity)),
          ) < 9,
      );
    });
    assert.ok(right.length >= seen.length * 0.6, `${right.length} of ${seen.length} cells have their colour`);
  });

  it('changes its picture with the stream', async () => {
    const held = await page.evaluate(() => window.cityloom.held());
    await page.waitForFunction((q) => window.cityloom.held() > q + 1, held);
  });

  it('keeps the choice of columns above the map, every column whole and in reach', async () => {
    for (const [width, height] of [
      [1920, 1080],
      [1280, 720],
    ]) {
      await page.setViewportSize({ width, height });
      await page.waitForFunction((w) => window.innerWidth === w, width);
      // Both in one look: a notice that comes or goes between two looks moves everything below it.
      const { themes, map } = await page.evaluate(() => {
        const box = (of) => document.querySelector(of).getBoundingClientRect().toJSON();
        return { themes: box('.themes'), map: box('.map') };
      });
      assert.ok(
        themes.bottom <= map.top,
        `${width}: the columns end (${themes.bottom}) where the map begins (${map.top})`,
      );
      assert.ok(themes.height < height * 0.06, `${width}: one row`);
    }
    await page.setViewportSize({ width: 1920, height: 1080 });
  });

  it('tells the values of a cell that is pointed at', async () => {
    // The map follows a change of the window only after a while: the place is asked for again until the pointer is on it.
    let met = false;
    for (let i = 0; i < 10 && !met; i++) {
      const probe = await page.evaluate(readProbes, 3).then((seen) => seen.at(1) ?? seen.at(0));
      const box = await page.locator('.map').boundingBox();
      await page.mouse.move(box.x + probe.x, box.y + probe.y);
      await page.waitForTimeout(1500);
      met = (await page.locator(`.cell-card[data-cell="${probe.cell}"]`).count()) === 1;
    }
    assert.ok(met, 'the card of the cell under the pointer');
    assert.ok((await page.locator('.cell-card dd').count()) >= 1);
    await page.mouse.move(2, 2);
  });

  it('switches its language and remembers it', async () => {
    const heading = page.locator('.kpis h2');
    await page.locator('[data-language=en]').click();
    assert.equal(await heading.innerText(), 'Key indicators');
    await open();
    assert.equal(await heading.innerText(), 'Key indicators');
    await page.locator('[data-language=zh]').click();
    assert.equal(await heading.innerText(), '核心指标');
    await page.locator('[data-language=both]').click();
    assert.match(await heading.innerText(), /核心指标\s+Key indicators/);
  });

  it('is worked by the keyboard: every control is reached, the column changes', async () => {
    await page.locator('body').click({ position: { x: 960, y: 30 } });
    const reached = new Set();
    for (let i = 0; i < 24; i++) {
      await page.keyboard.press('Tab');
      reached.add(
        await page.evaluate(() => {
          const e = document.activeElement;
          return e?.dataset.language ?? e?.dataset.column ?? e?.className ?? '';
        }),
      ); // prettier-ignore
    }
    for (const mode of ['both', 'zh', 'en']) assert.ok(reached.has(mode), `language ${mode} by Tab`);
    const columns = page.locator('[data-column]');
    if ((await columns.count()) < 2) return;
    await columns.nth(1).focus();
    await page.keyboard.press('Enter');
    assert.equal(await columns.nth(1).getAttribute('aria-pressed'), 'true');
    await columns.nth(0).focus();
    await page.keyboard.press('Enter');
  });

  it('reads the text form of the stream as well', async () => {
    await open('&wire=json');
    assert.ok((await page.evaluate(() => window.cityloom.cells())) > 10);
    await open();
    assert.deepEqual(errors, []);
  });

  it('takes an order through accepted to closed', {
    skip: real ? 'leaves the orders of a real city alone' : false,
  }, async () => {
    const id = await page.locator('.orders .row[data-state=dispatched]').first().getAttribute('data-order');
    const row = page.locator(`[data-order="${id}"]`);
    await page.locator('#officer').fill('');
    await row.locator('.act').click();
    await page.locator('.asked').waitFor();
    assert.match(await page.locator('.asked').innerText(), /值班员.*officer/);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'officer');
    await page.keyboard.type('Li Wei');
    assert.equal(await page.locator('.asked').count(), 0);
    await row.locator('.act').click();
    await page.locator(`[data-order="${id}"][data-state=accepted]`).waitFor();
    await row.locator('.act').click();
    await row.locator('.note input').fill('done');
    await row.locator('.note button').click();
    await page.locator(`[data-order="${id}"][data-state=closed]`).waitFor();
  });

  it('keeps the picture when the link is lost, says so, and comes back by itself', {
    skip: real ? 'only the mock can be cut' : false,
  }, async () => {
    await page.evaluate(() => {
      window.untouched = true;
    });
    const before = await page.evaluate(() => window.cityloom.held());
    mock.cut();
    await page.locator('.link[data-phase=lost], .link[data-phase=connecting]').waitFor();
    await page.locator('.wall[data-level=amber]').waitFor();
    await page.locator('.wall[data-level=red]').waitFor();
    assert.match(await page.locator('.link').innerText(), /数据延迟/);
    assert.ok((await page.evaluate(() => window.cityloom.cells())) > 0);
    mock.mend();
    await page.locator('.link[data-phase=live][data-level=fresh]').waitFor();
    await page.waitForFunction((q) => window.cityloom.held() > q, before);
    assert.equal(await page.evaluate(() => window.untouched), true, 'without a reload');
  });

  it('asks for a token where the city wants one, and speaks for its bearer', {
    skip: real ? 'the real one under test is open' : false,
  }, async () => {
    const locked = await startMock({ token: 'good' });
    try {
      await page.goto(`${locked.url}/?test=1`);
      const field = page.locator('.sign-in input');
      await field.fill('bad');
      await page.keyboard.press('Enter');
      await page.locator('.sign-in [role=alert]').waitFor();
      assert.equal(await page.evaluate(() => window.cityloom.cells()), 0);
      await field.fill('good');
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => window.cityloom.cells() > 0, null, { timeout: SLOW });
      assert.equal(await page.locator('.sign-in').count(), 0);
      assert.equal(await page.locator('#officer').inputValue(), 'Li Wei');
      await page.locator('.orders .row[data-state=dispatched] .act').first().click();
      await page.reload();
      await page.waitForFunction(() => (window.cityloom?.cells() ?? 0) > 0, null, { timeout: SLOW });
    } finally {
      await page.goto('about:blank');
      await locked.stop();
    }
  });
});

const distance = (a, b) => Math.max(...a.map((v, i) => Math.abs(v - b[i])));

/** In the page: the pixels of named cells beside what the ramp says of them. */
function readProbes(count) {
  const canvas = document.querySelector('.map canvas');
  const copy = document.createElement('canvas');
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const ratio = canvas.width / canvas.clientWidth;
  return window.cityloom.probes(count).map((probe) => ({
    ...probe,
    pixel: [...context.getImageData(Math.round(probe.x * ratio), Math.round(probe.y * ratio), 1, 1).data.slice(0, 3)],
  }));
}
