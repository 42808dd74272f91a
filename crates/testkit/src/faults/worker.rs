//! The process that is maltreated: does one step after another, and says so after each.

use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, Ordering},
};

use wharf_content::Error;

/// The first argument of a fault program that is a worker.
pub const WORKER: &str = "--worker";

/// Exit status of a worker whose step failed with an error.
pub const REFUSED: i32 = 3;

/// Whether this process is a worker.
static TALKS: AtomicBool = AtomicBool::new(false);

/// Does the steps, and returns the exit status.
///
/// It prints `done N` after each, or `error KIND TEXT` for the one that fails.
pub fn work(steps: &[String], step: &impl AsyncFn(&str) -> Result<(), Error>) -> i32 {
    TALKS.store(true, Ordering::Relaxed);
    let result = block_on(async {
        for (number, text) in steps.iter().enumerate() {
            step(text).await?;
            say(&format!("done {number}\n"));
        }
        Ok::<(), Error>(())
    });
    match result {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("error {:?} {error}\n", error.kind()));
            REFUSED
        }
    }
}

/// Tells the parent of a worker, in one write; does nothing in another process.
pub fn say(line: &str) {
    if TALKS.load(Ordering::Relaxed) {
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
}

/// Runs a future with one thread for the calls to the file system, so that the n-th call is the same in each run.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(future)
}
