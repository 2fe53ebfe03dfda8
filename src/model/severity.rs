//! How bad: the severities of the Common Alerting Protocol and their national warning colours.

use std::fmt;
use std::str::FromStr;

/// CAP 1.2 severity, worst first, so that sorting puts the worst on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Level Ⅰ, red.
    Extreme,
    /// Level Ⅱ, orange.
    Severe,
    /// Level Ⅲ, yellow.
    Moderate,
    /// Level Ⅳ, blue.
    Minor,
    /// Not said.
    Unknown,
}

impl Severity {
    /// CAP's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extreme => "Extreme",
            Self::Severe => "Severe",
            Self::Moderate => "Moderate",
            Self::Minor => "Minor",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = std::convert::Infallible;

    /// Any letter case; a word that CAP does not know is `Unknown`, as CAP asks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Extreme, Self::Severe, Self::Moderate, Self::Minor];
        Ok(all.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text)).unwrap_or(Self::Unknown))
    }
}
