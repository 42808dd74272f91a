//! Calls that fail: no space, bad disks, read-only file systems, no more file handles.

use super::{
    Point, REFUSED, Scenario, Stage,
    trace::{disturbed, points_of},
};
use crate::{Random, campaign::in_parallel};

/// The errors that each call can fail with.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "write" | "writev" | "pwrite64" => &["ENOSPC", "EDQUOT", "EIO", "EINTR"],
        "ftruncate" => &["ENOSPC", "EIO", "EINTR"],
        "fsync" | "fdatasync" => &["EIO", "ENOSPC"],
        "openat" => &["EMFILE", "ENFILE", "ENOSPC", "EROFS", "EACCES", "EIO"],
        "openat2" => &["EMFILE", "ENFILE", "EACCES", "EIO", "ENOSYS"],
        "mkdir" | "mkdirat" | "linkat" | "symlinkat" | "mknodat" => &["ENOSPC", "EROFS", "EACCES"],
        "rename" | "renameat" | "renameat2" => &["ENOSPC", "EROFS", "EIO"],
        "unlink" | "unlinkat" | "rmdir" => &["EROFS", "EIO", "EACCES"],
        "read" | "pread64" => &["EIO", "EINTR"],
        "flock" => &["ENOLCK", "EINTR"],
        "chmod" | "fchmod" | "fchown" | "fchownat" | "utimensat" => &["EPERM", "EROFS"],
        // ENOSPC means as well that the attribute is too large for the file system.
        "setxattr" | "fsetxattr" => &["EDQUOT", "EIO"],
        "removexattr" | "fremovexattr" => &["EIO", "EROFS"],
        "getdents64" | "fstat" | "newfstatat" | "statx" | "lseek" | "readlinkat" | "statfs" | "getxattr"
        | "lgetxattr" | "fgetxattr" | "listxattr" | "llistxattr" | "flistxattr" => &["EIO"],
        _ => &[],
    }
}

/// Runs workers of which one call fails, half as many as wanted, each once with only this call failing and once
/// with all of its kind after it; verifies that they end with an error or without harm. Returns what was done,
/// in words.
pub fn refused_at_every_call(scenarios: &[impl Scenario], wanted: usize, random: &mut Random) -> String {
    let states: Vec<Stage> = scenarios.iter().map(Scenario::stage).collect();
    let mut all: Vec<(usize, Point, &'static str, bool)> = Vec::new();
    for (at, state) in states.iter().enumerate() {
        for point in points_of(&scenarios[at], state) {
            for error in errors(&point.call) {
                for for_good in [false, true] {
                    all.push((at, point.clone(), *error, for_good && *error != "EINTR"));
                }
            }
        }
    }
    let chosen = random.choose(&all, wanted.div_ceil(2));
    let results = in_parallel(&chosen, |(at, point, error, for_good)| {
        let (scenario, stage) = (&scenarios[*at], states[*at].copy());
        let always = if *for_good { "+" } else { "" };
        let context = format!("{}: {error}{always} at {point}", scenario.name());
        let ended = disturbed(scenario, &stage, point, &format!("error={error}"), *for_good);
        let refused = ended.code == Some(REFUSED);
        assert!(refused || ended.code == Some(0), "{context}: {ended:?}");
        let said = ended.stdout.lines().find(|line| line.starts_with("error "));
        let said = said.unwrap_or_default();
        if refused && matches!(*error, "ENOSPC" | "EDQUOT") {
            assert!(said.starts_with("error NoSpace"), "{context}: {said}");
        }
        if *error == "EINTR" {
            assert!(!refused, "{context}: {said}");
        }
        if point.call == "fsync" {
            assert!(refused, "{context}: a failed sync was taken for success");
        }
        scenario.verify(&stage, ended.acknowledged(), &context);
        refused
    });
    let refused = results.iter().filter(|&&refused| refused).count();
    format!(
        "{} runs of {} possible, {refused} refused with an error, {} got by without the call; damaged 0, lost 0, panics 0",
        results.len(),
        all.len(),
        results.len() - refused,
    )
}
