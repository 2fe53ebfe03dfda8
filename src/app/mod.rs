//! Composition root: who is plugged into whom. Knows every module, holds no rules.
//!
//! `workshop.rs` opens a city for any command; `serve.rs` runs it, with one file for each flow: `tick.rs` (feeds →
//! queries → layers, alerts, KPIs), `reload.rs` (saved queries; `in_force.rs` remembers which ran last), `drop_folder.rs` and `drop_bucket.rs` (dropped files → lake), `generate.rs` (the
//! demo's feeds → lake), `outlet.rs` (journal → hub), `duty.rs` (duty feed → desk), `board.rs` (states of the wall), `lock.rs` (keys → the guard), `look.rs` (what others change beside the server), `issuer.rs` (a provider's keys → the guard),
//! `listen.rs` (live sources → lake), `silence.rs` (quiet feeds → journal),
//! `uploads.rs` (complete uploads → lake), `tend.rs` (small files → large ones).

mod behind;
mod board;
mod drop_bucket;
mod drop_folder;
mod duty;
mod format;
mod generate;
mod in_force;
mod issuer;
mod listen;
mod lock;
mod look;
mod outlet;
mod pace;
mod reload;
mod serve;
mod silence;
mod tend;
mod tick;
mod uploads;
mod veil_key;
mod workshop;

pub use format::check_format;
pub use generate::Demo;
pub use in_force::read as queries_in_force;
pub use lock::revoked_file;
pub use pace::{Positions, Stepper, Steps};
pub use serve::{ServeOptions, serve};
pub use workshop::{Workshop, WorkshopOptions, problems_of};
