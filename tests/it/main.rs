//! The one integration-test binary: a module per door.

mod stream;
