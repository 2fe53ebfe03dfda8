//! How a query is kept up to date, as people are told.

use super::filling::Progress;
use super::refresh::{Reason, Size};

/// How a query is kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// `I`, `W`, `H` or `F`, as [`Explained::class_text`] puts it.
    pub class: char,
    /// The states that it reads.
    pub states: Vec<StateExplained>,
    /// Whether only the cells that changed are computed of what stands above its states.
    pub by_cell: bool,
    /// Why it is recomputed, where it is.
    pub reasons: Vec<Reason>,
}

/// One state of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateExplained {
    /// The feeds that it adds up.
    pub feeds: Vec<String>,
    /// The tables beside them, whose change starts it anew.
    pub beside: Vec<String>,
    /// Its groups, as the plan names them.
    pub groups: Vec<String>,
    /// The step of its window in microseconds, where it has one.
    pub step_us: Option<i64>,
    /// How large it is; zero while it is empty.
    pub size: Size,
    /// How far it is filled, while it is.
    pub filling: Option<Progress>,
}

impl Explained {
    /// The class in a sentence.
    pub fn class_text(&self) -> &'static str {
        match self.class {
            'I' => "kept up to date at the cost of what is new",
            'W' => "kept up to date at the cost of what is new; time moves its window bucket by bucket",
            'H' => "reads other results only; computed whenever one of them changes",
            _ => "recomputed on a timer",
        }
    }
}
