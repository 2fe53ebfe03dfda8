//! The one integration-test binary: a module per door.

mod h3;
mod h3_vectors;
mod stream;
