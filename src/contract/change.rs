//! What changes from one version of a contract to the next: whether all that was accepted is accepted still.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Column, Contract, Conversion, Place, Range, Tolerance};

/// How a column becomes another one.
const RENAME: &str = "; give the column a new name, and say under it which it was (cityloomWas)";

/// How much a change asks of those who send and of those who read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing: words for people.
    Words,
    /// Nothing, and there is something new: what was accepted is accepted.
    Compatible,
    /// What was accepted may be rejected, or read otherwise.
    Breaking,
    /// It cannot be: rows that landed stay as they are.
    Impossible,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How much it asks.
    pub grade: Grade,
    /// What it is.
    pub message: String,
}

/// What changes from `old` to `new`.
pub fn changes(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    for column in &new.columns {
        let before = |name: &String| old.columns.iter().find(|it| it.name == *name);
        match (before(&column.name), column.was.as_ref().and_then(before)) {
            (Some(before), _) => changes.column(before, column),
            (None, Some(was)) => {
                // Keys that landed are looked up by their name.
                let key = new.key.iter().any(|index| name(new, *index).as_ref() == Some(&column.name));
                let grade = if key { Grade::Impossible } else { Grade::Breaking };
                let of = if key { ", and is of the key: keep its name" } else { "" };
                changes.add(grade, format!("`{}` is called `{}` now{of}", was.name, column.name));
            }
            (None, None) if column.required => {
                changes.add(Grade::Breaking, format!("`{}` is new and required", column.name));
            }
            (None, None) => changes.add(Grade::Compatible, format!("`{}` is new", column.name)),
        }
    }
    let kept: HashSet<&String> =
        new.columns.iter().flat_map(|column| column.was.iter().chain([&column.name])).collect();
    for gone in old.columns.iter().filter(|column| !kept.contains(&column.name)) {
        changes.add(Grade::Breaking, format!("`{}` is gone", gone.name));
    }
    changes.table(old, new);
    changes.0
}

/// What came to light so far.
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, grade: Grade, message: String) {
        self.0.push(Change { grade, message });
    }

    fn when(&mut self, changed: bool, grade: Grade, message: impl FnOnce() -> String) {
        if changed {
            self.add(grade, message());
        }
    }

    /// A rule that got tighter is breaking, one that got looser is not.
    fn rule(&mut self, tighter: bool, looser: bool, message: impl Fn(&str) -> String) {
        self.when(tighter, Grade::Breaking, || message("tighter"));
        self.when(looser && !tighter, Grade::Compatible, || message("looser"));
    }

    fn column(&mut self, old: &Column, new: &Column) {
        let name = &new.name;
        self.when(old.data_type != new.data_type, Grade::Impossible, || {
            format!("`{name}` is {} and was {}{RENAME}", new.data_type, old.data_type)
        });
        self.unit(old, new);
        self.when(old.header != new.header, Grade::Breaking, || {
            format!("the header of `{name}` is `{}` and was `{}`", new.header, old.header)
        });
        self.rule(new.required && !old.required, old.required && !new.required, |how| {
            format!("`{name}`: required is {how}")
        });
        self.rule(new.unique && !old.unique, old.unique && !new.unique, |how| {
            format!("`{name}`: unique is {how}")
        });
        let (least, most) = ((low(old.range), low(new.range)), (high(old.range), high(new.range)));
        self.rule(tighter(least.0, least.1), tighter(least.1, least.0), |how| {
            format!("`{name}`: its least value is {how}")
        });
        self.rule(tighter(most.0, most.1), tighter(most.1, most.0), |how| {
            format!("`{name}`: its largest value is {how}")
        });
        let (shortest, longest) = ((old.length.0, new.length.0), (old.length.1, new.length.1));
        self.rule(shortest.1 > shortest.0, shortest.1 < shortest.0, |how| {
            format!("`{name}`: its least length is {how}")
        });
        self.rule(fewer(longest.0, longest.1), fewer(longest.1, longest.0), |how| {
            format!("`{name}`: its largest length is {how}")
        });
        let pattern = |column: &Column| column.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        let (before, now) = (pattern(old), pattern(new));
        self.rule(now.is_some() && now != before, before.is_some() && now.is_none(), |how| {
            format!("`{name}`: its pattern is {how}")
        });
        let within = |one: &Column, other: &Column| match (&one.allowed, &other.allowed) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(one), Some(other)) => one.is_subset(other),
        };
        self.rule(!within(old, new), !within(new, old), |how| {
            format!("`{name}`: the list of its values is {how}")
        });
        let read = old.format != new.format || old.timezone != new.timezone;
        self.when(read, Grade::Breaking, || format!("`{name}`: its times are read otherwise"));
        self.when(old.on_landing != new.on_landing, Grade::Breaking, || {
            format!("`{name}`: what the lake gets of it is another")
        });
        let told = old.description != new.description || old.classification != new.classification;
        self.when(told, Grade::Words, || format!("`{name}` is told otherwise"));
    }

    fn unit(&mut self, old: &Column, new: &Column) {
        let name = &new.name;
        match (&old.unit, &new.unit) {
            (Some(before), None) => self.add(Grade::Breaking, format!("`{name}` is no longer in {before}")),
            (None, Some(now)) => self.add(Grade::Compatible, format!("`{name}` is in {now}")),
            (Some(before), Some(now)) if before != now => {
                let same = Conversion::between(before, now) == Ok(None);
                let grade = if same { Grade::Words } else { Grade::Impossible };
                let mend = if same { "" } else { RENAME };
                self.add(grade, format!("`{name}` is in {now} and was in {before}{mend}"));
            }
            _ => {}
        }
    }

    fn table(&mut self, old: &Contract, new: &Contract) {
        let key = |contract: &Contract| -> Vec<String> {
            contract.key.iter().filter_map(|index| name(contract, *index)).collect()
        };
        self.when(key(old) != key(new), Grade::Breaking, || "the key is another".to_owned());
        // The newest row of a key is another answer than its only one, and a key that must not come again is rejected.
        self.when(old.latest != new.latest, Grade::Breaking, || {
            "whether a key may come again is another".to_owned()
        });
        let column =
            |contract: &Contract| contract.event_time.as_ref().and_then(|rule| name(contract, rule.column));
        self.when(column(old) != column(new), Grade::Breaking, || "the event time is another".to_owned());
        if let (Some(before), Some(now)) = (&old.event_time, &new.event_time) {
            self.rule(now.future_us < before.future_us, now.future_us > before.future_us, |how| {
                format!("how far ahead an event may lie is {how}")
            });
            let late = (before.late_us, now.late_us);
            self.rule(fewer(late.0, late.1), fewer(late.1, late.0), |how| {
                format!("how late a row may come is {how}")
            });
        }
        let (before, now) = (place(old), place(new));
        self.when(before.0 != now.0, Grade::Breaking, || "where a row lies is told otherwise".to_owned());
        self.rule(now.1 && !before.1, before.1 && !now.1, |how| {
            format!("what may lie outside the city is {how}")
        });
        let (Tolerance { rows: before, share: part }, Tolerance { rows, share }) =
            (old.tolerance, new.tolerance);
        self.rule(
            fewer(before, rows) || fewer(part, share),
            fewer(rows, before) || fewer(share, part),
            |how| format!("how many rows may be rejected is {how}"),
        );
        let kept = (old.freshness_s, old.retention_s) != (new.freshness_s, new.retention_s);
        self.when(kept, Grade::Compatible, || "freshness or retention is another".to_owned());
        self.when(old.title != new.title, Grade::Words, || "the title is another".to_owned());
    }
}

fn name(contract: &Contract, index: usize) -> Option<String> {
    contract.columns.get(index).map(|column| column.name.clone())
}

/// Where a row lies, in words to compare, and whether what lies outside is rejected.
fn place(contract: &Contract) -> (String, bool) {
    let named = |index: &usize| name(contract, *index);
    match &contract.place {
        Place::Nowhere => (String::new(), false),
        Place::Point { x, y, crs, resolution, quarantine_outside } => {
            (format!("{:?} {:?} {crs} {resolution:?}", named(x), named(y)), *quarantine_outside)
        }
        Place::Area { column, resolution } => (format!("area {:?} {resolution:?}", named(column)), false),
        Place::Cell { column, resolution } => (format!("cell {:?} {resolution:?}", named(column)), false),
    }
}

/// An end of a range as a number that grows with its tightness, and whether the end itself is out.
type End = Option<(f64, bool)>;

fn low(range: Range) -> End {
    tightest(range.minimum, range.exclusive_minimum)
}

fn high(range: Range) -> End {
    tightest(range.maximum.map(|most| -most), range.exclusive_maximum.map(|most| -most))
}

fn tightest(within: Option<f64>, without: Option<f64>) -> End {
    let (within, without) = (within.map(|end| (end, false)), without.map(|end| (end, true)));
    if tighter(within, without) { without } else { within }
}

/// Whether an end that was `old` got tighter.
fn tighter(old: End, new: End) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        // At the same place the end that is out is the tighter one.
        (Some(old), Some(new)) => match new.0.partial_cmp(&old.0) {
            Some(Ordering::Equal) => new.1 && !old.1,
            order => order == Some(Ordering::Greater),
        },
    }
}

/// Whether there may be fewer than before; none is any number.
fn fewer<T: PartialOrd>(old: Option<T>, new: Option<T>) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new < old,
    }
}
