//! The door: parse the command line, run it, turn the result into an exit code.
//!
//! The pages are embedded here and not in the library: a changed style compiles this file alone and links. An
//! unoptimised build reads them from `web/dist` each time that they are asked for.

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

fn main() -> std::process::ExitCode {
    cityloom::cli::main(Dist::get)
}
