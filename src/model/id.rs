//! Names and identifiers, each its own type, so that an order can never be asked for by an alert's id.

use std::fmt;
use std::str::FromStr;

/// A name that is no lower-case identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid name: use lower-case letters, digits and `_`, starting with a letter, at most 63 long"
)]
pub struct InvalidName(pub String);

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && text.len() <= 63
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A feed's name, `<department>.<feed>`, as analysts write it in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedName {
    department: String,
    feed: String,
}

impl FeedName {
    /// A feed's name of its two parts.
    ///
    /// # Errors
    /// [`InvalidName`] where a part is no lower-case identifier.
    pub fn new(department: &str, feed: &str) -> Result<Self, InvalidName> {
        if !is_identifier(department) || !is_identifier(feed) {
            return Err(InvalidName(format!("{department}.{feed}")));
        }
        Ok(Self { department: department.to_owned(), feed: feed.to_owned() })
    }

    /// The part before the dot: who answers for the feed.
    pub fn department(&self) -> &str {
        &self.department
    }

    /// The part after the dot.
    pub fn feed(&self) -> &str {
        &self.feed
    }

    /// Both parts, `department__feed`, where a dot means something else.
    pub fn joined(&self) -> String {
        format!("{}__{}", self.department, self.feed)
    }
}

impl FromStr for FeedName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (department, feed) = text.split_once('.').ok_or_else(|| InvalidName(text.to_owned()))?;
        Self::new(department, feed)
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.department, self.feed)
    }
}

/// A query's name: the stem of its file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryName(String);

impl QueryName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_identifier(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName(text.to_owned())) }
    }
}

impl fmt::Display for QueryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_id! {
    /// One upload or one live batch.
    SubmissionId,
    /// One occurrence of a condition: from its raising to its clearing.
    AlertId,
    /// One task given to one unit.
    OrderId,
    /// Who takes orders: a department's or a town's team.
    UnitId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_name_has_two_lower_case_parts() {
        let name: FeedName = "traffic.speed".parse().unwrap();
        assert_eq!(
            (name.department(), name.feed(), name.to_string().as_str()),
            ("traffic", "speed", "traffic.speed")
        );
        for bad in ["traffic", "Traffic.speed", "a.b.c", ".x", "x.", "a.b;drop", "../x.y", "1a.b"] {
            assert!(bad.parse::<FeedName>().is_err(), "{bad}");
        }
    }
}
