//! The command line: one file for each command that is more than a line.

mod audit;
mod check;
mod explain;
mod land;
mod lineage;
mod plan;
mod refresh;
mod run;
mod sql;
mod test;
mod text;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::app::{self, Demo, WorkshopOptions};
use crate::ingest::{Terms, Units, units_of};
use crate::model::{Micros, SystemClock};
use crate::sandbox;
use crate::server::Pages;

/// The exit code of a command that ran and found something wrong with what it was given.
const FOUND_WRONG: u8 = 1;
/// The exit code of a command that could not run.
const FAILED: u8 = 2;

/// cityloom: one binary and one folder of plain files that make a city's command centre.
///
/// Departments' feeds land by contract (schemas/), analysts' SQL (queries/) weaves them into one map layer,
/// alerts become orders, and every screen sees it over a websocket.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "First run:  cityloom demo        then open the address that it prints
Land:       cityloom land traffic.speed speeds.parquet
Ask:        cityloom sql \"SELECT kind, count(*) FROM police.incidents GROUP BY kind\"
Check:      cityloom check && cityloom test"
)]
struct Cli {
    /// The city folder: cityloom.toml, schemas/, queries/.
    #[arg(long, global = true, value_name = "DIR", default_value = ".", env = "CITYLOOM_CITY")]
    city: PathBuf,
    /// Lake and state; made where it is missing.
    #[arg(long, global = true, value_name = "DIR", default_value = "./data", env = "CITYLOOM_DATA")]
    data: PathBuf,
    /// The areas' GeoJSON, instead of the one that cityloom.toml names.
    #[arg(long, global = true, value_name = "FILE", env = "CITYLOOM_AREAS_FILE")]
    areas: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the city: land what comes, refresh queries, stream to the screens.
    Serve(Listen),
    /// Make the synthetic demo city live, and serve it.
    Demo {
        #[command(flatten)]
        listen: Listen,
        /// 1 makes about 2,000 rows a second.
        #[arg(long, default_value_t = 1.0, value_parser = scale)]
        scale: f64,
        /// Minutes of the city's past that the first picture holds.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=1440))]
        history: u32,
        /// Makes another day of the same city: the same seed, time and scale make the same rows.
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// The city's clock begins here (RFC 3339) and goes on by a second with every tick, so that a day can be had again.
        #[arg(long, value_name = "TIME", value_parser = instant)]
        at: Option<Micros>,
    },
    /// Land files into a feed, checked against its contract; print a receipt.
    Land {
        /// `<department>.<feed>`.
        feed: String,
        /// Parquet, CSV, Excel, NDJSON or GeoJSON.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The version of the contract that the files were made for; else the newest that their columns fit.
        #[arg(long, value_name = "VERSION")]
        contract: Option<String>,
        /// The units of columns, where they are not the contract's and the files do not say so.
        #[arg(long, value_name = "COLUMN:UNIT,…", value_parser = units_of, default_value = "", hide_default_value = true)]
        units: Units,
        /// How the receipt is printed.
        #[arg(long, value_enum, default_value_t = ReceiptFormat::Text)]
        format: ReceiptFormat,
    },
    /// Check settings, contracts and queries: every error of every file, with <file:line:column>.
    Check {
        /// How problems are printed.
        #[arg(long, value_enum, default_value_t = ReceiptFormat::Text)]
        format: ReceiptFormat,
    },
    /// Run one SELECT over feeds, quarantine, areas, queries and local files (FROM 'file.parquet').
    Sql {
        /// The statement.
        statement: String,
        /// How the rows are printed.
        #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
        format: RowsFormat,
    },
    /// Recompute queries once and say what came out and how long it took.
    Refresh {
        /// Which; all where none is named.
        queries: Vec<String>,
    },
    /// Say how queries are kept up to date: class, states, windows, and why one is recomputed.
    Explain {
        /// Which; all where none is named.
        queries: Vec<String>,
        /// Run them over the landed data, to tell how large their states are and how long they take.
        #[arg(long)]
        measure: bool,
    },
    /// Say what the city folder as it is now would change of what the server ran last: versions of contracts, states that go
    /// on, states that are filled anew and from how many rows, results that differ.
    Plan {
        /// Leave the results alone; say only what becomes of the states.
        #[arg(long)]
        no_sample: bool,
    },
    /// Run each query over its fixtures and compare with what is expected.
    Test {
        /// Which; all where none is named.
        queries: Vec<String>,
        /// Write what came out as what is expected.
        #[arg(long)]
        update: bool,
    },
    /// Show what each query reads, down to the feeds.
    Lineage {
        /// Which; all where none is named.
        queries: Vec<String>,
    },
    /// Make keys and issue the tokens that a locked city asks for.
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Verify the journal and the audit log.
    Audit {
        #[command(subcommand)]
        command: audit::AuditCommand,
    },
    /// Decode the file at standard input for the process that started this one.
    #[command(hide = true)]
    DecodeWorker,
    /// Print the completions for a shell.
    Completions {
        /// bash, zsh, fish, elvish, powershell.
        shell: clap_complete::Shell,
    },
}

/// Where to listen.
#[derive(Debug, Clone, clap::Args)]
struct Listen {
    /// Address and port; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "CITYLOOM_LISTEN")]
    listen: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReceiptFormat {
    /// For people.
    Text,
    /// For scripts: one JSON document a line.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RowsFormat {
    /// Aligned columns.
    Table,
    /// With a header line.
    Csv,
    /// One object a line.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

/// The program that runs, so that it can be started once more: on Linux even where an upgrade has replaced its file.
fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().unwrap_or_else(|_| "cityloom".into())
}

/// Decodes for another process. Where that one is gone there is nobody to tell.
fn decode_worker() -> ExitCode {
    sandbox::run_worker().map_or(ExitCode::from(FAILED), |()| ExitCode::SUCCESS)
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 100.0 => Ok(scale),
        _ => Err("give a number above 0 and up to 100".into()),
    }
}

fn instant(text: &str) -> Result<Micros, String> {
    Micros::from_rfc3339(text)
        .ok_or_else(|| "give a time with its offset, as 2026-03-02T07:30:00+08:00".into())
}

/// Runs the command that the process was started with; a served city shows `pages`.
pub fn main(pages: Pages) -> ExitCode {
    let cli = Cli::parse();
    let options = WorkshopOptions {
        city: cli.city,
        data: cli.data,
        areas: cli.areas,
        local_files: false,
        clock: Arc::new(SystemClock),
        decoder: Some(this_program()),
    };
    let done = match cli.command {
        Command::Serve(listen) => run::serve(options, listen.listen, None, None, pages),
        Command::Demo { listen, scale, history, seed, at } => {
            run::serve(options, listen.listen, Some(Demo { scale, history_min: history, seed }), at, pages)
        }
        Command::Land { feed, files, contract, units, format } => {
            let terms = Terms { contract, units, ..Terms::default() };
            run::once(land::land(options, feed, files, terms, format))
        }
        Command::Check { format } => run::once(check::check(options, format)),
        Command::Sql { statement, format } => run::once(sql::sql(options, statement, format)),
        Command::Refresh { queries } => run::once(refresh::refresh(options, queries)),
        Command::Test { queries, update } => run::once(test::test(options, queries, update)),
        Command::Explain { queries, measure } => run::once(explain::explain(options, queries, measure)),
        Command::Plan { no_sample } => run::once(plan::plan(options, !no_sample)),
        Command::Lineage { queries } => lineage::lineage(options, queries),
        Command::Token { command } => token::token(&options, command),
        Command::Audit { command } => {
            app::check_format(&options.data).map(|()| audit::audit(&options.data, command))
        }
        Command::DecodeWorker => Ok(decode_worker()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cityloom", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        text::err(&format!("error: {error:#}"));
        ExitCode::from(FAILED)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
