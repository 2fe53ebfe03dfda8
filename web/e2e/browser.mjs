// A browser for the tests of a page: the mock city unless CITYLOOM_URL names a real one, and what the page asked elsewhere or complained about.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startMock } from './mock-server.mjs';

const ARGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** For pages that draw with WebGL where there is no graphics card. */
export const WITH_GL = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];
/** A busy machine may take so long for what it shows at once otherwise. */
export const SLOW = 60_000;

/** The city that is looked at: `mock` is null where it is a real one. */
export async function theCity() {
  const real = process.env.CITYLOOM_URL;
  const mock = real ? null : await startMock();
  return { real, mock, base: (real ?? mock.url).replace(/\/$/, '') };
}

/** `foreign` are requests to other hosts than the city's, `errors` what the page complained of; both may be emptied. */
export async function startBrowser(base, { viewport, args = [], ...options }) {
  const profile = await mkdtemp(join(tmpdir(), 'cityloom-e2e-'));
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const settings = { executablePath, headless: true, viewport, args: [...ARGS, ...args], ...options };
  const browser = await chromium.launchPersistentContext(profile, settings);
  const page = browser.pages()[0] ?? (await browser.newPage());
  const [foreign, errors] = [[], []];
  page.setDefaultTimeout(SLOW);
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && host !== new URL(base).host) foreign.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  const stop = async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { browser, page, foreign, errors, stop };
}
