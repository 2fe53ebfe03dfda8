//! Who may do what: grants, the decision, and the signed tokens that carry a grant.
//!
//! `grant.rs` is what somebody is trusted with, `decide.rs` the rule, `failures.rs` the patience with wrong tokens;
//! `keys.rs` and `token.rs` are the signatures, `revoked.rs` is what ended before its time. Where a token comes from, and what is answered, is the doors' business.

mod decide;
mod failures;
mod grant;
#[cfg(feature = "io")]
mod keys;
mod revoked;
#[cfg(feature = "io")]
mod token;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use super::token::signed;
}

pub use decide::{Deed, Denial, may};
pub use failures::{Failures, Patience};
pub use grant::{Bearer, Caller, Grant, Role, UnknownRole};
#[cfg(feature = "io")]
pub use keys::{KeyError, Keys, SigningKey, random};
pub use revoked::{Revocation, Revoked, RevokedError};
#[cfg(feature = "io")]
pub use token::{Audience, TokenError, issue, token_id, unknown_key, verify};
