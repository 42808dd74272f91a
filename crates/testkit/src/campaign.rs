//! Shared code of the programs that run one thing many times with another fault each time.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

/// Whether `cargo test` wants the program of this name to run, by the program's arguments: they are no
/// request for a list, and a filter fits.
pub fn is_wanted(program: &str, arguments: &[String]) -> bool {
    !arguments.iter().any(|argument| {
        ["--list", "--ignored"].contains(&argument.as_str())
            || !(argument.starts_with('-') || program.contains(argument.as_str()))
    })
}

/// The number in a variable of the environment.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// The seed in a variable of the environment, or one from the clock.
pub fn seed(variable: &str) -> u64 {
    number(variable).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs())
    })
}

/// A temporary directory, in memory where the system has a place for that: the campaigns are not about the
/// disk.
pub fn directory(prefix: &str) -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
    directory.expect("a temporary directory")
}

/// Does all the work on four threads; the results in no order.
pub fn in_parallel<T: Sync, R: Send>(work: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run(item);
                    results.lock().expect("no thread panicked").push(result);
                }
            });
        }
    });
    results.into_inner().expect("no thread panicked")
}

/// Thread, name and text of the call on a line of a log that `strace -f -o` has written.
pub fn traced_call(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let (name, _) = rest.split_once('(')?;
    (!name.contains(' ') && !name.starts_with('<')).then_some((thread, name, rest))
}
