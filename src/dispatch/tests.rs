//! The loop's rules, as sentences.

use proptest::prelude::*;

use super::*;
use crate::model::{AlertId, AreaCode, Micros, OrderId, Severity, UnitId};

fn duty(category: &str, area: &str, unit: &str) -> Duty {
    Duty {
        category: category.to_owned(),
        area: area.to_owned(),
        unit: UnitId(unit.to_owned()),
        unit_name_en: unit.to_owned(),
        unit_name_zh: unit.to_owned(),
        accept_within_s: 600,
        close_within_s: 7200,
        helpers: Vec::new(),
    }
}

fn task(id: &str) -> Box<Task> {
    Box::new(Task {
        id: OrderId(id.to_owned()),
        alert: AlertId("al-1".to_owned()),
        category: "air".to_owned(),
        severity: Severity::Severe,
        title_en: "Smog".to_owned(),
        title_zh: "雾霾".to_owned(),
        area: None,
        place: None,
        duty: duty("air", "", "u1"),
    })
}

fn accept(by: &str) -> Command {
    Command::Accept { by: by.to_owned(), note: None }
}

fn close(by: &str, note: Option<&str>) -> Command {
    Command::Close { by: by.to_owned(), note: note.map(str::to_owned) }
}

/// The order after the commands, each one a second later, and the last answer.
fn after(commands: &[Command]) -> (Option<Order>, Result<Vec<OrderEvent>, Refusal>) {
    let mut order = None;
    let mut answer = Ok(Vec::new());
    for (second, command) in (0..).zip(commands) {
        answer = decide(order.as_ref(), command, Micros(second * 1_000_000));
        order = answer.iter().flatten().fold(order, evolve);
    }
    (order, answer)
}

fn refused(commands: &[Command]) -> &'static str {
    after(commands).1.unwrap_err().code()
}

#[test]
fn an_order_is_dispatched_accepted_and_closed() {
    let (order, _) = after(&[Command::Dispatch(task("or-1")), accept("li"), close("wang", Some("done"))]);
    let State::Closed { accepted, closed } = order.unwrap().state else { panic!("not closed") };
    assert_eq!((accepted.by.as_str(), closed.by.as_str(), closed.at), ("li", "wang", Micros(2_000_000)));
}

#[test]
fn what_does_not_fit_is_refused_with_its_code() {
    let sent = Command::Dispatch(task("or-1"));
    let cleared = Command::Cancel(CancelReason::ConditionCleared);
    assert_eq!(refused(&[accept("li")]), "UNKNOWN_ORDER");
    assert_eq!(refused(&[sent.clone(), Command::Dispatch(task("or-2"))]), "ALREADY_DISPATCHED");
    assert_eq!(refused(&[sent.clone(), close("li", None)]), "NOT_ACCEPTED");
    assert_eq!(refused(&[sent.clone(), accept("li"), accept("wang")]), "ALREADY_ACCEPTED");
    assert_eq!(refused(&[sent.clone(), accept("li"), cleared.clone()]), "ALREADY_ACCEPTED");
    assert_eq!(
        refused(&[sent.clone(), accept("li"), close("li", None), close("wang", None)]),
        "ALREADY_CLOSED"
    );
    assert_eq!(refused(&[sent.clone(), cleared, accept("li")]), "CANCELLED");
    assert_eq!(refused(&[sent.clone(), accept("  ")]), "NO_ACTOR");
    assert_eq!(refused(&[sent, accept(&"x".repeat(101))]), "TOO_LONG");
}

#[test]
fn the_refusal_says_who_has_it() {
    let (_, answer) = after(&[Command::Dispatch(task("or-1")), accept("li"), accept("wang")]);
    assert_eq!(answer.unwrap_err().to_string(), "li accepted it at 1970-01-01T00:00:01.000000Z");
}

#[test]
fn the_same_actor_asking_again_changes_nothing() {
    let sent = Command::Dispatch(task("or-1"));
    for again in [
        vec![sent.clone(), sent.clone()],
        vec![sent.clone(), accept("li"), accept("li")],
        vec![sent.clone(), accept("li"), close("li", Some("done")), close("li", Some("done"))],
        vec![sent.clone(), accept("li"), close("li", Some("done")), close("li", None)],
    ] {
        assert_eq!(after(&again).1, Ok(Vec::new()));
    }
    let other_note = [sent, accept("li"), close("li", Some("done")), close("li", Some("not done"))];
    assert_eq!(refused(&other_note), "ALREADY_CLOSED");
}

#[test]
fn the_most_specific_area_of_the_exact_category_leads_then_that_of_any() {
    let (list, flaws) = DutyList::new(vec![
        duty("*", "", "city"),
        duty("*", "320613001", "town-any"),
        duty("flood", "3206", "water"),
        duty("flood", "320613", "water-county"),
        duty("flood", "320613001002", "community"),
    ]);
    assert_eq!(flaws, []);
    let lead = |category: &str, area: Option<&str>| {
        let area: Option<AreaCode> = area.map(|a| a.parse().unwrap());
        list.lead(category, area.as_ref()).unwrap().unit.to_string()
    };
    assert_eq!(lead("flood", Some("320613001002003")), "community");
    assert_eq!(lead("flood", Some("320613001")), "water-county");
    assert_eq!(lead("flood", Some("320614")), "water");
    assert_eq!(lead("flood", None), "water");
    assert_eq!(lead("flood", Some("9999")), "city");
    assert_eq!(lead("air", Some("320613001")), "town-any");
    assert_eq!(lead("air", Some("320613")), "city");
}

#[test]
fn where_nobody_is_on_duty_the_refusal_says_for_what_and_where() {
    let (list, _) = DutyList::new(vec![duty("flood", "320613", "water")]);
    let refusal = list.lead("flood", Some(&"320614".parse().unwrap())).unwrap_err();
    assert_eq!(refusal.code(), "NOBODY_ON_DUTY");
    assert_eq!(refusal.to_string(), "nobody is on duty for `flood` in 320614; add a row to the duty list");
    assert!(list.lead("flood", None).is_err(), "a county does not answer for the city");
}

#[test]
fn a_bad_row_of_the_duty_list_is_named_and_the_others_stand() {
    let rows = vec![duty("a", "", "u"), duty("a", "", "v"), duty("a", "32x", "u"), duty("a", "32", " ")];
    let (list, flaws) = DutyList::new(rows);
    assert_eq!(list.len(), 1);
    assert_eq!(list.lead("a", None).unwrap().unit.as_str(), "u");
    let text: Vec<_> = flaws.iter().map(ToString::to_string).collect();
    assert!(text[0].starts_with("duty list row 2: `a` in ``"), "{text:?}");
    assert!(
        text[1].starts_with("duty list row 3: `32x`") && text[2].starts_with("duty list row 4"),
        "{text:?}"
    );
}

fn any_command() -> impl Strategy<Value = Command> {
    let by = prop::sample::select(vec!["li", "wang", ""]);
    let note = prop::option::of(prop::sample::select(vec!["done", "not yet"]));
    prop_oneof![
        prop::sample::select(vec!["or-1", "or-2"]).prop_map(|id| Command::Dispatch(task(id))),
        (by.clone(), note.clone())
            .prop_map(|(by, note)| Command::Accept { by: by.into(), note: note.map(Into::into) }),
        (by, note).prop_map(|(by, note)| Command::Close { by: by.into(), note: note.map(Into::into) }),
        Just(Command::Cancel(CancelReason::ConditionCleared)),
    ]
}

fn may_follow(before: Option<OrderKind>, next: Option<OrderKind>) -> bool {
    use OrderKind::{Accepted, Cancelled, Closed, Dispatched};
    before == next
        || matches!(
            (before, next),
            (None, Some(Dispatched))
                | (Some(Dispatched), Some(Accepted | Cancelled))
                | (Some(Accepted), Some(Closed))
        )
}

proptest! {
    /// Whatever is asked in whatever order, and however the clock jumps: only legal steps are taken, an end
    /// is an end, deadlines and times never go back, a refusal changes nothing, and the events alone give
    /// the same order.
    #[test]
    fn no_sequence_of_commands_reaches_an_illegal_state(commands in prop::collection::vec((any_command(), -50i64..50), 0..40)) {
        let mut order: Option<Order> = None;
        let mut log = Vec::new();
        for (command, now) in commands {
            let before = order.clone();
            let events = decide(order.as_ref(), &command, Micros(now)).unwrap_or_default();
            prop_assert!(events.len() <= 1);
            order = events.iter().fold(order, evolve);
            prop_assert_eq!(order == before, events.is_empty());
            prop_assert!(may_follow(before.as_ref().map(Order::kind), order.as_ref().map(Order::kind)));
            if let (Some(before), Some(order)) = (&before, &order) {
                prop_assert!(order.due() >= before.due() && order.latest() >= before.latest());
                prop_assert!(order.close_due() >= order.accept_due());
            }
            // Nothing is granted twice.
            prop_assert_eq!(decide(order.as_ref(), &command, Micros(now)).unwrap_or_default(), vec![]);
            log.extend(events);
        }
        prop_assert_eq!(log.iter().fold(None, evolve), order);
    }
}
