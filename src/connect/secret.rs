//! Passwords and tokens: where they stand, never what they are.

use std::path::PathBuf;

use super::PollError;

/// Where a secret stands. It is read anew whenever it is needed, so that it can be changed under a running city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretAt {
    /// In an environment variable.
    Env(String),
    /// In a file, white space at its ends aside.
    File(PathBuf),
}

impl SecretAt {
    /// What it is.
    pub(super) fn read(&self) -> Result<String, PollError> {
        match self {
            Self::Env(name) => std::env::var(name).map_err(|_| {
                PollError::Permanent(format!("the secret: the environment variable {name} is not set"))
            }),
            Self::File(file) => std::fs::read_to_string(file)
                .map(|text| text.trim().to_owned())
                .map_err(|error| PollError::Permanent(format!("the secret {}: {error}", file.display()))),
        }
    }
}

/// A user and where the password stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretAt,
}
