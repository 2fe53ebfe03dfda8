//! The one integration-test binary: a module per door.

mod bad_files;
mod binary;
mod chicago;
mod contracts;
mod crash;
mod h3;
mod h3_vectors;
mod samples;
mod stream;
