//! Calls that fail: no space, bad disks, read-only file systems, no more file handles.

use wharf_testkit::{Random, campaign::in_parallel};

use crate::{
    scenario::{SCENARIOS, Scenario, Stage},
    trace::{self, Point},
    verify,
    worker::REFUSED,
};

/// What each call can fail with.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "write" | "writev" => &["ENOSPC", "EDQUOT", "EIO", "EINTR"],
        "fsync" | "fdatasync" => &["EIO", "ENOSPC"],
        "openat" => &["EMFILE", "ENFILE", "ENOSPC", "EROFS", "EACCES", "EIO"],
        "mkdir" | "mkdirat" | "linkat" => &["ENOSPC", "EROFS", "EACCES"],
        "renameat" | "renameat2" => &["ENOSPC", "EROFS", "EIO"],
        "unlink" | "unlinkat" => &["EROFS", "EIO", "EACCES"],
        "read" | "pread64" => &["EIO", "EINTR"],
        "flock" => &["ENOLCK", "EINTR"],
        "fchmod" | "utimensat" => &["EPERM", "EROFS"],
        "getdents64" | "fstat" | "newfstatat" | "statx" | "lseek" => &["EIO"],
        _ => &[],
    }
}

pub(crate) fn refused_at_every_call(wanted: usize, random: &mut Random) -> String {
    let mut points: Vec<(&Scenario, Stage)> = Vec::new();
    let mut all: Vec<(usize, Point, &'static str, bool)> = Vec::new();
    for (at, scenario) in SCENARIOS.iter().enumerate() {
        for point in trace::points(scenario) {
            for error in errors(&point.call) {
                for for_good in [false, true] {
                    all.push((at, point.clone(), *error, for_good && *error != "EINTR"));
                }
            }
        }
        points.push((scenario, scenario.stage()));
    }
    let chosen = random.choose(&all, wanted.div_ceil(2));
    let results = in_parallel(&chosen, |(at, point, error, for_good)| {
        let (scenario, state) = &points[*at];
        let stage = state.copy();
        let number = if *for_good { "+" } else { "" };
        let context = format!(
            "{}: {error}{number} at {} {}: {}",
            scenario.name, point.call, point.number, point.line
        );
        let ended = trace::disturbed(scenario, &stage, point, &format!("error={error}"), *for_good);
        let refused = ended.code == Some(REFUSED);
        assert!(
            refused || ended.code == Some(0),
            "{context}: {:?} {}{}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
        let said = ended
            .stdout
            .lines()
            .find(|line| line.starts_with("error "))
            .unwrap_or_default();
        if refused && matches!(*error, "ENOSPC" | "EDQUOT") {
            assert!(said.starts_with("error NoSpace"), "{context}: {said}");
        }
        if *error == "EINTR" {
            assert!(!refused, "{context}: {said}");
        }
        if point.call == "fsync" {
            assert!(refused, "{context}: a failed sync was taken for success");
        }
        verify::store(scenario, &stage, ended.acknowledged, &context);
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
