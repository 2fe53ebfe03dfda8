//! Live sources: a real day of a city's fire dashboard, served poll by poll to the HTTP connector of a running city.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cityloom::app::{Workshop, WorkshopOptions};
use cityloom::config::Connector;
use cityloom::connect::{Health, Runner};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::binary::real_data;
use crate::peers::Daemon;
use crate::server::city::readings;
use crate::server::{City, Screen, Server, eventually};

const FEED: &str = "fire.incidents";

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: fire.incidents
name: Active incidents
version: 1.0.0
status: active
domain: fire
schema:
  - name: incidents
    physicalType: table
    customProperties:
      - { property: cityloomPlace, value: { kind: lnglat, lng: lng, lat: lat, resolution: 9, outside: keep } }
    properties:
      - { name: uid, physicalName: UID, logicalType: integer, required: true }
      - { name: called_ms, physicalName: CALL_TIME, logicalType: integer, required: true }
      - { name: kind, physicalName: IncidentType, logicalType: string, required: true }
      - { name: units, physicalName: Units, logicalType: string }
      - { name: alarm_level, physicalName: ALARM_LEVEL, logicalType: integer, logicalTypeOptions: { minimum: 0, maximum: 9 } }
      - { name: lng, physicalName: LONGITUDE, logicalType: number, required: true }
      - { name: lat, physicalName: LATITUDE, logicalType: number, required: true }
slaProperties:
  - { property: latency, value: 1, unit: h, element: incidents.called_ms }
";

/// What the source says now, and what it was asked.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    status: u16,
    body: Bytes,
    /// Goes up with each asking that got this body whole.
    given: usize,
    unchanged: usize,
    secret: Option<String>,
}

async fn answer(State(source): State<Source>, headers: HeaderMap) -> Response {
    let mut said = source.0.lock().unwrap();
    said.secret = headers.get("x-app-token").map(|value| value.to_str().unwrap().to_owned());
    let status = StatusCode::from_u16(said.status).unwrap();
    let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(&said.body));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *tag) {
        said.unchanged += 1;
        return StatusCode::NOT_MODIFIED.into_response();
    }
    said.given += 1;
    (status, [(header::ETAG, tag), (header::RETRY_AFTER, "0".into())], said.body.clone()).into_response()
}

impl Source {
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/active.json", listener.local_addr().unwrap());
        let routes = Router::new().route("/active.json", get(answer)).with_state(self.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        url
    }

    fn says(&self, status: u16, body: impl Into<Bytes>) {
        *self.0.lock().unwrap() = Said { status, body: body.into(), ..Said::default() };
    }

    /// Until the connector has had it: whole, or the word that it has it already.
    async fn heard(&self) {
        eventually("the connector to ask", async || {
            let said = self.0.lock().unwrap();
            (said.given + said.unchanged > 0).then_some(())
        })
        .await;
    }
}

fn city(url: &str) -> City {
    let city = City::new();
    let settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let connector = format!(
        "[[connectors]]\nname = \"fire dashboard\"\nfeed = \"{FEED}\"\n[connectors.http_poll]\nurl = \"{url}\"\nevery_s = 1\n\
         rows = \"/features\"\nrow = \"/attributes\"\nerror = \"/error\"\nsecret = {{ header = \"X-App-Token\", file = \"token\" }}\n"
    );
    city.write("cityloom.toml", &format!("{settings}{connector}"));
    city.write("schemas/fire/incidents.odcs.yaml", CONTRACT);
    city.write("token", "s3cret\n");
    city
}

fn features(list: &[(i64, &str)]) -> String {
    let feature = |(uid, units): &(i64, &str)| {
        serde_json::json!({"attributes": {
            "UID": uid, "CALL_TIME": 1_700_439_120_000_i64, "IncidentType": "FIRE EVENT", "Units": units,
            "ALARM_LEVEL": 0, "LONGITUDE": 121.05, "LATITUDE": 32.02,
        }})
    };
    serde_json::json!({"features": list.iter().map(feature).collect::<Vec<_>>()}).to_string()
}

#[tokio::test]
async fn a_source_is_asked_and_what_is_new_lands_once_whatever_happens() {
    let source = Source::default();
    source.says(200, features(&[(1, "E1"), (2, "E2")]));
    let city = city(&source.serve().await);
    let mut server = Server::start(&city).await;
    server.claim("fire dashboard");
    let landed = async |server: &Server, rows: u64| {
        eventually("rows of the source", async || (server.rows(FEED).await == rows).then_some(())).await;
    };
    landed(&server, 2).await;
    assert_eq!(source.0.lock().unwrap().secret.as_deref(), Some("s3cret"));
    eventually("to be asked only for changes", async || {
        (source.0.lock().unwrap().unchanged > 1).then_some(())
    })
    .await;

    // What is no answer, three times and more, is told on the wall, and forgets nothing.
    let mut screen = Screen::following(&server, &["sys"]).await;
    source.says(200, r#"{"error":{"code":500,"message":"the database sleeps"}}"#);
    let told = |screen: &Screen| {
        let notices = screen.states.get("sys").and_then(|body| body["notices"].as_array().cloned());
        notices.unwrap_or_default().iter().any(|notice| notice.to_string().contains("the database sleeps"))
    };
    screen.shows("the source's trouble", told).await;
    source.says(200, features(&[(1, "E1"), (2, "E2, L9")]));
    screen.shows("the trouble to be over", |screen| !told(screen)).await;
    landed(&server, 3).await;

    // After a kill it goes on from the last commit.
    server.kill();
    source.says(200, features(&[(1, "E1"), (2, "E2, L9"), (3, "E3")]));
    let server = Server::start(&city).await;
    landed(&server, 4).await;
    source.says(200, features(&[(3, "E3")]));
    source.heard().await;
    let rows = city.cityloom(&["sql", "SELECT count(*) AS n FROM fire.incidents", "--format", "csv"]);
    assert_eq!(String::from_utf8(rows.stdout).unwrap(), "n\n4\n");
    server.stop().await;
}

/// The polls of the day: status 200 all of them, three of them with nothing in them.
fn day() -> Option<Vec<String>> {
    let folder = real_data("houston_feed_one_day")?;
    let file = std::fs::File::open(folder.join("active_incidents_2023-11-20_raw.ndjson.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let body = |line: &str| serde_json::from_str::<Value>(line).unwrap()["body"].as_str().unwrap().to_owned();
    Some(text.lines().map(body).collect())
}

#[tokio::test]
async fn a_real_day_of_polls_becomes_its_incidents_and_their_changes() {
    let Some(polls) = day() else { return };
    assert_eq!(polls.len(), 92);
    // By hand: an incident is a place and a call; it changes when any of its values does.
    let (mut incidents, mut shown) = (BTreeSet::new(), BTreeSet::<String>::new());
    let (mut changes, mut landings) = (0, 0);
    for poll in polls.iter().filter(|poll| !poll.is_empty()) {
        let answer: Value = serde_json::from_str(poll).unwrap();
        let list = answer["features"].as_array().unwrap();
        let now: BTreeSet<String> = list.iter().map(|feature| feature["attributes"].to_string()).collect();
        let news = now.difference(&shown).count();
        (changes, landings) = (changes + news, landings + usize::from(news > 0));
        for feature in list {
            let number = |name: &str| feature["attributes"][name].as_i64().unwrap();
            incidents.insert((number("UID"), number("CALL_TIME")));
        }
        if !now.is_empty() {
            shown = now;
        }
    }
    assert_eq!((incidents.len(), changes, landings), (1760, 2376, 86), "as another program counted them");

    let source = Source::default();
    let city = city(&source.serve().await);
    let options = WorkshopOptions {
        city: city.root().into(),
        data: city.data().into(),
        areas: None,
        local_files: false,
        clock: Arc::new(cityloom::model::SystemClock),
        decoder: None,
    };
    let workshop = Workshop::open(&options).await.unwrap();
    let Connector { name, units, source: config, .. } = workshop.settings.connectors[0].clone();
    let connector = config.connector(&workshop.clock, workshop.lander.reader(FEED).unwrap()).unwrap();
    let runner = Runner { name, feed: FEED.into(), units, every: Duration::from_millis(2), connector };
    let (shutdown, tally) = (CancellationToken::new(), Arc::new(Mutex::new(Tally::default())));
    source.says(200, polls[0].clone());
    let counted = Arc::clone(&tally);
    let heard = move |_: &str, health: &Health| counted.lock().unwrap().take(health);
    let running = tokio::spawn(runner.run(Arc::clone(&workshop.lander), shutdown.clone(), heard));
    source.heard().await;
    for poll in &polls[1..] {
        source.says(200, poll.clone());
        source.heard().await;
    }
    let feed = Arc::clone(workshop.lander.feed(FEED).unwrap());
    eventually("all of the day", async || (feed.table.state().rows == changes as u64).then_some(())).await;
    shutdown.cancel();
    running.await.unwrap();

    let tally = tally.lock().unwrap();
    assert_eq!((tally.rows, tally.quarantined, tally.troubles), (changes as u64, 0, 3));
    assert_eq!(tally.landings, landings, "a poll without news lands nothing");
    let each = "CAST(uid AS VARCHAR) || '/' || CAST(called_ms AS VARCHAR)";
    let sql = format!("SELECT count(*) AS n, count(DISTINCT {each}) AS incidents FROM {FEED}");
    let counted = city.cityloom(&["sql", &sql, "--format", "csv"]);
    assert_eq!(
        String::from_utf8(counted.stdout).unwrap(),
        format!("n,incidents\n{changes},{}\n", incidents.len())
    );
}

/// What a runner told.
#[derive(Debug, Default)]
struct Tally {
    landings: usize,
    rows: u64,
    quarantined: u64,
    troubles: usize,
}

impl Tally {
    fn take(&mut self, health: &Health) {
        match health {
            Health::Quiet => {}
            Health::Landed(receipt) => {
                self.landings += 1;
                self.rows += receipt.rows_landed;
                self.quarantined += receipt.rows_quarantined;
            }
            Health::Failing { .. } => self.troubles += 1,
        }
    }
}

#[tokio::test]
async fn a_feed_that_goes_quiet_is_told_and_so_is_its_return() {
    let city = City::new();
    let file = "schemas/traffic/speed.odcs.yaml";
    let contract = std::fs::read_to_string(city.root().join(file)).unwrap();
    let (rows, _) = contract.split_once("slaProperties:").unwrap();
    city.write(
        file,
        &format!("{rows}slaProperties:\n  - {{ property: latency, value: 2, unit: s, element: speed.ts }}\n"),
    );
    let mut server = Server::start(&city).await;
    server.claim("no signal");
    let mut screen = Screen::following(&server, &["sys"]).await;
    let silent = |screen: &Screen| {
        let notices = screen.states.get("sys").and_then(|body| body["notices"].as_array().cloned());
        notices.unwrap_or_default().iter().any(|notice| notice["code"] == "NO_SIGNAL")
    };
    assert!(!silent(&screen), "what never came is not missed");
    server.land("traffic.speed", readings(0, 0..1, 30.0)).await;
    screen.shows("that the feed is quiet", silent).await;
    server.land("traffic.speed", readings(0, 1..2, 30.0)).await;
    screen.shows("that it is back", |screen| !silent(screen)).await;
    // Both are events in the journal, in both languages; nobody is sent out for them.
    eventually("the journal to hold both", async || {
        let files = std::fs::read_dir(city.data().join("journal")).unwrap().map(|file| file.unwrap().path());
        let text: String = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        let of_feed: Vec<&str> = text.lines().filter(|line| line.contains("cityloom_no_signal")).collect();
        let both = |kind: &str| of_feed.iter().any(|line| line.contains(kind));
        (both("alert_raised") && both("alert_cleared") && both("无信号") && both("No signal")).then_some(())
    })
    .await;
    eventually("the log to tell both", async || {
        let log = server.log();
        (log.contains("no signal") && log.contains("the signal is back")).then_some(())
    })
    .await;
    server.stop().await;
}

/// A reading as a sensor's gateway publishes it.
async fn publish(broker: &Daemon, topic: &str, payloads: &[String]) {
    let mut options = MqttOptions::new(uuid::Uuid::now_v7(), ("127.0.0.1", broker.address.port()));
    options.set_credentials("city", "br0ker").set_keep_alive(60);
    let (client, mut events) = AsyncClient::builder(options).capacity(payloads.len() + 1).build();
    for payload in payloads {
        client.try_publish(topic, payload.clone(), PublishOptions::new(QoS::AtLeastOnce)).unwrap();
    }
    let mut owed = payloads.len();
    while owed > 0 {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            owed -= 1;
        }
    }
}

#[tokio::test]
async fn a_broker_feeds_the_city_and_a_kill_loses_nothing() {
    let Some(broker) = Daemon::mosquitto(Some(("city", "br0ker"))) else { return };
    let city = City::new();
    let settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let connector = format!(
        "[[connectors]]\nname = \"air\"\nfeed = \"environment.air\"\n[connectors.mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n\
         client_id = \"cityloom\"\ntopics = [\"v1.1/+/Observations\"]\nuser = \"city\"\npassword = {{ file = \"password\" }}\n\
         messages = {{ format = \"sensorthings\", gather_ms = 20 }}\n",
        broker.address.port()
    );
    city.write("cityloom.toml", &format!("{settings}{connector}"));
    city.write("password", "br0ker\n");
    city.write(
        "schemas/environment/air.odcs.yaml",
        "apiVersion: v3.1.0\nkind: DataContract\nid: environment.air\nname: Air\nversion: 1.0.0\nstatus: active\n\
         domain: environment\nschema:\n  - name: air\n    physicalType: table\n    properties:\n\
         \x20     - { name: sensor, physicalName: datastream, logicalType: integer, required: true }\n\
         \x20     - { name: at, physicalName: phenomenon_time, logicalType: timestamp, required: true }\n\
         \x20     - { name: pm25, physicalName: result, logicalType: number, required: true, logicalTypeOptions: { minimum: 0 } }\n",
    );
    let observation = |value: i32| {
        format!(
            "{{\"phenomenonTime\":\"2026-01-01T00:00:00Z\",\"result\":{value},\"Datastream\":{{\"@iot.id\":7}}}}"
        )
    };
    let topic = "v1.1/Datastreams(7)/Observations";
    let server = Server::start(&city).await;
    let landed = async |server: &Server, rows: u64| {
        eventually("observations", async || (server.rows("environment.air").await == rows).then_some(()))
            .await;
    };
    // The broker keeps for a client that it knows; it is known once it has subscribed, and that is what landing shows.
    eventually("the first observation", async || {
        publish(&broker, topic, &[observation(-1)]).await;
        let feeds = server.json("/api/feeds").await;
        let air = feeds["feeds"].as_array()?.iter().find(|feed| feed["feed"] == "environment.air")?;
        (air["quarantined"].as_u64() > Some(0)).then_some(())
    })
    .await;
    publish(&broker, topic, &[observation(1), "no JSON".into(), observation(2)]).await;
    landed(&server, 2).await;
    assert!(!server.log().contains("br0ker"));
    // Killed as it lands, and spoken to while nobody listens.
    let many: Vec<String> = (3..203).map(observation).collect();
    publish(&broker, topic, &many[..100]).await;
    server.kill();
    publish(&broker, topic, &many[100..]).await;
    let server = Server::start(&city).await;
    landed(&server, 202).await;
    let sql = "SELECT count(*) AS n, count(DISTINCT pm25) AS each, CAST(max(pm25) AS INT) AS most FROM environment.air";
    let rows = city.cityloom(&["sql", sql, "--format", "csv"]);
    assert_eq!(String::from_utf8(rows.stdout).unwrap(), "n,each,most\n202,202,202\n");
    // What cannot be read is told with its topic and why.
    let sql = "SELECT value, raw FROM quarantine.environment__air WHERE code = 'ROW_UNREADABLE'";
    let told = String::from_utf8(city.cityloom(&["sql", sql, "--format", "csv"]).stdout).unwrap();
    let why = "a message of `v1.1/Datastreams(7)/Observations`: it is no JSON";
    assert!(told.lines().count() == 2 && told.contains(why) && told.contains("no JSON"), "{told}");
    server.stop().await;
}
