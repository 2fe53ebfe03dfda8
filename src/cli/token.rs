//! `token`: keys for a small city, and tokens issued with them. A city with a directory of its own needs neither.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;

use super::text;
use crate::access::{Audience, Bearer, Grant, Revocation, Role, SigningKey, issue, token_id};
use crate::app::{WorkshopOptions, revoked_file};
use crate::config::{self, Settings};
use crate::lake::{create_dirs, fsync_dir};
use crate::model::{AreaCode, Clock as _, SystemClock, UnitId};

const PRIVATE: &str = "signing-key.json";
const PUBLIC: &str = "keys.json";

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a key: DIR/signing-key.json, which issues tokens, and DIR/keys.json, which the city checks them with.
    Keygen {
        /// Where to; outside of what you publish.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Issue a token and print it; its id, by which it can be revoked, goes to standard error.
    Issue(Issue),
    /// End tokens before their time. A running server knows it within a second.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// The token of this id.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The token in this file.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Everything that this subject was given until now.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Issue {
    /// The signing key that `token keygen` made.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What people call the bearer; it stands beside what they do.
    #[arg(long)]
    name: String,
    /// The bearer's stable id; the name where none is given.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// viewer, officer, unit, duty or admin; may be given more than once.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
    /// Whose feeds an officer lands.
    #[arg(long)]
    department: Option<String>,
    /// Whose orders a unit takes; may be given more than once.
    #[arg(long = "unit", value_name = "UNIT")]
    units: Vec<String>,
    /// Where orders may be taken; the whole city where it is left out.
    #[arg(long, value_name = "CODE")]
    area: Option<AreaCode>,
    /// How many days it is good for.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
}

pub(super) fn token(options: &WorkshopOptions, command: TokenCommand) -> Result<ExitCode> {
    match command {
        TokenCommand::Keygen { folder } => keygen(&folder)?,
        TokenCommand::Issue(wish) => {
            let (token, id) = issued(options, wish)?;
            text::out(&token);
            text::err(&format!("its id is {id}"));
        }
        TokenCommand::Revoke(wish) => revoke(&options.data, wish)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn keygen(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let (private, public) = SigningKey::generate()?;
    let (private_file, public_file) = (folder.join(PRIVATE), folder.join(PUBLIC));
    write_new(&private_file, &format!("{private:#}\n"), 0o600)?;
    write_new(&public_file, &format!("{public:#}\n"), 0o644)?;
    text::out(&format!(
        "{}: issues tokens; keep it where only you can read it\n{}: checks them; name it in cityloom.toml:\n\n[access]\nkeys = \"{}\"",
        private_file.display(),
        public_file.display(),
        std::path::absolute(&public_file)?.display()
    ));
    Ok(())
}

/// Never over another key: the tokens that it issued would end with it.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file: File = made.with_context(|| format!("{}; choose another folder", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
}

fn issued(options: &WorkshopOptions, wish: Issue) -> Result<(String, String)> {
    let roles: BTreeSet<Role> = wish.roles.iter().copied().collect();
    check(options, &wish, &roles)?;
    let jwk = std::fs::read_to_string(&wish.key).with_context(|| wish.key.display().to_string())?;
    let key = SigningKey::from_jwk(&jwk).with_context(|| wish.key.display().to_string())?;
    let settings = Settings::read(&options.city, None).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let audience = settings.access.map_or_else(Audience::default, |access| access.audience);
    let now = SystemClock.now();
    let id = uuid::Uuid::now_v7().to_string();
    let grant = Grant {
        id: Some(id.clone()),
        issued: Some(now),
        subject: wish.subject.unwrap_or_else(|| wish.name.clone()),
        name: wish.name,
        roles,
        department: wish.department,
        units: wish.units.into_iter().map(UnitId).collect(),
        area: wish.area,
        until: now.plus_seconds(i64::from(wish.days) * 86_400),
    };
    Ok((issue(&grant, &key, &audience, now), id))
}

/// Appends a line to the list, which is on the disk when this returns.
fn revoke(data: &Path, wish: Revoke) -> Result<()> {
    let Revoke { id, token, subject } = wish;
    let by_file = |path: &PathBuf| -> Result<String> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        token_id(&Bearer::new(text.trim()))
            .with_context(|| format!("{} holds no token with an id; end it with --subject", path.display()))
    };
    let revocation = match (id, token.as_ref().map(by_file).transpose()?, subject) {
        (Some(id), _, _) | (None, Some(id), _) => Revocation::Token(id),
        (None, None, subject) => {
            Revocation::Subject { subject: subject.unwrap_or_default(), until: SystemClock.now() }
        }
    };
    let line = revocation.line()?;
    let path = revoked_file(data);
    let folder = path.parent().unwrap_or(data);
    create_dirs(folder).with_context(|| folder.display().to_string())?;
    let appended = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o644).open(&path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()?;
        fsync_dir(folder)
    };
    appended().with_context(|| path.display().to_string())?;
    text::out(&format!("{}: {}", path.display(), line.replace('\t', " ")));
    Ok(())
}

/// A token that would grant nothing is a mistake of the one who issues it.
fn check(options: &WorkshopOptions, wish: &Issue, roles: &BTreeSet<Role>) -> Result<()> {
    if wish.name.trim().is_empty() {
        bail!("--name says nobody");
    }
    if roles.contains(&Role::Officer) && wish.department.is_none() {
        bail!("an officer lands a department's feeds: say which with --department");
    }
    if roles.contains(&Role::Unit) && wish.units.is_empty() {
        bail!("a unit takes its own orders: say which with --unit, as the duty list names it");
    }
    if let Some(department) = &wish.department {
        let (contracts, _) = config::contracts(&options.city);
        let known: BTreeSet<&str> = contracts.iter().map(|contract| contract.feed.department()).collect();
        if !known.contains(department.as_str()) {
            let known: Vec<&str> = known.into_iter().collect();
            bail!("there is no department `{department}`; there are: {}", known.join(", "));
        }
    }
    Ok(())
}
