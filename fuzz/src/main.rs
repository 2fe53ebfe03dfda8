//! Random bytes for everything that reads bytes from outside: one program, told by `FUZZ_TARGET` which of its targets to try.
//! `make fuzz` builds it with coverage of cityloom's own code and runs every target in turn; see `fuzz/README.md`.
#![no_main]

mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{Panics, Target};

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    let target = TARGET.get_or_init(chosen);
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    if ended.is_err() && target.panics != Panics::Contained {
        std::process::abort();
    }
});

/// The target that is asked for. From here on a panic is told and unwinds: code that holds panics itself, as the city's does
/// around Arrow's reader, would else be ended by libFuzzer's hook before it can.
fn chosen() -> &'static Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = targets::ALL.iter().find(|target| target.name == name) else {
        let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
        eprintln!("FUZZ_TARGET is one of: {}", names.join(" "));
        std::process::exit(2);
    };
    let told = target.panics == Panics::Fault;
    std::panic::set_hook(Box::new(move |panic| {
        if told {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    target
}
