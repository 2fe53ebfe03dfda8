//! Alerts and vehicles: real and broken documents, as files and as what a live source answers.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::extract::Path as Route;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cityloom::connect::{Answer, Connector, HttpPoll, HttpPollConfig, PollError, PollOutcome};
use cityloom::decode::{
    Bound, Document, Entity, Error, Limits, MessageOptions, Names, Payload, RowPlace, Rows,
};
use cityloom::sandbox::{Decoder, ResourceLimits};
use serde_json::{Map, Value};

use crate::binary::real_data;
use crate::server::City;

fn files(folder: &Path, ending: &str) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter(|path| path.extension().is_some_and(|extension| extension == ending));
    named.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

#[test]
fn alerts_of_the_world_become_rows_and_broken_ones_are_refused() {
    let Some(folder) = real_data("protocol/cap") else { return };
    let mut alerts = files(&folder.join("oasis_appendix"), "xml");
    assert_eq!(alerts.len(), 12);
    alerts.extend(files(&folder.join("testdata"), "cap"));
    let (mut taken, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for (name, file) in &alerts {
        match records(Document::Cap, &std::fs::read(file).unwrap()) {
            Ok(rows) => {
                for row in &rows {
                    let number = |name: &str| row.get(name).map(number);
                    assert_eq!(number("lng").is_some(), number("lat").is_some());
                    // All of them are of the northern Americas or Australia.
                    assert!(
                        number("lng").is_none_or(|lng| !(-50.0..=110.0).contains(&lng)),
                        "{name}: {row:?}"
                    );
                }
                taken.insert(name.as_str(), rows);
            }
            Err(error) => {
                refused.insert(name.as_str(), error.to_string());
            }
        }
    }
    assert!(refused["xee.cap"].contains("DOCTYPE"), "{refused:?}");
    let broken: BTreeSet<&str> = refused.keys().copied().collect();
    assert_eq!(broken, BROKEN.into(), "{refused:?}");
    assert_eq!(taken["canada.cap"].len(), 4, "two texts, two areas each");
    assert_eq!(taken["v1dot2_appendix_adot4.xml"].len(), 2);
    let quake = &taken["earthquake-iso8859-1.cap"][0];
    assert_eq!(quake["event"], "Earthquake");
}

/// What is wrong with them: no scope, an element where a text should be, entities.
const BROKEN: [&str; 3] = ["invalid.cap", "noaa_errors.cap", "xee.cap"];

#[test]
fn atom_feeds_are_read_or_refused() {
    let Some(folder) = real_data("protocol/cap/testdata") else { return };
    let read = |name: &str| records(Document::Atom, &std::fs::read(folder.join(name)).unwrap());
    assert_eq!(read("weather_index.atom").unwrap().len(), 2);
    let entry = read("earthquake_index.atom").unwrap().remove(0);
    let link = entry["link"].as_str().unwrap();
    assert!(link.starts_with("http") && entry.contains_key("updated"), "{entry:?}");
    for name in ["xee.atom", "no_link.atom", "no_id.atom", "ny_index.rss"] {
        assert!(read(name).is_err(), "{name}");
    }
}

#[test]
fn a_real_feed_of_vehicles_becomes_rows() {
    let Some(folder) = real_data("protocol/gtfs_rt") else { return };
    let bytes = std::fs::read(folder.join("poznan_feeds_2026-01-28.pb")).unwrap();
    let vehicles = records(Document::GtfsRealtime(Entity::Vehicles), &bytes).unwrap();
    assert_eq!(vehicles.len(), 548);
    for row in &vehicles {
        let number = |name: &str| number(&row[name]);
        assert!((16.0..18.0).contains(&number("lng")) && (52.0..53.0).contains(&number("lat")), "{row:?}");
        assert!(row["at"].as_str().unwrap().starts_with("2026-01-2"), "{row:?}");
    }
    let delays = records(Document::GtfsRealtime(Entity::Delays), &bytes).unwrap();
    let trips: BTreeSet<&str> = delays.iter().map(|row| row["entity"].as_str().unwrap()).collect();
    assert_eq!(trips.len(), 548);
    assert_eq!(records(Document::GtfsRealtime(Entity::Alerts), &bytes), Ok(vec![]));
    for name in files(&folder, "zip").values() {
        assert!(records(Document::GtfsRealtime(Entity::Vehicles), &std::fs::read(name).unwrap()).is_err());
    }
    // Cut anywhere, and with any byte turned: refused or read, and nothing else.
    let head = &bytes[..600];
    for at in 0..head.len() {
        let mut turned = head.to_vec();
        turned[at] ^= 0xff;
        records(Document::GtfsRealtime(Entity::Vehicles), &head[..at]).ok();
        records(Document::GtfsRealtime(Entity::Delays), &turned).ok();
    }
}

fn alert(name: &str) -> String {
    format!(
        "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><identifier>{name}</identifier><sender>w@x.example</sender>\
         <sent>2026-05-01T08:00:00+08:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope></alert>"
    )
}

/// A row's names and texts.
type Row = Map<String, Value>;

/// The rows that this process reads.
fn records(document: Document, bytes: &[u8]) -> Result<Vec<Row>, Error> {
    read(&Decoder::in_process(Limits::default()), document, bytes)
}

fn read(decoder: &Decoder, document: Document, bytes: &[u8]) -> Result<Vec<Row>, Error> {
    let payload = Payload::whole(bytes.to_vec());
    decoder.reader(Names::default()).read(&document, &[payload]).map(|rows| told(&rows))
}

/// What each row says.
fn told(rows: &Rows) -> Vec<Row> {
    assert_eq!((rows.unreadable.len(), rows.numbers.len()), (0, rows.batch.num_rows()));
    let mut told = vec![Row::new(); rows.batch.num_rows()];
    for field in rows.batch.schema().fields() {
        for (row, text) in told.iter_mut().zip(rows.texts(field.name())) {
            row.extend(text.map(|text| (field.name().clone(), text.into())));
        }
    }
    told
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// Decodes as a running city does.
fn child() -> Decoder {
    Decoder::child(env!("CARGO_BIN_EXE_cityloom").into(), Limits::default(), ResourceLimits::default())
}

#[test]
fn a_child_reads_the_rows_that_this_process_reads() {
    let same = |document: Document, bytes: &[u8]| {
        let here = records(document.clone(), bytes).unwrap();
        let there = read(&child(), document.clone(), bytes).unwrap();
        assert!(here == there && !here.is_empty(), "{document:?}");
    };
    same(Document::Cap, alert("one").as_bytes());
    assert!(read(&child(), Document::Cap, b"<alert/>").is_err());
    same(Document::Atom, b"<feed><entry><id>1</id><link href='/1'/></entry></feed>");
    let Some(folder) = real_data("protocol/gtfs_rt") else { return };
    let bytes = std::fs::read(folder.join("poznan_feeds_2026-01-28.pb")).unwrap();
    same(Document::GtfsRealtime(Entity::Vehicles), &bytes);
    same(Document::GtfsRealtime(Entity::Delays), &bytes);
}

/// A decoder that notes each of its starts.
fn noted(folder: &Path) -> (Decoder, PathBuf) {
    let (program, starts) = (folder.join("decoder"), folder.join("starts"));
    let script = format!(
        "#!/bin/sh\necho $$ >> {}\nexec {} \"$@\"\n",
        starts.display(),
        env!("CARGO_BIN_EXE_cityloom")
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let resources = ResourceLimits { memory: 256 << 20, ..ResourceLimits::default() };
    (Decoder::child(program, Limits::default(), resources), starts)
}

#[test]
fn a_source_has_one_child_until_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (decoder, starts) = noted(folder.path());
    let reader = decoder.reader(["a"].into_iter().collect());
    let messages = Document::Messages(MessageOptions::default());
    let read = |text: &str| {
        let payload = Payload { topic: "air/7".into(), bytes: text.to_owned().into() };
        reader.read(&messages, &[payload.clone(), payload])
    };
    let started = || std::fs::read_to_string(&starts).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let reads = |number: usize| {
        let rows = read(&format!("{{\"a\":{number}}}")).unwrap();
        assert_eq!(
            rows.texts("a").map(|text| text.unwrap().parse().unwrap()).collect::<Vec<usize>>(),
            [number; 2]
        );
    };
    (0..50).for_each(reads);
    assert_eq!(read("no JSON").unwrap().unreadable.len(), 2);
    // A topic may be as long as its sender likes: it makes no frame too long, and hides no reason.
    let odd = Payload { topic: "\u{1}".repeat(60_000), bytes: vec![1].into() };
    let told = reader.read(&messages, &vec![odd; 400]).unwrap();
    assert_eq!((told.unreadable.len(), told.unreadable[399].number), (400, 400));
    assert!(
        told.unreadable[0].why.ends_with("(expected value at line 1 column 1)"),
        "{:?}",
        told.unreadable[0]
    );
    let first = started();
    assert_eq!(first.len(), 1, "one for all of them");
    // Somebody ends it while it has nothing to do: the next message is read by another.
    assert!(std::process::Command::new("kill").args(["-KILL", &first[0]]).status().unwrap().success());
    (50..60).for_each(reads);
    assert_eq!(started().len(), 2);
    reader.rest();
    reads(60);
    assert_eq!(started().len(), 3);
}

#[test]
fn an_answer_that_no_memory_holds_ends_its_child_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (decoder, _) = noted(folder.path());
    let reader = decoder.reader(["a"].into_iter().collect());
    let document = Document::Answer(RowPlace::default());
    let tower = format!("[{}{{\"\":0}}]", "{\"\":0},".repeat(2_000_000));
    let refused = reader.read(&document, &[Payload::whole(tower)]);
    assert!(matches!(refused, Err(Error::Beyond { bound: Bound::Memory, .. })), "{refused:?}");
    assert_eq!(reader.read(&document, &[Payload::whole("[{\"a\":1}]")]).unwrap().len(), 1);
}

async fn answer(Route(name): Route<String>) -> Response {
    let entry = |number: usize| {
        format!("<entry><id>{number}</id><updated>t</updated><link href='/alert/{number}'/></entry>")
    };
    match name.as_str() {
        "feed" => {
            let listed: String = (0..70).map(entry).collect();
            format!("<feed xmlns='http://www.w3.org/2005/Atom'>{listed}</feed>").into_response()
        }
        "astray" => {
            let elsewhere = "<entry><id>1</id><link href='http://metadata.example/secrets'/></entry>";
            format!("<feed xmlns='http://www.w3.org/2005/Atom'>{elsewhere}</feed>").into_response()
        }
        "3" => "<!DOCTYPE alert><alert/>".into_response(),
        number if number.parse::<usize>().is_ok() => alert(number).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn a_feed_of_alerts_is_followed_and_not_astray() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/{name}", get(answer)).route("/alert/{name}", get(answer));
    tokio::spawn(axum::serve(listener, routes).into_future());
    let connector = |path: &str, answer: Answer| {
        let config = HttpPollConfig {
            url: format!("http://{address}/{path}").parse().unwrap(),
            answer,
            secret: None,
            most_bytes: 1 << 20,
            timeout: Duration::from_secs(10),
        };
        HttpPoll::new(config, child().reader(Names::default())).unwrap()
    };
    let mut feed = connector("feed", Answer::CapFeed { hosts: Vec::new() });
    let (mut cursor, mut come) = (None, Vec::new());
    for expected in [50, 20, 0] {
        let PollOutcome::Rows { rows, cursor: next } = feed.poll(cursor.as_ref()).await.unwrap() else {
            panic!("an answer")
        };
        assert_eq!(rows.len(), expected);
        come.push(rows);
        cursor = Some(next);
    }
    let come = Rows::joined(come).unwrap();
    let numbers: BTreeSet<i64> = come.numbers.iter().copied().collect();
    assert_eq!((numbers.len(), come.batch.num_rows()), (69, 69), "each row has a number of its own");
    assert!(!come.has("link"), "what the feed lists is no alert");
    let names: BTreeSet<&str> = come.texts("identifier").flatten().collect();
    assert_eq!(names.len(), 69);
    let [broken] = come.unreadable.as_slice() else { panic!("{:?}", come.unreadable) };
    assert!(
        broken.text == "3" && broken.why.contains("DOCTYPE"),
        "a broken alert is told, and no other waits for it"
    );
    let trouble = connector("astray", Answer::CapFeed { hosts: Vec::new() }).poll(None).await.unwrap_err();
    assert!(matches!(&trouble, PollError::Permanent(why) if why.contains("metadata.example")), "{trouble:?}");
    let mut one = connector("alert/7", Answer::Document(Document::Cap));
    let PollOutcome::Rows { rows, .. } = one.poll(None).await.unwrap() else { panic!("an answer") };
    assert_eq!(told(&rows)[0]["identifier"], "7");
    let mut none = connector("alert/7", Answer::Document(Document::GtfsRealtime(Entity::Vehicles)));
    assert!(matches!(none.poll(None).await, Err(PollError::Transient { .. })));
}

#[test]
fn a_file_of_alerts_lands_and_one_with_entities_is_refused() {
    let city = City::new();
    let column = |name: &str, more: &str| format!("      - {{ name: {name}, logicalType: string{more} }}\n");
    city.write(
        "schemas/weather/alerts.odcs.yaml",
        &format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: weather.alerts\nname: Alerts\nversion: 1.0.0\nstatus: active\n\
             domain: weather\nschema:\n  - name: alerts\n    physicalType: table\n    properties:\n{}{}{}",
            column("identifier", ", required: true"),
            column("msg_type", ", required: true"),
            column("headline", ""),
        ),
    );
    let file = |name: &str, text: String| {
        let file = city.root().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_string_lossy().into_owned()
    };
    let good = file("good.cap", alert("A1"));
    let landed = city.cityloom(&["land", "weather.alerts", &good, "--format", "json"]);
    let receipt: Value = serde_json::from_slice(&landed.stdout).unwrap();
    assert_eq!(
        (&receipt["rows_landed"], &receipt["read_as"]["format"]),
        (&1.into(), &"cap".into()),
        "{receipt}"
    );
    let evil = file(
        "evil.xml",
        alert("&secret;")
            .replace("<alert", "<!DOCTYPE alert [<!ENTITY secret SYSTEM 'file:///etc/passwd'>]><alert"),
    );
    let refused = city.cityloom(&["land", "weather.alerts", &evil]);
    let said =
        String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(
        refused.status.code() == Some(1) && said.contains("DOCTYPE") && !said.contains("root:"),
        "{said}"
    );
}
