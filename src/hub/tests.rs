//! The hub without sockets: what waits for a session that does not take, and what is shared by those who do.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::layer::{ColumnKind, LayerColumn};

#[derive(Default)]
struct MemoryLog(Mutex<Vec<Event>>);

impl MemoryLog {
    fn add(&self, seq: u64) -> Event {
        let event = Event { seq, ts_us: 0, key: format!("k{seq}"), kind: "raised".into(), body: json!({}) };
        held(&self.0).push(event.clone());
        event
    }
}

impl LogSource for MemoryLog {
    fn items(&self) -> LogPicture {
        let events = held(&self.0);
        let items = events.iter().map(|event| json!(event.seq)).collect();
        LogPicture { epoch: 1, seq: events.last().map_or(0, |event| event.seq), items }
    }

    fn since(&self, seq: u64) -> Option<Vec<Event>> {
        // A log that forgot its first ten numbers.
        (seq >= 10).then(|| held(&self.0).iter().filter(|event| event.seq > seq).cloned().collect())
    }
}

fn hub(lane_bytes: usize) -> (Arc<Hub>, Arc<MemoryLog>) {
    let log = Arc::new(MemoryLog::default());
    let config = HubConfig { lane_bytes, ..HubConfig::default() };
    let hub = Arc::new(Hub::new(config, log.clone(), Arc::new(MemoryLog::default())));
    hub.declare_layer(&map(), schema("risk")).unwrap();
    (hub, log)
}

fn map() -> QueryName {
    "map".parse().unwrap()
}

fn schema(name: &str) -> LayerSchema {
    LayerSchema::new(vec![LayerColumn { name: name.into(), kind: ColumnKind::F32, unit: None }]).unwrap()
}

fn publish(hub: &Hub, seq: u64) {
    let values = (0..20).map(|cell| if cell < 4 { seq as f64 } else { 1.0 }).collect();
    hub.publish_layer(&map(), &LayerRows::new((0..20).collect(), vec![values]).unwrap(), Micros(1)).unwrap();
}

fn value(frame: &Frame) -> Value {
    serde_json::from_slice(&frame.data).unwrap()
}

/// Everything that waits, in order.
fn all(session: &mut Session) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        match session.take() {
            Next::Frame(frame) => frames.push(frame),
            Next::News(news) => frames.extend(news.iter().cloned()),
            Next::Idle => return frames,
            Next::Slow => panic!("slow after {} frames", frames.len()),
        }
    }
}

#[test]
fn fifty_ticks_that_nobody_took_are_one_frame() {
    let (hub, _) = hub(1 << 20);
    let mut session = hub.open(Format::Json).unwrap();
    session.subscribe(1, "layer/map", None).unwrap();
    publish(&hub, 2);
    assert_eq!(all(&mut session).len(), 3, "the reply, the empty picture at the cut, what came since");
    (3..53).for_each(|seq| publish(&hub, seq));
    let frames = all(&mut session);
    assert_eq!(frames.len(), 1);
    assert_eq!((&value(&frames[0])["from"], &value(&frames[0])["q"]), (&json!(1), &json!(51)));
    assert_eq!(all(&mut session), []);
}

#[test]
fn screens_at_the_same_sequence_share_the_same_bytes() {
    let (hub, log) = hub(1 << 20);
    publish(&hub, 2);
    let mut sessions: Vec<Session> = (0..3).map(|_| hub.open(Format::Binary).unwrap()).collect();
    for session in &mut sessions {
        session.subscribe(1, "layer/map", None).unwrap();
        session.subscribe(1, "alerts", None).unwrap();
    }
    let first: Vec<Vec<Frame>> = sessions.iter_mut().map(all).collect();
    hub.publish_event(Log::Alerts, &log.add(11));
    publish(&hub, 3);
    let second: Vec<Vec<Frame>> = sessions.iter_mut().map(all).collect();
    for (frames, count) in [(first, 2), (second, 2)] {
        let shared = |at: usize| frames.iter().map(|f| f[f.len() - 1 - at].data.as_ptr()).collect::<Vec<_>>();
        for at in 0..count {
            assert!(shared(at).windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}

#[test]
fn events_beyond_the_bound_cut_the_session_and_only_it() {
    let (hub, log) = hub(2_000);
    let (mut slow, mut quick) = (hub.open(Format::Binary).unwrap(), hub.open(Format::Binary).unwrap());
    slow.subscribe(1, "alerts", None).unwrap();
    quick.subscribe(1, "alerts", None).unwrap();
    all(&mut quick);
    for seq in 1..40 {
        hub.publish_event(Log::Alerts, &log.add(seq));
        assert_eq!(all(&mut quick).len(), 1);
    }
    assert_eq!(slow.take(), Next::Slow);
    drop(slow);
    assert_eq!(hub.sessions(), 1);
}

#[test]
fn what_the_log_holds_before_it_is_told_comes_exactly_once() {
    let (hub, log) = hub(1 << 20);
    for seq in 5..=12 {
        hub.publish_event(Log::Alerts, &log.add(seq));
    }
    // Recorded, not yet told: a screen that joins now sees it among the items and not again as an event.
    let late = log.add(13);
    let mut session = hub.open(Format::Binary).unwrap();
    session.subscribe(1, "alerts", Some(Since { epoch: Some(9), seq: 1 })).unwrap();
    let frames: Vec<Value> = all(&mut session).iter().map(value).collect();
    assert_eq!((&frames[0]["mode"], &frames[1]["q"], frames.len()), (&json!("reset"), &json!(13), 2));
    assert!(hub.publish_event(Log::Alerts, &late));
    assert!(!hub.publish_event(Log::Alerts, &late), "the same event again");
    assert_eq!(all(&mut session), []);
    hub.publish_event(Log::Alerts, &log.add(14));
    assert_eq!(value(&all(&mut session)[0])["pq"], 13);
}

#[test]
fn a_log_that_does_not_reach_back_says_reset() {
    let log = Arc::new(MemoryLog::default());
    (5..=20).for_each(|seq| drop(log.add(seq)));
    let hub = Arc::new(Hub::new(HubConfig::default(), log, Arc::new(MemoryLog::default())));
    let mut session = hub.open(Format::Binary).unwrap();
    for (seq, mode, frames) in [(7, "reset", 2), (17, "resumed", 4), (20, "resumed", 1), (21, "reset", 2)] {
        session.subscribe(1, "alerts", Some(Since { epoch: Some(1), seq })).unwrap();
        let got = all(&mut session);
        assert_eq!((&value(&got[0])["mode"], got.len()), (&json!(mode), frames), "since {seq}");
    }
}

#[test]
fn a_retired_layer_empties_its_screens_and_returns_to_them() {
    let (hub, _) = hub(1 << 20);
    publish(&hub, 2);
    let mut session = hub.open(Format::Json).unwrap();
    session.subscribe(1, "layer/map", None).unwrap();
    all(&mut session);
    hub.retire_layer(&map(), Micros(2));
    assert_eq!(value(&all(&mut session)[0])["cells"], json!([]));
    assert!(matches!(session.subscribe(2, "layer/map", None), Err(SubscribeError::Unknown { .. })));
    assert_eq!(hub.layer_rows(&map()), None);
    hub.declare_layer(&map(), schema("other")).unwrap();
    publish(&hub, 3);
    let frames: Vec<Value> = all(&mut session).iter().map(value).collect();
    assert_eq!((&frames[0]["schema"][0]["name"], &frames[0]["mode"]), (&json!("other"), &json!("reset")));
    assert_eq!(frames[1]["cells"].as_array().unwrap().len(), 20);
}

#[test]
fn a_heartbeat_waits_until_all_below_its_watermarks_was_taken() {
    let (hub, _) = hub(1 << 20);
    let mut session = hub.open(Format::Binary).unwrap();
    session.subscribe(1, "layer/map", None).unwrap();
    publish(&hub, 2);
    assert_eq!(session.heartbeat(Micros(1)), None);
    all(&mut session);
    assert_eq!(value(&session.heartbeat(Micros(1)).unwrap())["wm"]["layer/map"], 1);
}
