//! Tokens that ended before their time: single ones by their ids, or everything that somebody was given until an instant.
//!
//! A line each, in a file that is only ever appended to: `token`, a tab and the id, or `subject`, a tab, the subject, a tab and
//! the instant. Looking one up takes the same work however many there are.

use std::collections::{HashMap, HashSet};

use super::Grant;
use crate::model::Micros;

/// The file has at most so many lines: it is read whole.
const MOST_LINES: usize = 100_000;

/// What has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    tokens: HashSet<String>,
    subjects: HashMap<String, Micros>,
}

/// What one line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The token of that id (`jti`).
    Token(String),
    /// Whatever that subject (`sub`) was given until then.
    Subject {
        /// Who.
        subject: String,
        /// Until when.
        until: Micros,
    },
}

/// Why a list is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokedError {
    /// A line is not of the form.
    #[error(
        "line {0} is neither `token`, a tab and an id, nor `subject`, a tab, a subject, a tab and an instant"
    )]
    Line(usize),
    /// A name cannot stand in a line.
    #[error("an id or a subject is not empty and has no tabs or line ends")]
    Name,
    /// More than a list may hold.
    #[error("it has more than {MOST_LINES} lines; take out tokens whose time is over, or change the keys")]
    TooMany,
}

impl Revoked {
    /// Reads a list.
    ///
    /// # Errors
    /// [`RevokedError`].
    pub fn parse(text: &str) -> Result<Self, RevokedError> {
        let mut revoked = Self::default();
        for (at, line) in text.lines().enumerate() {
            if at >= MOST_LINES {
                return Err(RevokedError::TooMany);
            }
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            revoked.take(Revocation::parse(line).ok_or(RevokedError::Line(at + 1))?);
        }
        Ok(revoked)
    }

    fn take(&mut self, revocation: Revocation) {
        match revocation {
            Revocation::Token(id) => {
                self.tokens.insert(id);
            }
            Revocation::Subject { subject, until } => {
                let known = self.subjects.entry(subject).or_insert(until);
                *known = until.max(*known);
            }
        }
    }

    /// How many tokens and subjects it names.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }

    /// Whether nothing has ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether that grant has ended. One that does not say when it was given was given before any instant.
    pub fn ended(&self, grant: &Grant) -> bool {
        let token = grant.id.as_ref().is_some_and(|id| self.tokens.contains(id));
        let until = self.subjects.get(&grant.subject);
        token || until.is_some_and(|until| grant.issued.is_none_or(|issued| issued <= *until))
    }
}

impl Revocation {
    fn parse(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split('\t').collect();
        match parts.as_slice() {
            ["token", id] if !id.is_empty() => Some(Self::Token((*id).to_owned())),
            ["subject", subject, until] if !subject.is_empty() => {
                let until = chrono::DateTime::parse_from_rfc3339(until).ok()?.timestamp_micros();
                Some(Self::Subject { subject: (*subject).to_owned(), until: Micros(until) })
            }
            _ => None,
        }
    }

    /// The line, without its end.
    ///
    /// # Errors
    /// [`RevokedError::Name`].
    pub fn line(&self) -> Result<String, RevokedError> {
        let (Self::Token(name) | Self::Subject { subject: name, .. }) = self;
        if name.trim().is_empty() || name.contains(['\t', '\n', '\r']) {
            return Err(RevokedError::Name);
        }
        Ok(match self {
            Self::Token(id) => format!("token\t{id}"),
            Self::Subject { subject, until } => format!("subject\t{subject}\t{}", until.to_rfc3339()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: Micros = Micros(1_772_366_400_000_000);

    fn grant(id: Option<&str>, issued: Option<Micros>) -> Grant {
        Grant {
            id: id.map(str::to_owned),
            issued,
            subject: "li.wei".into(),
            name: "Li Wei".into(),
            roles: BTreeSet::new(),
            department: None,
            units: BTreeSet::new(),
            area: None,
            until: NOW.plus_seconds(60),
        }
    }

    #[test]
    fn a_token_ends_by_its_id_and_a_subject_by_the_instant() {
        let lines = [
            Revocation::Token("t-1".into()),
            Revocation::Subject { subject: "li.wei".into(), until: NOW.plus_seconds(-60) },
            Revocation::Subject { subject: "li.wei".into(), until: NOW },
            Revocation::Subject { subject: "li.wei".into(), until: NOW.plus_seconds(-30) },
        ];
        let text: String = lines.iter().map(|line| line.line().unwrap() + "\n").collect();
        let revoked = Revoked::parse(&format!("# ended\n\n{text}")).unwrap();
        assert_eq!(revoked.len(), 2);
        let later = Some(NOW.plus_seconds(1));
        assert!(revoked.ended(&grant(Some("t-1"), later)), "by its id");
        assert!(!revoked.ended(&grant(Some("t-2"), later)), "given afterwards");
        assert!(revoked.ended(&grant(Some("t-2"), Some(NOW))), "the latest instant counts");
        assert!(revoked.ended(&grant(None, None)), "nobody knows when it was given");
        let other = Grant { subject: "zhao".into(), ..grant(None, None) };
        assert!(!revoked.ended(&other) && !Revoked::default().ended(&other));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let wrong = |text: &str| Revoked::parse(text).unwrap_err();
        assert_eq!(wrong("token\tt\ntoken"), RevokedError::Line(2));
        assert_eq!(wrong("subject\tli.wei\tyesterday"), RevokedError::Line(1));
        assert_eq!(wrong(&"token\tt\n".repeat(MOST_LINES + 1)), RevokedError::TooMany);
        assert_eq!(Revocation::Token("a\tb".into()).line(), Err(RevokedError::Name));
    }
}
