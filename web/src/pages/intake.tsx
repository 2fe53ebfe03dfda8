/** The intake page: choose a feed, read its contract, send a file, read what became of it. Wires the stream for what must be known. */
import { effect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ContractCard } from '../panels/intake/contract-card';
import { DropZone } from '../panels/intake/drop-zone';
import { FeedList } from '../panels/intake/feed-list';
import { HistoryCard } from '../panels/intake/history-card';
import { OutcomeCard } from '../panels/intake/outcome-card';
import { Failure, Waiting } from '../panels/intake/parts';
import { chosen, detail, loadChosen, loadFeeds, staleSinceMs } from '../panels/intake/store';
import { Badge, LanguageSwitch } from '../panels/marks';
import { Say, say } from '../panels/say';
import { SignIn } from '../panels/sign-in';
import { language, session, timeZone, wall } from '../panels/store';
import { formatStamp } from '../words/format';
import { INTAKE } from '../words/intake-strings';
import { WORDS } from '../words/strings';
import { entry } from './entry';

/** How often what is shown is asked for again. */
const FRESH_MS = 5000;

function fresh(): void {
  if (session.value === null || session.value.kind === 'locked') return;
  void loadFeeds();
  void loadChosen();
}

const { enter, giveToken, leave } = entry({
  protocol: 'loom.v1.json',
  name: 'intake',
  channels: () => ['sys'],
  since: () => null,
  onEntered: fresh,
});

export function Intake() {
  useEffect(() => {
    enter();
    const timer = setInterval(fresh, FRESH_MS);
    const speak = effect(() => {
      document.documentElement.lang = language.value === 'en' ? 'en' : 'zh-CN';
      document.title = `cityloom · ${say(INTAKE.page)}`;
    });
    // A file that misses its place must not replace the page.
    const stay = (event: DragEvent): void => event.preventDefault();
    addEventListener('dragover', stay);
    addEventListener('drop', stay);
    return () => {
      leave();
      clearInterval(timer);
      speak();
      removeEventListener('dragover', stay);
      removeEventListener('drop', stay);
    };
  }, []);
  return (
    <div class="intake" data-language={language.value}>
      <Top />
      <FeedList />
      <main>
        {session.value?.kind === 'locked' ? (
          <SignIn why={session.value.why} give={giveToken} />
        ) : (
          <>
            <Stale />
            <Chosen />
          </>
        )}
      </main>
    </div>
  );
}

function Top() {
  const { city, sys } = wall.value;
  return (
    <header class="top">
      <h1>
        {city !== null && <Say of={city.name} />}{' '}
        <span class="page-name">
          <Say of={INTAKE.page} />
        </span>
      </h1>
      <div class="standing">
        {(city?.synthetic || sys?.synthetic) && <Badge kind="synthetic" words={WORDS.synthetic} />}
        {sys?.open && <Badge kind="open" words={WORDS.open} />}
        <a class="link" href="/">
          <Say of={INTAKE.toWall} />
        </a>
        <LanguageSwitch />
      </div>
    </header>
  );
}

function Stale() {
  const since = staleSinceMs.value;
  if (since === null) return null;
  return (
    <p class="stale" role="status">
      <Say of={INTAKE.staleSince} /> {formatStamp(since, timeZone.value)}
    </p>
  );
}

function Chosen() {
  const { value, why } = detail.value;
  if (chosen.value === null) {
    return (
      <p class="quiet choose">
        <Say of={INTAKE.choose} />
      </p>
    );
  }
  if (value === null) return why === null ? <Waiting /> : <Failure why={why} again={() => void loadChosen()} />;
  return (
    <>
      <h2 class="feed-heading">
        <Say of={value.title} /> <code>{value.feed}</code>
      </h2>
      <DropZone />
      <OutcomeCard feed={value} />
      <HistoryCard />
      <ContractCard feed={value} />
    </>
  );
}
