//! Runs a city until it is told to stop: opens it, starts every flow, serves, and shuts down in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::serve::{Listener as _, ListenerExt as _};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::duty::{DutyWatch, land_first};
use super::generate::{Demo, Feeder};
use super::issuer::Issuer;
use super::lock::{Locked, guard};
use super::outlet::{self, DeskLog};
use super::pace::{Pace, Steps};
use super::silence::Silence;
use super::tick::Sinks;
use super::{Workshop, WorkshopOptions, behind, drop_folder, in_force, listen, look, reload, tend, uploads};
use crate::config::Settings;
use crate::fusion::{Engine, QueryFile, Tick};
use crate::hub::{Hub, HubConfig};
use crate::ingest::{Lander, Uploads};
use crate::journal::{self, Audit, Audited, Channel, Desk, DeskConfig, JournalConfig};
use crate::model::{Micros, Problem};
use crate::sandbox::Confinement;
use crate::server::stream::{CityInfo, StreamState};
use crate::server::{self, Guard, Pages, Renewal, ServerState, TlsListener};

/// Records between the journal and the hub.
const OUTLET_QUEUE: usize = 64;
/// The journal among the sources that may be in trouble; no connector has such a name.
const JOURNAL: &str = "the journal";
/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// What to serve, and where.
#[derive(Debug)]
pub struct ServeOptions {
    /// Which city.
    pub workshop: WorkshopOptions,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Make the city's data, too.
    pub demo: Option<Demo>,
    /// Who moves the city's clock and ticks; none: real time does.
    pub steps: Option<Steps>,
    /// Where metrics are read from.
    pub metrics: PrometheusHandle,
    /// Where the pages are.
    pub pages: Pages,
}

/// Serves until `shutdown`. `started` is told the address as soon as it is taken, and how it is spoken to. Queries run on `fusion`.
///
/// # Errors
/// What keeps the city from starting.
pub async fn serve(
    options: ServeOptions,
    fusion: Handle,
    shutdown: CancellationToken,
    started: impl FnOnce(&'static str, SocketAddr) + Send,
) -> Result<()> {
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("listening on {}", options.listen))?;
    let workshop = Arc::new(Workshop::open(&options.workshop).await?);
    let settings = &workshop.settings;
    let Locked { guard, issuer } = guard(&workshop, options.listen, options.demo.is_some()).await?;
    let door = Door::new(listener, settings)?;
    let opened_at = workshop.clock.now();
    let log = JournalConfig::at(workshop.data.join("audit"));
    let (audit, auditor) = tokio::task::spawn_blocking(move || Audit::open(log, opened_at)).await??;
    let guard = Arc::new(guard.audited(audit.clone()));
    let (outlet, records) = mpsc::channel(OUTLET_QUEUE);
    let journal = DeskConfig::at(workshop.data.join("journal"));
    let (desk, writer) =
        tokio::task::spawn_blocking(move || Desk::open(journal, opened_at, outlet)).await??;
    empty_spool(&workshop.data)?;
    let log = |channel| DeskLog::new(desk.clone(), channel, Handle::current());
    let hub = Arc::new(Hub::new(HubConfig::default(), log(Channel::Alerts), log(Channel::Orders)));
    let board = Arc::new(Board::new(Arc::clone(&hub), settings.synthetic, guard.is_open()));
    let engine = Arc::new(workshop.engine()?);
    let ready = Arc::new(AtomicBool::new(false));
    let parts = Arc::new(Uploads::open(workshop.data.join("uploads"), settings.limits.intake)?);
    let state = server_state(&workshop, &desk, &hub, &guard, &parts, &ready, options.metrics, &shutdown);
    let (scheme, address) = door.address()?;
    let lander = Arc::clone(&workshop.lander);
    tokio::task::spawn_blocking(move || tell_confinement(&lander)).await??;
    started(scheme, address);

    let mut flows = JoinSet::new();
    let audited = tokio::spawn(auditor.run());
    let access = if guard.is_open() { "open" } else { "locked" };
    audit.note(Audited::by_city("start", format!("{scheme}://{address}"), access), opened_at);
    let written = tokio::spawn(writer.run());
    let told = tokio::spawn(outlet::run(Arc::clone(&hub), records));
    let sinks = Sinks { hub, desk: desk.clone(), board: Arc::clone(&board), owed: Mutex::default() };
    let weaving = Weaving {
        workshop: Arc::clone(&workshop),
        engine,
        sinks,
        board: Arc::clone(&board),
        audit: audit.clone(),
        ready,
        shutdown: shutdown.clone(),
    };
    flows.spawn_on(weave(weaving, options.demo, options.steps), &fusion);
    watch(&mut flows, &workshop, guard, issuer, &audit, &shutdown);
    let listening = listen::run(Arc::clone(&workshop), Arc::clone(&board), audit.clone(), shutdown.clone());
    flows.spawn(listening);
    flows.spawn(uploads::run(Arc::clone(&workshop), parts, audit.clone(), shutdown.clone()));
    flows.spawn_on(tend::run(Arc::clone(&workshop), audit.clone(), shutdown.clone()), &fusion);
    let served = tokio::spawn(door.serve(server::router(state, options.pages), shutdown.clone()));
    flows.spawn_on(behind::run(Arc::clone(&workshop), shutdown.clone()), &fusion);

    let outcome = until_end(&workshop, &mut flows, served, &shutdown).await?;
    desk.shut().await;
    written.await?;
    told.await?;
    audit.shut().await;
    audited.await?;
    outcome
}

/// Starts what looks after that which others change: keys, commits, dropped files.
fn watch(
    flows: &mut JoinSet<Result<()>>,
    workshop: &Arc<Workshop>,
    guard: Arc<Guard>,
    issuer: Option<(Issuer, mpsc::Receiver<Renewal>)>,
    audit: &Audit,
    shutdown: &CancellationToken,
) {
    let (shut, log) = (shutdown.clone(), audit.clone());
    flows.spawn(look::issuer(Arc::clone(workshop), issuer, Arc::clone(&guard), log, shut));
    flows.spawn(look::keys(Arc::clone(workshop), guard, audit.clone(), shutdown.clone()));
    flows.spawn(look::commits(Arc::clone(workshop), shutdown.clone()));
    flows.spawn(drop_folder::run(Arc::clone(workshop), audit.clone(), shutdown.clone()));
}

/// Waits until it is time to end, then for what is under way, and lands what waits in memory. How the flows ended; an
/// error where one broke down.
async fn until_end(
    workshop: &Workshop,
    flows: &mut JoinSet<Result<()>>,
    served: JoinHandle<std::io::Result<()>>,
    shutdown: &CancellationToken,
) -> Result<Result<()>> {
    let mut outcome = Ok(());
    tokio::select! {
        () = shutdown.cancelled() => {}
        Some(ended) = flows.join_next() => outcome = ended?,
    }
    shutdown.cancel();
    while let Some(ended) = flows.join_next().await {
        outcome = outcome.and(ended?);
    }
    // What is being asked is still answered, and what is being sent still lands; but not for ever.
    match tokio::time::timeout(GRACE, served).await {
        Ok(ended) => ended?.context("serving")?,
        Err(_) => tracing::warn!(after_s = GRACE.as_secs(), "stopping although requests are still under way"),
    }
    behind::land_all(workshop).await;
    Ok(outcome)
}

/// The listening socket, in the clear or with TLS.
enum Door {
    Clear(TcpListener),
    Tls(TlsListener),
}

impl Door {
    fn new(listener: TcpListener, settings: &Settings) -> Result<Self> {
        let Some(tls) = &settings.tls else { return Ok(Self::Clear(listener)) };
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("[tls] in cityloom.toml: {}", path.display()))
        };
        let (certificate, key) = (read(&tls.certificate)?, read(&tls.key)?);
        let door = TlsListener::new(listener, &certificate, &key);
        Ok(Self::Tls(door.context("[tls] in cityloom.toml")?))
    }

    fn address(&self) -> Result<(&'static str, SocketAddr)> {
        Ok(match self {
            Self::Clear(listener) => ("http", listener.local_addr()?),
            Self::Tls(listener) => ("https", listener.local_addr()?),
        })
    }

    async fn serve(self, router: Router, shutdown: CancellationToken) -> std::io::Result<()> {
        let routes = router.into_make_service_with_connect_info::<SocketAddr>();
        let stop = shutdown.cancelled_owned();
        match self {
            Self::Clear(listener) => axum::serve(listener, routes).with_graceful_shutdown(stop).await,
            Self::Tls(listener) => {
                // The wrapper does nothing but hand the address on.
                axum::serve(listener.tap_io(|_| {}), routes).with_graceful_shutdown(stop).await
            }
        }
    }
}

/// Removes bodies that were coming in when the server was killed: whoever holds the journal is the only server.
fn empty_spool(data: &Path) -> Result<()> {
    let spool = data.join("spool");
    if spool.exists() {
        std::fs::remove_dir_all(&spool).with_context(|| format!("emptying {}", spool.display()))?;
    }
    Ok(())
}

/// Starts a decoder, so that who runs the city reads what holds those that are to come, and what the kernel lacks.
fn tell_confinement(lander: &Lander) -> Result<()> {
    let Some(Confinement { limits, landlock, seccomp }) = lander.decoder().confinement()? else {
        return Ok(());
    };
    tracing::info!(limits, landlock, seccomp, "files are decoded in processes of their own; what holds them");
    Ok(())
}

/// The handles that routes may reach.
fn server_state(
    workshop: &Workshop,
    desk: &Desk,
    hub: &Arc<Hub>,
    guard: &Arc<Guard>,
    parts: &Arc<Uploads>,
    ready: &Arc<AtomicBool>,
    metrics: PrometheusHandle,
    shutdown: &CancellationToken,
) -> ServerState {
    let settings = &workshop.settings;
    let city = CityInfo {
        name_en: settings.name_en.clone(),
        name_zh: settings.name_zh.clone(),
        synthetic: settings.synthetic,
        time_zone: settings.timezone.name().to_owned(),
    };
    ServerState {
        lander: Arc::clone(&workshop.lander),
        desk: desk.clone(),
        hub: Arc::clone(hub),
        guard: Arc::clone(guard),
        areas: Arc::clone(&workshop.areas),
        clock: Arc::clone(&workshop.clock),
        ready: Arc::clone(ready),
        metrics,
        spool: workshop.data.join("spool"),
        samples: settings.root.join("fixtures").join("feeds"),
        uploads: Arc::clone(parts),
        upload_limit: settings.limits.upload,
        stream: StreamState {
            hub: Arc::clone(hub),
            guard: Arc::clone(guard),
            city,
            shutdown: shutdown.clone(),
        },
    }
}

/// What the weaving needs.
struct Weaving {
    workshop: Arc<Workshop>,
    engine: Arc<Engine>,
    sinks: Sinks,
    board: Arc<Board>,
    audit: Audit,
    ready: Arc<AtomicBool>,
    shutdown: CancellationToken,
}

/// Keeps results up to date: ticks, reloads, and the demo's data where it is asked for.
async fn weave(weaving: Weaving, demo: Option<Demo>, steps: Option<Steps>) -> Result<()> {
    let Weaving { workshop, engine, sinks, board, audit, ready, shutdown } = weaving;
    land_first(&workshop).await?;
    let mut duty = DutyWatch::new(&workshop);
    duty.follow(&workshop, &sinks.desk, workshop.clock.now()).await?;
    let (mut saved, _watcher) = reload::watch(&workshop.settings.root.join("queries"))?;
    let mut loaded = Vec::new();
    load(&workshop, &engine, &sinks, &audit, &mut loaded).await?;
    let (mut feeding, mut silence) = (JoinSet::new(), Silence::default());
    if let Some(filler) = engine.filler() {
        let shutdown = shutdown.clone();
        feeding.spawn(async move { shutdown.run_until_cancelled_owned(filler.run()).await.unwrap_or(()) });
    }
    let mut pace = pace(&workshop, demo, steps, &mut feeding, &shutdown).await;
    let states = workshop.settings.lake.states;
    let mut checkpoints = tokio::time::interval_at(tokio::time::Instant::now() + states, states);
    checkpoints.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = checkpoints.tick() => engine.checkpoint().await,
            changed = saved.changed() => {
                changed.context("watching the queries folder")?;
                load(&workshop, &engine, &sinks, &audit, &mut loaded).await?;
            }
            step = pace.wait() => {
                pace.advance().await;
                let now = workshop.clock.now();
                if let Err(error) = duty.follow(&workshop, &sinks.desk, now).await {
                    tracing::error!("{error:#}");
                }
                // A tick that is broken off leaves no half state behind: what it had begun starts anew.
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = sinks.tick(&engine, Tick::Moved, now) => {}
                }
                let silent = board.publish_feeds(&workshop.lander, now);
                let told = tell(&sinks, &mut silence, silent, &workshop.lander, now).await;
                kept(told, &board, now)?;
                ready.store(true, Ordering::Release);
                // Whoever asked for the step may have gone.
                let _ = step.map(|step| step.send(sinks.hub.watermarks()));
            }
        }
    }
    while let Some(ended) = feeding.join_next().await {
        ended?;
    }
    if tokio::time::timeout(GRACE, engine.checkpoint()).await.is_err() {
        tracing::warn!(
            "not all states were written down in time; a restart reads what they lack from the feeds"
        );
    }
    Ok(())
}

/// Lands what lies before the demo's first picture, and says what brings about the ticks from then on.
async fn pace(
    workshop: &Arc<Workshop>,
    demo: Option<Demo>,
    steps: Option<Steps>,
    feeding: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Pace {
    let mut feeder = demo.map(|demo| {
        let now = workshop.clock.now();
        Feeder::new(demo, workshop.settings.seed, Arc::clone(&workshop.lander), now)
    });
    if let (Some(feeder), Some(demo)) = (&mut feeder, demo) {
        feeder.history(demo.history_min).await;
    }
    if let Some(steps) = steps {
        return Pace::Stepped(steps, feeder);
    }
    if let Some(feeder) = feeder {
        feeding.spawn(feeder.run(Arc::clone(&workshop.clock), shutdown.clone()));
    }
    Pace::live(workshop.settings.wall.refresh)
}

/// Writes into the journal what the clock brings about and which feeds went quiet.
async fn tell(
    sinks: &Sinks,
    silence: &mut Silence,
    silent: BTreeSet<String>,
    lander: &Lander,
    now: Micros,
) -> Result<(), journal::Error> {
    sinks.settle_due(now).await?;
    silence.tell(silent, lander, &sinks.desk, now).await
}

/// A full disk is told on the wall until there is room; what could not be written is written then. Any other failure of the
/// journal ends the city: only a start says what is on the disk.
fn kept(written: Result<(), journal::Error>, board: &Board, now: Micros) -> Result<()> {
    let problem = match written {
        Ok(()) => None,
        Err(error) if error.is_full() => Some(Problem::of_file("journal", "JN001", error.to_string())),
        Err(error) => return Err(error.into()),
    };
    board.source(JOURNAL, now, problem);
    Ok(())
}

/// Loads the queries, tells what is wrong with them, and takes away what those that are gone left behind.
/// Watchers also tell of files that were only read; what has not changed since `loaded` is left alone.
async fn load(
    workshop: &Workshop,
    engine: &Engine,
    sinks: &Sinks,
    audit: &Audit,
    loaded: &mut Vec<QueryFile>,
) -> Result<()> {
    let now = workshop.clock.now();
    let files = match workshop.query_files() {
        Ok(files) => files,
        // A file that vanished under the reading: its going is a change of its own and brings us here again.
        Err(error) => {
            tracing::error!("{error:#}");
            loaded.clear();
            let problem = Problem::of_file("queries", "CL001", format!("{error:#}"));
            sinks.board.loaded(&engine.queries().await, vec![problem], now);
            return Ok(());
        }
    };
    if files == *loaded {
        return Ok(());
    }
    let problems = engine.load(&files, now).await;
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    let queries = engine.queries().await;
    tracing::info!(queries = queries.ordered().len(), problems = problems.len(), "queries loaded");
    if let Err(error) = in_force::write(&workshop.data, &queries) {
        tracing::warn!("{error:#}; `cityloom plan` compares with an older folder");
    }
    kept(sinks.forget(&queries, &files, now).await, &sinks.board, now)?;
    let outcome = format!("{} sound, {} problems", queries.ordered().len(), problems.len());
    audit.note(Audited::by_city("reload", "queries", outcome), now);
    sinks.board.loaded(&queries, problems, now);
    *loaded = files;
    Ok(())
}
