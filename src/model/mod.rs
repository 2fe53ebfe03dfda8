//! The city's nouns: names, places, times and severities. No I/O, no Arrow, no wire forms.

mod id;
mod place;
mod problem;
mod severity;
mod time;
mod unit;

pub use id::{AlertId, FeedName, InvalidName, OrderId, QueryName, SubmissionId, UnitId};
pub use place::{AreaCode, AreaLevel, Cell, InvalidAreaCode, LngLat, Resolution};
pub use problem::Problem;
pub use severity::Severity;
pub use time::{Clock, ManualClock, Micros, SystemClock};
pub use unit::{LONGEST_UNIT, UNIT};
