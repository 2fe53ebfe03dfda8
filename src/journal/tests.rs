//! The journal under crashes, damage and restarts, and the desk over it.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::alert::{Condition, Detail, DetailValue};
use crate::dispatch::{Duty, DutyList, OrderKind};
use crate::model::{LngLat, Micros, OrderId, QueryName, Resolution, Severity, UnitId};

fn row(key: &str, number: f64) -> Condition {
    let place = LngLat { lng: 120.1 + number / 3.0 % 1.0, lat: 32.0 };
    Condition {
        query: "smog".parse().unwrap(),
        key: key.to_owned(),
        category: "air".to_owned(),
        severity: Severity::Severe,
        title_en: "Smog \"now\"\n".to_owned(),
        title_zh: "雾霾".to_owned(),
        cell: place.cell(Resolution::Nine),
        place: place.is_valid().then_some(place),
        area: Some("320613".parse().unwrap()),
        detail: Detail::from([
            ("pm25".to_owned(), DetailValue::Number(number)),
            ("station".to_owned(), DetailValue::Text("1\u{0}".to_owned())),
            ("night".to_owned(), DetailValue::Flag(true)),
            ("note".to_owned(), DetailValue::Null),
        ]),
    }
}

fn duties() -> DutyList {
    let duty = Duty {
        category: "*".to_owned(),
        area: String::new(),
        unit: UnitId("u".to_owned()),
        unit_name_en: "Unit".to_owned(),
        unit_name_zh: "队".to_owned(),
        accept_within_s: 60,
        close_within_s: 600,
        helpers: vec![UnitId("h".to_owned())],
    };
    DutyList::new(vec![duty]).0
}

fn query() -> QueryName {
    "smog".parse().unwrap()
}

fn at(second: i64) -> Micros {
    Micros(second * 1_000_000)
}

fn config(dir: &Path) -> DeskConfig {
    let mut config = DeskConfig::at(dir);
    config.journal.segment_bytes = 4096;
    config
}

type Outlet = mpsc::Receiver<Vec<Arc<Record>>>;

fn open(config: DeskConfig) -> (Desk, Outlet) {
    let (outlet, records) = mpsc::channel(1000);
    let (desk, writer) = Desk::open(config, at(0), outlet).unwrap();
    tokio::spawn(writer.run());
    (desk, records)
}

/// Every record of a journal and the book they add up to, or why it will not open.
fn reopened(dir: &Path) -> Result<(Vec<Record>, Book), Error> {
    let mut records = Vec::new();
    let mut book = Book::new(2000);
    Journal::open(JournalConfig::at(dir), at(0), |record| {
        book.apply(&record);
        records.push(record);
    })?;
    Ok((records, book))
}

/// A journal of writes with one, two and four events, in segments of about 4 KiB.
async fn lived(dir: &Path) -> Vec<Record> {
    let (desk, mut outlet) = open(config(dir));
    desk.set_duty_list(duties(), at(1)).await.unwrap();
    desk.settle(query(), vec![row("a", 0.1)], at(2)).await.unwrap();
    desk.accept(OrderId("or-1".into()), "li".into(), Some("on my way".into()), at(3)).await.unwrap();
    desk.settle(query(), vec![row("a", 0.2), row("b", 1e300), row("c", -0.0)], at(14)).await.unwrap();
    desk.settle(query(), vec![row("b", 1e300)], at(15)).await.unwrap();
    desk.close(OrderId("or-1".into()), "li".into(), None, at(16)).await.unwrap();
    desk.settle(query(), vec![row("b", 1e300), row("d", 5e-324)], at(17)).await.unwrap();
    desk.shut().await;
    let mut records = Vec::new();
    while let Ok(batch) = outlet.try_recv() {
        records.extend(batch.iter().map(|record| (**record).clone()));
    }
    records
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    for (_, path) in scan::segments(from).unwrap() {
        std::fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

#[tokio::test]
async fn an_alert_is_raised_ordered_accepted_cleared_and_closed() {
    let dir = TempDir::new().unwrap();
    let (desk, mut outlet) = open(config(dir.path()));
    desk.set_duty_list(duties(), at(1)).await.unwrap();
    let outcome =
        desk.settle(query(), vec![row("a", 1.0), row("b", 1.0), row("a", 2.0)], at(2)).await.unwrap();
    assert_eq!(outcome, Outcome { raised: 2, ordered: 2, duplicates: 1, ..Outcome::default() });
    let order = desk.accept(OrderId("or-1".into()), "li".into(), None, at(3)).await.unwrap();
    assert_eq!((order.state, order.by.as_deref(), order.due), (OrderKind::Accepted, Some("li"), at(602)));
    let refused = desk.accept(OrderId("or-1".into()), "wang".into(), None, at(4)).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(refusal) if refusal.code() == "ALREADY_ACCEPTED"));
    let outcome = desk.settle(query(), vec![], at(5)).await.unwrap();
    assert_eq!((outcome.cleared, outcome.cancelled), (2, 1), "the accepted order stays");
    let states: Vec<_> =
        desk.orders().items.iter().map(|o| (o.id.to_string(), o.state, o.note.clone())).collect();
    let cancelled = ("or-2".to_owned(), OrderKind::Cancelled, Some("condition cleared".to_owned()));
    assert_eq!(states, [("or-1".to_owned(), OrderKind::Accepted, None), cancelled]);
    desk.close(OrderId("or-1".into()), "li".into(), Some("done".into()), at(6)).await.unwrap();
    assert!(desk.alerts().items.is_empty());
    // What a kill at this instant would leave behind: the folder as it is, nothing closed.
    let (_, killed) = reopened(copy(dir.path()).path()).unwrap();
    assert_eq!((killed.heads(), killed.order_views()), (desk.heads(), desk.orders().items));
    let mut seqs = Vec::new();
    while let Ok(batch) = outlet.try_recv() {
        seqs.extend(batch.iter().map(|record| record.seq));
    }
    assert_eq!(seqs, (2..=desk.head()).collect::<Vec<_>>(), "in order, without gaps");
}

#[tokio::test]
async fn an_alert_without_anybody_on_duty_is_open_and_is_given_out_when_the_list_names_somebody() {
    let dir = TempDir::new().unwrap();
    let (desk, _outlet) = open(config(dir.path()));
    let outcome = desk.settle(query(), vec![row("a", 1.0)], at(2)).await.unwrap();
    assert_eq!((outcome.raised, outcome.undelivered, outcome.ordered), (1, 1, 0));
    assert_eq!(desk.alerts().items[0].order, None);
    assert_eq!(desk.set_duty_list(duties(), at(3)).await.unwrap().ordered, 1);
    assert_eq!(desk.alerts().items[0].order, Some(OrderId("or-1".into())));
    assert_eq!(desk.set_duty_list(duties(), at(4)).await.unwrap(), Outcome::default());
}

#[tokio::test]
async fn each_record_names_the_one_before_it_on_its_channel() {
    let dir = TempDir::new().unwrap();
    let mut heads = Heads { journal: 1, ..Heads::default() };
    for record in lived(dir.path()).await {
        let channel = record.event.channel().unwrap();
        assert_eq!((record.seq, record.previous), (heads.journal + 1, heads.of(channel)));
        heads.advance(record.seq, Some(channel));
        assert!(record.view().is_some());
    }
}

#[tokio::test]
async fn a_restart_gives_the_same_records_state_and_epoch() {
    let dir = TempDir::new().unwrap();
    let acknowledged = lived(dir.path()).await;
    assert!(scan::segments(dir.path()).unwrap().len() > 1, "rotated");
    let (records, book) = reopened(dir.path()).unwrap();
    assert_eq!(records[1..], acknowledged);
    let mut live = Book::new(2000);
    records.iter().for_each(|record| live.apply(record));
    assert_eq!(book, live);
    let (desk, _outlet) = open(config(dir.path()));
    assert!(matches!(records[0].event, Event::Founded { epoch } if epoch == desk.epoch()));
    assert_eq!(desk.alerts().items, book.alert_views());
    assert_eq!(desk.orders().items, book.order_views());
    desk.set_duty_list(duties(), at(20)).await.unwrap();
    desk.settle(query(), vec![row("z", 1.0)], at(21)).await.unwrap();
    assert!(desk.alerts().items.iter().any(|alert| alert.id.as_str() == "al-5"), "ids go on");
}

#[tokio::test]
async fn records_after_a_sequence_come_from_memory_or_from_the_segments_alike() {
    let dir = TempDir::new().unwrap();
    lived(dir.path()).await;
    let (whole, _kept) = open(config(dir.path()));
    let head = whole.head();
    let mut expected = Vec::new();
    for since in 0..=head {
        expected.push(whole.events_since(since, 3).await.unwrap().unwrap());
    }
    assert_eq!(whole.events_since(head + 1, 3).await.unwrap(), None);
    whole.shut().await;
    let (short, _kept) = open(DeskConfig { tail: 2, ..config(dir.path()) });
    for (since, records) in (0..).zip(expected) {
        assert_eq!(short.events_since(since, 3).await.unwrap().unwrap(), records);
        assert!(records.iter().map(|r| r.seq).eq(since + 1..=(since + 3).min(head)));
    }
    std::fs::remove_file(scan::segment_path(dir.path(), 1)).unwrap();
    assert_eq!(short.events_since(0, 3).await.unwrap(), None, "moved away");
}

#[tokio::test]
async fn a_journal_cut_anywhere_in_its_last_segment_holds_the_whole_writes_before_the_cut() {
    let dir = TempDir::new().unwrap();
    lived(dir.path()).await;
    let (records, _) = reopened(dir.path()).unwrap();
    let (first, newest) = scan::segments(dir.path()).unwrap().pop().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // Every byte of the last record, and a sample of those before.
    for cut in (0..bytes.len()).filter(|cut| *cut >= last || cut % 97 == 0) {
        let copied = copy(dir.path());
        let path = copied.path().join(newest.file_name().unwrap());
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let mut whole = usize::try_from(first).unwrap() - 1 + lines;
        while whole > 0 && records[whole - 1].left > 0 {
            whole -= 1;
        }
        let (found, _) = reopened(copied.path()).unwrap();
        assert_eq!(found, records[..whole], "cut at {cut}");
        if cut % 50 == 0 {
            assert_eq!(reopened(copied.path()).unwrap().0, found, "mended");
        }
    }
}

#[tokio::test]
async fn a_byte_changed_in_the_middle_is_refused_with_file_line_and_mend() {
    let dir = TempDir::new().unwrap();
    lived(dir.path()).await;
    let (_, oldest) = scan::segments(dir.path()).unwrap().remove(0);
    let bytes = std::fs::read(&oldest).unwrap();
    for place in (0..bytes.len()).step_by(7) {
        let copied = copy(dir.path());
        let path = copied.path().join(oldest.file_name().unwrap());
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let error = reopened(copied.path()).unwrap_err();
        let line = 1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count();
        let text = error.to_string();
        assert!(text.contains(&format!("journal-00000000000000000001.ndjson:{line}: ")), "{place}: {text}");
        assert!(text.contains("put this file back"), "{text}");
    }
}

#[tokio::test]
async fn a_lost_segment_and_a_changed_last_record_are_refused() {
    let dir = TempDir::new().unwrap();
    lived(dir.path()).await;
    let copied = copy(dir.path());
    std::fs::remove_file(scan::segment_path(copied.path(), 1)).unwrap();
    assert!(matches!(
        reopened(copied.path()),
        Err(Error::Broken { why: Breakage::Sequence { expected: 1, .. }, .. })
    ));
    let (_, newest) = scan::segments(dir.path()).unwrap().pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap().replace("雾霾", "晴天");
    std::fs::write(&newest, text).unwrap();
    assert!(matches!(reopened(dir.path()), Err(Error::Broken { why: Breakage::Hash, .. })));
}

#[test]
fn a_second_process_is_turned_away() {
    let dir = TempDir::new().unwrap();
    let held = Journal::open(JournalConfig::at(dir.path()), at(0), |_| {}).unwrap();
    let second = Journal::open(JournalConfig::at(dir.path()), at(0), |_| {});
    assert!(matches!(second, Err(Error::Locked { holder: Some(pid), .. }) if pid == std::process::id()));
    drop(held);
    assert!(Journal::open(JournalConfig::at(dir.path()), at(0), |_| {}).is_ok());
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_until_the_journal_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let mut config = JournalConfig::at(dir.path());
    config.segment_bytes = 1;
    let (mut journal, _) = Journal::open(config, at(0), |_| {}).unwrap();
    // A folder where the next segment should be: the write fails whoever runs the test.
    let obstacle = scan::segment_path(dir.path(), 2);
    std::fs::create_dir(&obstacle).unwrap();
    let event = || vec![Event::Founded { epoch: 7 }];
    assert!(matches!(journal.append(event(), at(1)), Err(Error::Io { .. })));
    std::fs::remove_dir(&obstacle).unwrap();
    assert!(matches!(journal.append(event(), at(2)), Err(Error::Poisoned { .. })));
    drop(journal);
    let (mut journal, replay) = Journal::open(JournalConfig::at(dir.path()), at(3), |_| {}).unwrap();
    assert_eq!(replay.records, 1);
    assert_eq!(journal.append(event(), at(4)).unwrap()[0].seq, 2);
}

#[tokio::test]
async fn a_request_whose_asker_goes_away_is_done_all_the_same() {
    let dir = TempDir::new().unwrap();
    let (desk, mut outlet) = open(config(dir.path()));
    let asked = desk.settle(query(), vec![row("a", 1.0)], at(1));
    tokio::select! {
        biased;
        _ = asked => {}
        () = std::future::ready(()) => {}
    }
    assert_eq!(outlet.recv().await.unwrap()[0].kind(), "raised");
    assert_eq!(desk.alerts().items.len(), 1);
}

#[tokio::test]
async fn only_the_newest_of_the_ended_orders_are_held() {
    let dir = TempDir::new().unwrap();
    let (desk, _outlet) = open(DeskConfig { keep_ended: 3, ..config(dir.path()) });
    desk.set_duty_list(duties(), at(0)).await.unwrap();
    for second in 0..5 {
        desk.settle(query(), vec![row("a", 1.0)], at(2 * second)).await.unwrap();
        desk.settle(query(), vec![], at(2 * second + 1)).await.unwrap();
    }
    let ids: Vec<_> = desk.orders().items.iter().map(|order| order.id.to_string()).collect();
    assert_eq!(ids, ["or-5", "or-4", "or-3"]);
}

proptest! {
    /// What is stored comes back bit for bit, whatever the numbers and texts.
    #[test]
    fn an_event_survives_its_stored_form(number in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO, text in any::<String>()) {
        let mut condition = row("a", 1.0);
        condition.detail.insert(text.clone(), DetailValue::Number(number));
        condition.title_en = text;
        let alert = crate::alert::Alert { id: crate::model::AlertId("al-1".into()), condition, raised: at(1), updated: at(2), cleared: None };
        let event = Event::of_alert(crate::alert::AlertKind::Updated, alert, None);
        let stored = stored::write(&event, 3, 4).unwrap();
        let read = stored::read(&stored).unwrap();
        prop_assert_eq!((read.event, read.previous, read.left), (event, 3, 4));
    }
}

#[test]
fn a_full_disk_takes_nothing_and_the_next_write_is_whole() {
    let folder = TempDir::new().unwrap();
    let founded = |epoch: u32| vec![Event::Founded { epoch }];
    let (mut journal, _) = Journal::open(JournalConfig::at(folder.path()), Micros(1), |_| {}).unwrap();
    journal.append(founded(1), Micros(2)).unwrap();
    journal.fill_disk();
    let refused = journal.append(founded(2), Micros(3)).unwrap_err();
    assert!(refused.is_full() && refused.to_string().contains("not full"), "{refused}");
    journal.append(founded(3), Micros(4)).unwrap();
    drop(journal);
    let mut read = Vec::new();
    let (_, replay) =
        Journal::open(JournalConfig::at(folder.path()), Micros(5), |record| read.push(record)).unwrap();
    assert_eq!((replay.records, replay.torn_bytes), (3, 0));
    assert!(matches!(read[2].event, Event::Founded { epoch: 3 }), "{:?}", read[2]);
}
