//! Work that is slow by design, for clients that nobody knows yet.

use std::thread;

/// How far such work stands back, in steps of `nice`. It has a quarter of a processor that one other wants, and all of
/// one that nobody wants.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Does the work on a thread that stands back behind all others, where the system has priorities of threads, and
/// waits for it. `None` if there are no threads left. A thread that stands back may not come forward again, so that
/// each work has one of its own.
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, || {
            stand_back();
            work()
        });
        thread.ok()?.join().ok()
    })
}

fn stand_back() {
    #[cfg(target_os = "linux")]
    {
        // To Linux, the calling thread alone; elsewhere it would be the process. Without this it is only slower.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn slow_hashes_stand_back_and_nothing_else_does() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let own = niceness();
        assert_eq!(run(niceness), Some(NICENESS.max(own)));
        assert_eq!(niceness(), own);
    }

    #[test]
    fn work_that_panics_has_no_outcome() {
        assert_eq!(run(|| 7), Some(7));
        let panics = || -> u32 { std::panic::resume_unwind(Box::new(())) };
        assert_eq!(run(panics), None);
    }
}
