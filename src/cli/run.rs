//! Runtimes, logs, metrics and signals: what a command needs around it.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::text;
use crate::app::{self, Demo, ServeOptions, Steps, WorkshopOptions};
use crate::model::Micros;
use crate::server::Pages;

/// Plans nest deeply and run on worker threads; the default 2 MiB is too little for deep ones.
const STACK: usize = 8 << 20;

/// Runs a command that ends by itself.
pub(super) fn once(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    logs("warn");
    runtime("cityloom")?.block_on(command)
}

/// Serves until the process is told to stop.
pub(super) fn serve(
    mut workshop: WorkshopOptions,
    listen: SocketAddr,
    demo: Option<Demo>,
    at: Option<Micros>,
    pages: Pages,
) -> Result<ExitCode> {
    logs("warn,cityloom=info");
    let buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &buckets)
        .and_then(PrometheusBuilder::install_recorder)
        .context("setting up metrics")?;
    // Queries have threads of their own: a long one must not hold up a websocket.
    let doors = runtime("doors")?;
    let fusion = runtime("fusion")?;
    let shutdown = CancellationToken::new();
    let stepped = at.map(Steps::at);
    if let Some((_, steps)) = &stepped {
        workshop.clock = steps.clock();
    }
    let (stepper, steps) = stepped.unzip();
    let options = ServeOptions { workshop, listen, demo, steps, metrics, pages };
    let served = doors.block_on(async {
        tokio::spawn(stop_on_signal(shutdown.clone()));
        stepper.map(|stepper| tokio::spawn(stepper.run()));
        app::serve(options, fusion.handle().clone(), shutdown, |scheme, address| {
            text::out(&format!("cityloom is at {scheme}://{address}/"));
        })
        .await
    });
    fusion.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

fn runtime(name: &str) -> Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        .thread_stack_size(STACK)
        .build()
        .context("starting threads")
}

fn logs(default: &str) {
    let filter = EnvFilter::try_from_env("CITYLOOM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let stderr = std::io::stderr;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    logs.init();
}

/// Control-C or a service manager's TERM; a second one ends the process at once, as the system does it.
async fn stop_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    shutdown.cancel();
}
