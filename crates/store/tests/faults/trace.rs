//! Workers under strace: their calls counted, and some of them spoilt.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
};

use wharf_testkit::campaign::traced_call;

use crate::scenario::{Scenario, Stage};

/// The calls by which a store changes, reads or locks files.
const CALLS: &str = "openat,mkdir,mkdirat,read,readv,write,writev,pread64,pwrite64,lseek,fsync,fdatasync,\
                     renameat,renameat2,rename,linkat,unlinkat,unlink,fchmod,utimensat,flock,fstat,newfstatat,\
                     statx,getdents64,ioctl,ftruncate,close";

/// One call of a worker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) call: String,
    /// It is the n-th of its kind on its thread; with `about`, the n-th that is about that path.
    pub(crate) number: usize,
    /// A path below the stage. strace counts for each thread, and the first thread has made calls before it
    /// comes to the store: those of its numbers are told apart by what they are about.
    about: Option<String>,
    /// For reports.
    pub(crate) line: String,
}

/// How a disturbed worker ended.
pub(crate) struct Ended {
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) code: Option<i32>,
    /// How many steps it had said were done.
    pub(crate) acknowledged: usize,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Every call of an undisturbed run that is about the store.
pub(crate) fn points(scenario: &Scenario) -> Vec<Point> {
    let stage = scenario.stage().copy();
    let log = stage.path().join("trace");
    let log_text = log.to_str().unwrap();
    let ended = run(
        scenario,
        &stage,
        &["-y", "-o", log_text, "-e", &format!("trace={CALLS}")],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = std::fs::read_to_string(log).unwrap();
    let root = stage.path().to_str().unwrap();
    let calls: Vec<(&str, &str, &str)> = text.lines().filter_map(traced_call).collect();
    let first = calls.first().map_or("", |(thread, _, _)| thread);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for (at, (thread, name, line)) in calls.iter().enumerate() {
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        if !line.contains(root) {
            continue;
        }
        let by_first = calls
            .iter()
            .filter(|call| call.0 == first && call.1 == *name)
            .count();
        let mut point = Point {
            call: (*name).to_owned(),
            number: *count,
            about: None,
            line: line.chars().take(160).collect(),
        };
        if point.number <= by_first {
            // Names that differ in each run cannot be asked for.
            let paths = line.split('<').skip(1).filter_map(|part| part.split_once('>'));
            let about = paths
                .map(|(path, _)| path)
                .find(|path| path.starts_with(root) && !path.contains("tmp-"));
            let Some(about) = about else { continue };
            let same = |call: &&(&str, &str, &str)| {
                call.0 == *thread && call.1 == *name && call.2.contains(&format!("<{about}>"))
            };
            point.number = calls[..=at].iter().filter(same).count();
            point.about = Some(
                about
                    .strip_prefix(root)
                    .unwrap()
                    .trim_start_matches('/')
                    .to_owned(),
            );
        }
        points.insert(point);
    }
    points.into_iter().collect()
}

/// Runs the steps with something happening at one call: `signal=...`, `error=...`. With `for_good`, at all of
/// its kind after it, too.
pub(crate) fn disturbed(
    scenario: &Scenario,
    stage: &Stage,
    point: &Point,
    what: &str,
    for_good: bool,
) -> Ended {
    let plus = if for_good { "+" } else { "" };
    let inject = format!("inject={}:{what}:when={}{plus}", point.call, point.number);
    let trace = format!("trace={}", point.call);
    let mut options = vec!["-o", "/dev/null", "-e", &trace, "-e", &inject];
    let about = point.about.as_ref().map(|about| stage.path().join(about));
    if let Some(about) = &about {
        options.extend(["-P", about.to_str().unwrap()]);
    }
    run(scenario, stage, &options)
}

pub(crate) fn run(scenario: &Scenario, stage: &Stage, options: &[&str]) -> Ended {
    let output = Command::new("timeout")
        .args(["--kill-after=5", "60", "strace", "-f", "-qq"])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .arg("--worker")
        .arg(stage.store())
        .args(scenario.steps(stage))
        .stdin(Stdio::null())
        .output()
        .expect("strace starts");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ended {
        signal: output.status.signal().or_else(|| {
            output
                .status
                .code()
                .and_then(|code| (code > 128).then(|| code - 128))
        }),
        code: output.status.code(),
        acknowledged: stdout.lines().filter(|line| line.starts_with("done ")).count(),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
