//! The websocket door as a screen meets it: a real server on a free port, real clients, and what they must
//! see.

mod screen;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cityloom::hub::{Event, Hub, HubConfig, Log, LogPicture, LogSource, StateChannel};
use cityloom::layer::{ColumnKind, LayerColumn, LayerRows, LayerSchema};
use cityloom::model::{Micros, QueryName, SystemClock};
use cityloom::server::Guard;
use cityloom::server::stream::{CityInfo, Pace, StreamState, paced_routes};
use futures::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use screen::{Picture, Screen, Socket};

/// A log in memory, as the journal would be.
#[derive(Default)]
struct MemoryLog(Mutex<Vec<Event>>);

impl LogSource for MemoryLog {
    fn items(&self) -> LogPicture {
        let events = self.0.lock().unwrap();
        let items = events.iter().map(|event| json!({"id": event.key})).collect();
        LogPicture { epoch: 0x1f00_aa01, seq: events.last().map_or(0, |event| event.seq), items }
    }

    fn since(&self, seq: u64) -> Option<Vec<Event>> {
        Some(self.0.lock().unwrap().iter().filter(|event| event.seq > seq).cloned().collect())
    }
}

struct Server {
    hub: Arc<Hub>,
    alerts: Arc<MemoryLog>,
    address: String,
    shutdown: CancellationToken,
}

fn query(name: &str) -> QueryName {
    name.parse().unwrap()
}

fn schema() -> LayerSchema {
    let column = |name: &str, kind| LayerColumn { name: name.into(), kind, unit: Some("1".into()) };
    let risk = ColumnKind::Q16 { scale: 0.01, offset: 0.0 };
    LayerSchema::new(vec![column("risk", risk), column("level", ColumnKind::U8)]).unwrap()
}

fn rows(list: impl IntoIterator<Item = (u64, f64, f64)>) -> LayerRows {
    let (mut cells, mut risk, mut level) = (Vec::new(), Vec::new(), Vec::new());
    for (cell, r, l) in list {
        cells.push(cell);
        risk.push(r);
        level.push(l);
    }
    LayerRows::new(cells, vec![risk, level]).unwrap()
}

impl Server {
    async fn start(config: HubConfig, pace: Pace) -> Self {
        let (alerts, orders) = (Arc::new(MemoryLog::default()), Arc::new(MemoryLog::default()));
        let hub = Arc::new(Hub::new(config, alerts.clone(), orders));
        hub.declare_layer(&query("map"), schema()).unwrap();
        let shutdown = CancellationToken::new();
        let city = CityInfo {
            name_en: "Nantong".into(),
            name_zh: "南通".into(),
            synthetic: true,
            time_zone: "Asia/Shanghai".into(),
        };
        let guard = Arc::new(Guard::open(Arc::new(SystemClock)));
        let state = StreamState { hub: hub.clone(), guard, city, shutdown: shutdown.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, paced_routes(state, pace)).await.unwrap() });
        Self { hub, alerts, address, shutdown }
    }

    async fn usual() -> Self {
        Self::start(HubConfig::default(), Pace::default()).await
    }

    fn publish(&self, list: impl IntoIterator<Item = (u64, f64, f64)>) -> u64 {
        self.hub.publish_layer(&query("map"), &rows(list), Micros(1_795_342_119_000_000)).unwrap().seq
    }

    fn raise(&self, seq: u64, body: &Value) {
        let event =
            Event { seq, ts_us: 5, key: format!("al-{seq}"), kind: "raised".into(), body: body.clone() };
        self.alerts.0.lock().unwrap().push(event.clone());
        assert!(self.hub.publish_event(Log::Alerts, &event));
    }

    async fn try_connect(&self, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
        let mut request = format!("ws://{}/api/stream", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
    }

    async fn raw(&self, protocol: &str) -> Screen {
        Screen::on(self.try_connect(&[("sec-websocket-protocol", protocol)]).await.unwrap())
    }

    /// A client whose socket takes little.
    async fn narrow(&self) -> Socket {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let stream = socket.connect(self.address.parse().unwrap()).await.unwrap();
        let address = format!("ws://{}/api/stream", self.address);
        tokio_tungstenite::client_async(address, MaybeTlsStream::Plain(stream)).await.unwrap().0
    }

    async fn screen(&self, protocol: &str) -> Screen {
        self.greet(self.raw(protocol).await).await
    }

    async fn greet(&self, mut screen: Screen) -> Screen {
        screen.say(json!({"t":"hello","id":1,"client":{"kind":"wall","name":"w","v":"0"}})).await;
        let welcome = screen.until("welcome").await;
        assert_eq!((&welcome["id"], &welcome["city"]["name"]["zh"]), (&json!(1), &json!("南通")));
        screen
    }

    /// What the server shows, as whole raw numbers.
    fn picture(&self) -> Picture {
        let (_, rows, _) = self.hub.layer_rows(&query("map")).unwrap();
        let (risk, level) = (&rows.columns()[0], &rows.columns()[1]);
        let raw = |at: usize| ((risk[at] * 100.0).round() as u64, level[at].round() as u64);
        rows.cells().iter().enumerate().map(|(at, cell)| (*cell, raw(at))).collect()
    }
}

/// A city of `n` cells in which tick `t` changes every tenth.
fn city(n: u64, t: u64) -> impl Iterator<Item = (u64, f64, f64)> {
    (0..n).filter(move |cell| !(cell + t).is_multiple_of(97)).map(move |cell| {
        let last = (t / 10) * 10 + cell % 10;
        let touched = if last > t { last - 10.min(last) } else { last };
        (0x8900_0000 + cell, (touched % 600) as f64, (cell % 4) as f64)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_gets_a_picture_at_the_cut_and_then_deltas_that_fit_it() {
    let server = Server::usual().await;
    server.publish(city(500, 1));
    let mut screen = server.screen("loom.v1").await;
    let reply = screen.follow("layer/map", None).await;
    assert_eq!((&reply["id"], &reply["mode"], &reply["q"]), (&json!(2), &json!("snapshot"), &json!(1)));
    assert_eq!(reply["schema"][0], json!({"name":"risk","type":"q16","scale":0.01,"offset":0.0,"unit":"1"}));
    screen.until_held(1).await;
    assert_eq!((screen.held, screen.picture()), (1, server.picture()));
    for t in 2..12 {
        let seq = server.publish(city(500, t));
        let frame = loop {
            let frame = screen.until("binary").await;
            if frame["kind"] != 1 {
                break frame;
            }
        };
        assert_eq!((&frame["kind"], &frame["from"], &frame["q"]), (&json!(3), &json!(seq - 1), &json!(seq)));
        assert_eq!(screen.picture(), server.picture());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_that_returns_gets_only_what_it_missed_and_a_foreign_epoch_gets_the_picture() {
    let server = Server::usual().await;
    server.publish(city(500, 1));
    let mut screen = server.screen("loom.v1").await;
    screen.follow("layer/map", None).await;
    screen.until_held(1).await;
    let Screen { cells, raw, epoch, held, .. } = screen;
    for t in 2..5 {
        server.publish(city(500, t));
    }
    let mut back = Screen { cells, raw, epoch: epoch.clone(), held, ..server.screen("loom.v1").await };
    let reply = back.follow("layer/map", Some((&epoch, held))).await;
    assert_eq!((&reply["mode"], &reply["q"]), (&json!("resumed"), &json!(4)));
    back.until_held(4).await;
    assert_eq!((back.layer_frames, back.picture()), (1, server.picture()));
    let again = back.follow("layer/map", Some((&epoch, 4))).await;
    assert_eq!(again["mode"], "resumed");
    for (e, q) in [("00000000", 4), (epoch.as_str(), 999), ("no epoch", 1)] {
        let mut other = server.screen("loom.v1.json").await;
        assert_eq!(other.follow("layer/map", Some((e, q))).await["mode"], "snapshot", "{e} {q}");
        other.until_held(4).await;
        assert_eq!(other.json, server.picture());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_screens_of_both_kinds_end_equal_to_the_server() {
    let server = Arc::new(Server::usual().await);
    server.publish(city(300, 1));
    let mut tasks = Vec::new();
    for n in 0..200 {
        let server = server.clone();
        tasks.push(tokio::spawn(async move {
            let mut screen = server.screen(if n % 2 == 0 { "loom.v1" } else { "loom.v1.json" }).await;
            screen.follow("layer/map", None).await;
            screen.until_held(51).await;
            let seen = if n % 2 == 0 { screen.picture() } else { screen.json.clone() };
            (screen.held, seen)
        }));
    }
    for t in 2..=51 {
        assert_eq!(server.publish(city(300, t)), t);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), (51, server.picture()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribing_while_ticks_and_alerts_run_never_leaves_a_hole() {
    let server = Arc::new(Server::usual().await);
    server.publish(city(60, 1));
    let done = CancellationToken::new();
    let ticking = tokio::spawn({
        let (server, done) = (server.clone(), done.clone());
        async move {
            let mut t = 1;
            while !done.is_cancelled() {
                t += 1;
                server.publish(city(60, t));
                server.raise(t * 2, &json!({"n": t}));
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
    });
    for n in 0..150 {
        let mut screen = server.screen(if n % 2 == 0 { "loom.v1" } else { "loom.v1.json" }).await;
        let cut = screen.follow("layer/map", None).await["q"].as_u64().unwrap();
        screen.follow("alerts", None).await;
        while screen.layer_frames == 0 {
            screen.next().await.unwrap();
        }
        assert!(screen.held >= cut);
        // The screen itself asserts that every delta and every event fits what it holds.
        let (held, told) = (screen.held, screen.events.len());
        while screen.held < held + 3 || screen.events.len() < told + 3 {
            screen.next().await.unwrap();
        }
    }
    done.cancel();
    ticking.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_that_stops_reading_is_conflated_then_cut_and_resumes_without_a_hole() {
    let server = Server::usual().await;
    server.publish(city(500, 1));
    let mut slow = server.greet(Screen::on(server.narrow().await)).await;
    let mut quick = server.screen("loom.v1").await;
    for screen in [&mut slow, &mut quick] {
        screen.follow("layer/map", None).await;
        screen.until_held(1).await;
        screen.follow("alerts", None).await;
        screen.until("items").await;
    }
    // More than the server's socket can hold, so that the rest waits in the hub; `slow` does not read
    // meanwhile.
    let body = json!({"text": "x".repeat(60_000)});
    for n in 1..=100 {
        server.raise(n * 3, &body);
        server.publish(city(500, n + 1));
        while quick.log_held < n * 3 || quick.held < n + 1 {
            quick.next().await.expect("the quick screen was cut with the slow one");
        }
    }
    assert_eq!((quick.events.len(), quick.picture()), (100, server.picture()));
    assert_eq!(slow.until_closed().await, Some(4008));
    assert!(slow.layer_frames < 90, "{} layer frames were not conflated", slow.layer_frames);
    assert!(slow.events.len() < 90);
    let Screen { cells, raw, epoch, held, log_held, log_epoch, events, .. } = slow;
    let fresh = server.screen("loom.v1").await;
    let mut back = Screen { cells, raw, held, log_held, events, epoch: epoch.clone(), ..fresh };
    assert_eq!(back.follow("alerts", Some((&log_epoch, log_held))).await["mode"], "resumed");
    while back.log_held < 300 {
        assert_ne!(back.next().await.unwrap()["t"], "items");
    }
    assert_eq!(back.events, (1..=100).map(|n| n * 3).collect::<Vec<_>>());
    back.follow("layer/map", Some((&epoch, held))).await;
    back.until_held(101).await;
    assert_eq!(back.layer_frames, 1, "what was missed is one frame");
    assert_eq!(back.picture(), server.picture());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_begin_with_what_is_open_resume_in_order_and_reset_when_they_cannot() {
    let server = Server::usual().await;
    (1..=3).for_each(|n| server.raise(n * 10, &json!({})));
    let mut screen = server.screen("loom.v1").await;
    let reply = screen.follow("alerts", None).await;
    assert_eq!(
        (&reply["mode"], &reply["q"], &reply["e"]),
        (&json!("snapshot"), &json!(30), &json!("1f00aa01"))
    );
    let items = screen.until("items").await;
    assert_eq!((&items["q"], items["items"].as_array().unwrap().len()), (&json!(30), 3));
    server.raise(45, &json!({"severity": "Severe"}));
    let event = screen.until("ev").await;
    let expected = json!({"t":"ev","ch":"alerts","e":"1f00aa01","q":45,"pq":30,"ts_us":5,"key":"al-45","kind":"raised",
        "body":{"severity":"Severe"}});
    assert_eq!(event, expected);
    let mut back = server.screen("loom.v1.json").await;
    back.log_held = 10;
    assert_eq!(back.follow("alerts", Some(("1f00aa01", 10))).await["mode"], "resumed");
    while back.log_held < 45 {
        assert_ne!(back.next().await.unwrap()["t"], "items");
    }
    assert_eq!(back.events, [20, 30, 45]);
    for (e, q) in [("1f00aa02", 10), ("1f00aa01", 46)] {
        assert_eq!(back.follow("alerts", Some((e, q))).await["mode"], "reset");
        back.until("items").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_come_whole_and_only_when_they_change() {
    let server = Server::usual().await;
    let body = |n: u32| json!({"kpis": [{"name": "speed", "value": n}]});
    server.hub.publish_state(StateChannel::Kpis, &body(1), Micros(1));
    let mut screen = server.screen("loom.v1").await;
    let reply = screen.follow("kpis", None).await;
    let state = screen.until("state").await;
    assert_eq!((&state["q"], &state["body"], &state["ts_us"]), (&json!(1), &body(1), &json!(1)));
    server.hub.publish_state(StateChannel::Kpis, &body(1), Micros(2));
    server.hub.publish_state(StateChannel::Kpis, &body(2), Micros(3));
    assert_eq!(screen.until("state").await["q"], 2);
    let mut back = server.screen("loom.v1").await;
    let e = reply["e"].as_str().unwrap();
    assert_eq!(back.follow("kpis", Some((e, 2))).await["mode"], "resumed");
    back.follow("layer/map", None).await;
    server.hub.publish_state(StateChannel::Kpis, &body(3), Micros(4));
    assert_eq!(back.until("state").await["q"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_channel_is_an_error_that_names_the_known_and_the_socket_stays() {
    let server = Server::usual().await;
    let mut screen = server.screen("loom.v1").await;
    screen.say(json!({"t":"sub","id":3,"ch":"layer/nosuch"})).await;
    let error = screen.until("err").await;
    assert_eq!((&error["id"], &error["code"], &error["retry"]), (&json!(3), &json!(4004), &json!(false)));
    let text = "no channel `layer/nosuch`; there are: alerts, orders, kpis, feeds, sys, layer/map";
    assert_eq!(error["msg"], text);
    assert_eq!(screen.follow("layer/map", None).await["mode"], "snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_schema_is_told_before_its_first_picture() {
    let server = Server::usual().await;
    server.publish(city(50, 1));
    let mut screen = server.screen("loom.v1").await;
    let before = screen.follow("layer/map", None).await;
    screen.until_held(1).await;
    let column = LayerColumn { name: "other".into(), kind: ColumnKind::F32, unit: None };
    server.hub.declare_layer(&query("map"), LayerSchema::new(vec![column]).unwrap()).unwrap();
    let told = screen.until("subscribed").await;
    assert_eq!(
        (&told["id"], &told["mode"], &told["schema"][0]["name"]),
        (&Value::Null, &json!("reset"), &json!("other"))
    );
    assert_ne!(told["e"], before["e"]);
    screen.until_held(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_carry_the_watermarks() {
    let pace = Pace { heartbeat: Duration::from_millis(50), ..Pace::default() };
    let server = Server::start(HubConfig::default(), pace).await;
    server.publish(city(50, 1));
    server.raise(7, &json!({}));
    let beat = server.screen("loom.v1").await.until("hb").await;
    assert_eq!(beat["wm"], json!({"alerts":7,"orders":0,"kpis":0,"feeds":0,"sys":0,"layer/map":1}));
    assert!(beat["server_us"].as_i64().unwrap() > 1_600_000_000_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_frames_end_their_own_session_and_nothing_else() {
    let server = Server::usual().await;
    server.publish(city(50, 1));
    let mut witness = server.screen("loom.v1").await;
    witness.follow("layer/map", None).await;
    let deep = format!(r#"{{"t":"hello","id":1,"client":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    let hostile = [
        Message::binary(vec![0xC7; 300]),
        Message::binary(Vec::new()),
        Message::text(""),
        Message::text("[]"),
        Message::text("\u{0}"),
        Message::text(r#"{"t":"sub","id":1,"ch":"alerts"}"#),
        Message::text(r#"{"t":"hello","id":-1}"#),
        Message::text(r#"{"t":"hello","id":1e999}"#),
        Message::text(r#"{"t":["hello"]}"#),
        Message::text(r#"{"t":"nosuch"}"#),
        Message::text(deep),
    ];
    for message in hostile {
        let mut screen = server.raw("loom.v1").await;
        screen.socket.send(message.clone()).await.unwrap();
        assert_eq!(screen.until_closed().await, Some(4000), "{message:?}");
    }
    for frame in [
        json!({"t":"sub","id":"x","ch":"a"}),
        json!({"t":"sub","id":1,"ch":7}),
        json!({"t":"unsub"}),
        json!(1),
    ] {
        let mut screen = server.screen("loom.v1").await;
        screen.say(frame.clone()).await;
        assert_eq!(screen.until_closed().await, Some(4000), "{frame}");
    }
    let mut huge = server.raw("loom.v1").await;
    // The server may hang up before all of it is sent.
    drop(huge.socket.send(Message::text("x".repeat(1 << 20))).await);
    huge.until_closed().await;
    let mut many = server.screen("loom.v1").await;
    let long = "layer/".repeat(1000);
    many.say(json!({"t":"sub","id":1,"ch":long})).await;
    assert!(many.until("err").await["msg"].as_str().unwrap().len() < 400);
    let seq = server.publish(city(50, 2));
    witness.until_held(seq).await;
    assert_eq!(witness.picture(), server.picture());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_after_the_upgrade_is_closed_and_the_place_is_free_again() {
    let pace = Pace { hello: Duration::from_millis(80), ..Pace::default() };
    let server = Server::start(HubConfig { max_sessions: 1, ..HubConfig::default() }, pace).await;
    let mut silent = server.raw("loom.v1").await;
    assert!(matches!(server.try_connect(&[]).await, Err(Error::Http(response)) if response.status() == 503));
    assert_eq!(silent.until_closed().await, Some(4001));
    drop(silent);
    while server.hub.sessions() > 0 {
        tokio::task::yield_now().await;
    }
    server.screen("loom.v1.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_page_and_a_foreign_protocol_are_refused_before_the_upgrade() {
    let server = Server::usual().await;
    let status = async |headers: &[(&'static str, &str)]| match server.try_connect(headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(status(&[("origin", "https://evil.example")]).await, 403);
    assert_eq!(status(&[("origin", "null")]).await, 403);
    let own = format!("http://{}", server.address);
    assert_eq!(status(&[("origin", own.as_str())]).await, 101);
    assert_eq!(status(&[("sec-websocket-protocol", "mqtt")]).await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_says_when_to_come_back() {
    let server = Server::usual().await;
    let mut screen = server.screen("loom.v1").await;
    screen.follow("layer/map", None).await;
    server.shutdown.cancel();
    let bye = screen.until("bye").await;
    assert_eq!((&bye["code"], &bye["why"]), (&json!(4503), &json!("restart")));
    assert!((500..30_000).contains(&bye["retry_ms"].as_u64().unwrap()));
    assert_eq!(screen.until_closed().await, Some(4503));
    assert!(matches!(server.try_connect(&[]).await, Err(Error::Http(response)) if response.status() == 503));
}
