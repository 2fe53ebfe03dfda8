//! What a person or a program is trusted with. How they prove it is `token`'s business.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::model::{AreaCode, Micros, UnitId};

/// What somebody is there to do. The one who finds and the one who acts stay different roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Looks at the wall.
    Viewer,
    /// A department's data officer: lands its files, sees what was rejected of them.
    Officer,
    /// A unit in the field: takes and closes the orders given to it.
    Unit,
    /// The duty officer of an area: takes and closes any unit's order there.
    Duty,
    /// Runs the city.
    Admin,
}

/// A word that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; there are: viewer, officer, unit, duty, admin")]
pub struct UnknownRole(pub String);

impl Role {
    /// Every role, the least trusted first.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Officer, Self::Unit, Self::Duty, Self::Admin];

    /// The word in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Officer => "officer",
            Self::Unit => "unit",
            Self::Duty => "duty",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// What one token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token's own id; none where its issuer gives none.
    pub id: Option<String>,
    /// When it was given; none where its issuer does not say.
    pub issued: Option<Micros>,
    /// The stable id of who it is.
    pub subject: String,
    /// What people call them; it stands in the journal beside what they did.
    pub name: String,
    /// What they are there to do.
    pub roles: BTreeSet<Role>,
    /// Whose feeds an officer lands.
    pub department: Option<String>,
    /// Whose orders a unit takes.
    pub units: BTreeSet<UnitId>,
    /// Where orders may be taken; none: in the whole city.
    pub area: Option<AreaCode>,
    /// From here on it grants nothing.
    pub until: Micros,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody, in a city that runs open.
    Anybody,
    /// The bearer of a good token.
    Known(Box<Grant>),
}

impl Caller {
    /// The grant, where the city asks for one.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Anybody => None,
            Self::Known(grant) => Some(grant),
        }
    }
}

/// A token as it was sent. It is a secret: its `Debug` does not show it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "io", derive(serde::Deserialize), serde(transparent))]
pub struct Bearer(String);

impl Bearer {
    /// The token of a header or a greeting.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The text, for the one who checks it.
    #[cfg(feature = "io")]
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_read_back_from_its_word() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(UnknownRole("Admin".into())));
    }

    #[test]
    fn a_token_never_shows_itself() {
        assert_eq!(format!("{:?}", Some(Bearer::new("a.b.c"))), "Some(Bearer(5 bytes))");
    }
}
