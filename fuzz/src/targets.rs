//! What random bytes are given to, and what must hold whatever they are.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use cityloom::access::fuzzing::signed;
use cityloom::access::{Audience, Bearer, Keys, Revoked, SigningKey, issue, verify};
use cityloom::config::Settings;
use cityloom::contract::{self, Contract, TimeFormat};
use cityloom::decode::{self, Document, Error, Limits, Payload, Progress, ReadAs, Request, Rows};
use cityloom::fusion::Query;
use cityloom::ingest::fuzzing::sift;
use cityloom::model::{FeedName, LngLat, Micros};
use cityloom::place::{Areas, Instants};
use cityloom::sandbox::{Decoder, Reader};
use rustix::fs::{MemfdFlags, memfd_create};

/// What time it is.
const NOW: Micros = Micros(1_790_000_000_000_000);

/// One thing that reads bytes.
pub struct Target {
    /// What `FUZZ_TARGET` calls it.
    pub name: &'static str,
    /// Reads them; a panic is a fault.
    pub run: fn(&[u8]),
    /// What a panic is there.
    pub panics: Panics,
}

/// What a panic means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Panics {
    /// A fault.
    Fault,
    /// A fault, too, where it comes out: `decode/guard.rs` holds those of other people's readers.
    Guarded,
    /// Nothing: the code is others', and the city runs it in a child that may end as it likes. `.ci/fuzz` lets these three
    /// wait and want too much, too.
    Contained,
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, panics: Panics::Fault }
}

/// All of them.
pub const ALL: &[Target] = &[
    target("csv", |bytes| file("f.csv", bytes)),
    target("ndjson", |bytes| file("f.ndjson", bytes)),
    target("geojson", |bytes| file("f.geojson", bytes)),
    target("gtfs", |bytes| file("f.pb", bytes)),
    target("packed", |bytes| file("f.csv.gz", bytes)),
    Target { name: "cap", run: |bytes| file("f.cap", bytes), panics: Panics::Contained },
    Target { name: "xlsx", run: |bytes| file("f.xlsx", bytes), panics: Panics::Guarded },
    Target { name: "parquet", run: |bytes| file("f.parquet", bytes), panics: Panics::Guarded },
    target("rows", rows),
    target("links", links),
    target("answers", answers),
    target("contract", contract),
    target("settings", settings),
    target("query", query),
    target("areas", areas),
    target("times", times),
    target("token", token),
    target("claims", claims),
    target("journal", cityloom::journal::fuzzing::line),
    target("tus", cityloom::server::fuzzing::tus),
    target("screen", cityloom::server::fuzzing::screen),
    target("child", child),
    target("log", cityloom::lake::fuzzing::log),
];

/// The bounds of a small city: what random bytes could reach of them in a moment.
fn limits() -> Limits {
    Limits {
        unpacked: 4 << 20,
        rows: 10_000,
        columns: 64,
        cell: 4 << 10,
        decoded: 16 << 20,
        row_groups: 16,
        row_group: 4 << 20,
        ..Limits::default()
    }
}

fn request() -> Request {
    Request {
        headers: ["ts", "lng", "lat", "speed", "id", "identifier"].map(str::to_owned).to_vec(),
        required: vec![false; 6],
        numeric: vec![false, true, true, true, false, false],
        point: Some((1, 2)),
        limits: limits(),
        sheet: None,
    }
}

fn in_memory(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("memory for a file"));
    file.write_all(bytes).and_then(|()| file.rewind()).expect("memory for its bytes");
    file
}

/// What must hold, also where panics of others are let pass.
fn must(holds: bool, what: &str) {
    if !holds {
        eprintln!("{what}");
        std::process::abort();
    }
}

/// Reads a file as the child does; how it was read, and how many rows and unreadable lines came.
fn read(name: &str, bytes: &[u8]) -> Result<(ReadAs, usize, usize), Error> {
    let (request, progress) = (request(), Arc::new(Progress::default()));
    let (mut good, mut bad, mut last) = (0, 0, 0);
    let mut sink = |rows: Rows| {
        must(rows.batch.num_rows() == rows.numbers.len(), "a row has no number");
        must(rows.batch.num_columns() == request.headers.len(), "other columns than the wanted");
        must(rows.numbers.windows(2).all(|pair| pair[0] < pair[1]), "rows out of their order");
        if let (Some(first), Some(end)) = (rows.numbers.first(), rows.numbers.last()) {
            must(*first > last, "a row came twice");
            last = *end;
        }
        good += rows.batch.num_rows();
        bad += rows.unreadable.len();
        Ok(())
    };
    let scratch = Some(in_memory(&[]));
    let how = decode::decode_named(name, in_memory(bytes), scratch, &request, &progress, &mut sink)?;
    must(u64::try_from(good + bad).is_ok_and(|rows| rows <= limits().rows), "more rows than the bound");
    Ok((how, good, bad))
}

/// Whatever the bytes are, reading them twice comes to the same.
fn file(name: &str, bytes: &[u8]) {
    must(read(name, bytes) == read(name, bytes), "read twice it is not the same");
}

/// Reads a CSV of a contract with a column of every type and a rule of every kind, and sifts it.
fn rows(bytes: &[u8]) {
    static AREAS: LazyLock<Arc<Areas>> = LazyLock::new(|| {
        let text = include_str!("../../tests/tiny_city/areas.geojson");
        Arc::new(Areas::from_geojson(text).expect("three areas"))
    });
    static CONTRACT: LazyLock<Arc<Contract>> = LazyLock::new(|| {
        let feed = "fuzz.rows".parse().expect("a name");
        Arc::new(contract::parse(&feed, include_str!("../rows.odcs.yaml")).expect("a contract"))
    });
    let columns = || CONTRACT.columns.iter();
    let request = Request {
        headers: columns().map(|column| column.header.clone()).collect(),
        required: columns().map(|column| column.required).collect(),
        numeric: columns().map(|column| column.data_type.is_numeric()).collect(),
        ..request()
    };
    let progress = Arc::new(Progress::default());
    sift(&CONTRACT, Arc::clone(&AREAS), |sink| {
        decode::decode_named("f.csv", in_memory(bytes), None, &request, &progress, sink).map(Some)
    });
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn contract(bytes: &[u8]) {
    let (Some(text), Ok(feed)) = (text(bytes), "traffic.speed".parse::<FeedName>()) else { return };
    match contract::parse(&feed, text) {
        Ok(contract) => assert!(contract.key.iter().all(|column| *column < contract.columns.len())),
        Err(errors) => assert!(!errors.is_empty(), "refused for no reason"),
    }
}

/// One city folder for all runs, in memory where the machine has such a place.
fn settings(bytes: &[u8]) {
    static CITY: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let city = place.join("cityloom-fuzz");
        std::fs::create_dir_all(&city).expect("a folder");
        city
    });
    std::fs::write(CITY.join("cityloom.toml"), bytes).expect("room for a file");
    drop(Settings::read(&CITY, None));
}

/// A boundary file: all points at once are found as each by itself.
fn areas(bytes: &[u8]) {
    let Some(Ok(areas)) = text(bytes).map(Areas::from_geojson) else { return };
    let points: Vec<Option<LngLat>> = areas.inside().iter().copied().map(Some).collect();
    let found = areas.locate_all(&points, Instants::One(NOW));
    for (point, found) in points.into_iter().flatten().zip(found) {
        assert_eq!(found, areas.locate(point, NOW), "found otherwise among others");
    }
}

/// How a contract writes times, a line's end, and a time.
fn times(bytes: &[u8]) {
    let Some((pattern, time)) = text(bytes).and_then(|text| text.split_once('\n')) else { return };
    for format in [Some(TimeFormat::Iso), TimeFormat::from_jdk(pattern).ok()].into_iter().flatten() {
        for zone in [chrono_tz::UTC, chrono_tz::America::Chicago, chrono_tz::Australia::Lord_Howe] {
            let _ = format.instant(time, zone);
            let _ = format.date(time).map(|day| contract::midnight(day, zone));
        }
    }
    let _ = time.parse().map(|day| contract::midnight(day, chrono_tz::Asia::Shanghai));
}

fn query(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Err(problems) = Query::parse("queries/fuzzed.sql", text) {
        assert!(!problems.is_empty(), "refused for no reason");
    }
}

/// Tokens, the keys that they are checked with, and the list of those that ended: nobody gets in by chance.
fn token(bytes: &[u8]) {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        let (_, public) = SigningKey::generate().expect("a key");
        Keys::from_jwks(&public.to_string()).expect("its public half")
    });
    let Some(text) = text(bytes) else { return };
    let audience = Audience { issuer: None, audience: None };
    let let_in = verify(&Bearer::new(text), &KEYS, &audience, &Revoked::default(), Micros(0));
    assert!(let_in.is_err(), "a token that nobody signed");
    drop(Keys::from_jwks(text));
    drop(SigningKey::from_jwk(text));
    drop(Revoked::parse(text));
}

/// Claims that somebody signed: who comes in has a name and an end, and stays the same in a token of our own.
fn claims(bytes: &[u8]) {
    static KEY: LazyLock<(SigningKey, Keys)> = LazyLock::new(|| {
        let (private, public) = SigningKey::generate().expect("a key");
        let key = SigningKey::from_jwk(&private.to_string()).expect("its private half");
        (key, Keys::from_jwks(&public.to_string()).expect("its public half"))
    });
    let (key, keys) = &*KEY;
    let anyones = Audience { issuer: None, audience: None };
    let enters = |token: &Bearer| verify(token, keys, &anyones, &Revoked::default(), NOW);
    let Ok(grant) = enters(&signed(bytes, key)) else { return };
    assert!(grant.until > NOW && !grant.subject.trim().is_empty() && !grant.name.trim().is_empty());
    // A second's fraction is not issued: one that ends within this second may have ended.
    if let Ok(again) = enters(&Bearer::new(issue(&grant, key, &anyones, NOW))) {
        assert_eq!((again.subject, again.name, again.roles), (grant.subject, grant.name, grant.roles));
        assert_eq!((again.department, again.units, again.area), (grant.department, grant.units, grant.area));
    }
}

/// Who reads what a live source tells.
fn reader() -> Reader {
    Decoder::in_process(limits()).reader(["id", "ts", "speed", "topic"].into_iter().collect())
}

/// An Atom feed.
fn links(bytes: &[u8]) {
    if let Ok(rows) = reader().read(&Document::Atom, &[Payload::whole(bytes.to_vec())]) {
        assert_eq!(rows.batch.num_columns(), if rows.is_empty() { 0 } else { 3 }, "columns of no feed");
    }
}

/// What a source answers and sends.
fn answers(bytes: &[u8]) {
    cityloom::connect::fuzzing::answers(&reader(), bytes);
}

/// What a child that was taken over might say.
fn child(bytes: &[u8]) {
    cityloom::sandbox::fuzzing::messages(bytes, &request());
}
