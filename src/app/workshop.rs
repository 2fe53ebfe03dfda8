//! A city opened for work: its settings, contracts, areas, lake and SQL. Every command begins here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use object_store::local::LocalFileSystem;

use super::format::{check_format, mark_format};
use super::veil_key::veil_key;
use crate::config::{self, Settings};
use crate::contract::Contract;
use crate::fusion::{Catalog, Engine, Latest, Query, QueryFile, QuerySet, SessionConfig, StateLimits};
use crate::ingest::{Lander, open_feeds};
use crate::lake::Lake;
use crate::model::{Clock, Problem};
use crate::place::Areas;
use crate::sandbox::Decoder;

/// Which city, and where its data is.
#[derive(Debug, Clone)]
pub struct WorkshopOptions {
    /// The city folder.
    pub city: PathBuf,
    /// Lake and state.
    pub data: PathBuf,
    /// A boundary file other than the settings'.
    pub areas: Option<PathBuf>,
    /// Whether SQL may read local files.
    pub local_files: bool,
    /// Who says what time it is.
    pub clock: Arc<dyn Clock>,
    /// The program that decodes files in a process of its own; none: this process does, which is for tests.
    pub decoder: Option<PathBuf>,
}

/// An opened city.
#[derive(Debug)]
pub struct Workshop {
    /// Its settings.
    pub settings: Settings,
    /// Its contracts.
    pub contracts: Vec<Arc<Contract>>,
    /// Its areas.
    pub areas: Arc<Areas>,
    /// Where files land.
    pub lander: Arc<Lander>,
    /// What SQL can name: feeds, quarantine, areas; no queries yet.
    pub catalog: Catalog,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The data folder.
    pub data: PathBuf,
}

impl Workshop {
    /// Opens the city; contracts that are broken stop it, queries do not concern it.
    ///
    /// # Errors
    /// What is wrong with the folder or the lake.
    pub async fn open(options: &WorkshopOptions) -> Result<Self> {
        check_format(&options.data)?;
        let settings = Settings::read(&options.city, options.areas.as_deref())
            .map_err(|problem| anyhow!("{problem}"))?;
        let (contracts, problems) = config::contracts(&options.city);
        if !problems.is_empty() {
            bail!("{}", lines(&problems));
        }
        // Thousands of outlines take as long to make ready as a lake to open: both at once.
        let boundaries = settings.areas.clone();
        let areas = tokio::task::spawn_blocking(move || config::read_areas(&boundaries));
        let clock = Arc::clone(&options.clock);
        let lake = match &settings.lake.bucket {
            Some(bucket) => Lake::open_bucket(bucket).await?,
            None => Lake::open(&options.data)?,
        };
        crate::lake::create_dirs(&options.data)?;
        mark_format(&options.data)?;
        let feeds = open_feeds(&lake.with_tail(settings.lake.tail), &contracts).await?;
        let areas = Arc::new(areas.await?.map_err(|problem| anyhow!("{problem}"))?);
        let mut lander = Lander::new(feeds, Arc::clone(&areas), Arc::clone(&clock), settings.limits.upload)
            .with_decoder(decoder(&settings, options.decoder.clone()))
            .with_bounds(settings.limits.intake);
        if let Some(key) = veil_key(&options.data, &contracts)? {
            lander = lander.with_veil_key(key);
        }
        let catalog = catalog(&settings, &lander, &areas, options.local_files).context("setting up SQL")?;
        let lander = Arc::new(lander);
        Ok(Self { settings, contracts, areas, lander, catalog, clock, data: options.data.clone() })
    }

    /// An engine for the city's queries whose states outlive the process, below the data folder.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn engine(&self) -> Result<Engine> {
        let folder = self.data.join("state");
        crate::lake::create_dirs(&folder).with_context(|| format!("making {}", folder.display()))?;
        let store = LocalFileSystem::new_with_prefix(&folder)?;
        let engine = Engine::new(self.catalog.clone()).with_checkpoints(Arc::new(store));
        let mut limits = StateLimits::default();
        limits.rows = self.settings.limits.state_rows.unwrap_or(limits.rows);
        Ok(engine.with_limits(limits))
    }

    /// The files below the city's `queries/`.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn query_files(&self) -> Result<Vec<QueryFile>> {
        query_files(&self.settings.root)
    }

    /// The queries in their order, all of them sound.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn queries(&self) -> Result<QuerySet> {
        let mut problems = Vec::new();
        let mut queries = Vec::new();
        for file in self.query_files()? {
            match Query::parse(&file.file, &file.text) {
                Ok(query) => queries.push(query),
                Err(found) => problems.extend(found),
            }
        }
        let (set, found) = QuerySet::order(queries, &self.catalog.names());
        problems.extend(found);
        if problems.is_empty() { Ok(set) } else { bail!("{}", lines(&problems)) }
    }
}

fn decoder(settings: &Settings, program: Option<PathBuf>) -> Decoder {
    let limits = settings.limits;
    match program {
        Some(program) => Decoder::child(program, limits.file, limits.decoding),
        None => Decoder::in_process(limits.file),
    }
}

fn query_files(root: &Path) -> Result<Vec<QueryFile>> {
    let folder = root.join("queries");
    QueryFile::read_all(&folder, "queries").with_context(|| format!("reading {}", folder.display()))
}

fn catalog(settings: &Settings, lander: &Lander, areas: &Arc<Areas>, local_files: bool) -> Result<Catalog> {
    let mut catalog = Catalog::new(SessionConfig {
        threads: settings.limits.query_threads,
        memory: settings.limits.query_memory,
        local_files,
    })?;
    for (name, feed) in lander.feeds() {
        catalog.add_feed(name, &feed.table, &feed.quarantine)?;
        if let Some(latest) = Latest::of(&feed.contract) {
            catalog.keep_latest(&latest)?;
        }
    }
    let areas = Arc::clone(areas);
    catalog.add_made("ref", "areas", Areas::table_schema(), move || areas.to_record_batch())?;
    Ok(catalog)
}

/// Problems, a line each.
pub fn problems_of(problems: &[Problem]) -> String {
    lines(problems)
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
