//! Runs readers that may panic on corrupt files: a panic within is the file's fault, a refusal like any other.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::Error;

thread_local! {
    /// Whether this thread is inside a reader.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a step of the reader of `format`. Its panics are not printed; those anywhere else are printed and end what
/// they end, as before.
pub(super) fn guarded<T>(format: &'static str, step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    static HUSH: Once = Once::new();
    HUSH.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !READING.get() {
                print(panic);
            }
        }));
    });
    READING.set(true);
    let done = catch_unwind(AssertUnwindSafe(step));
    READING.set(false);
    let why = "it is corrupt: the reader could not make sense of it";
    done.unwrap_or_else(|_| Err(Error::Unreadable { format, why: why.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_reader_is_a_refusal_and_the_next_step_runs() {
        let refused = guarded::<()>("Parquet", || panic!("as a reader does")).unwrap_err();
        assert!(refused.to_string().contains("it is corrupt"), "{refused}");
        assert_eq!(guarded("Parquet", || Ok(READING.get())), Ok(true));
        assert!(!READING.get());
    }
}
