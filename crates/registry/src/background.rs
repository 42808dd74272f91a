//! Work that takes long for a small request, such as the hash of a password or of a whole blob, on threads of
//! low priority.

use std::thread;

/// The priority of the threads, in steps of `nice`. Such a thread gets a quarter of a processor that one
/// normal thread wants, and all of an idle one.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Does the work on a thread of low priority, where the system has priorities of threads, and waits for it.
/// `None` if no thread can be started. Each work has a thread of its own, since a thread may not raise its
/// priority again.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
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
        // To Linux, the calling thread alone; elsewhere it would be the process. Without this it is only
        // slower.
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
