//! Programs under strace: their calls counted, and some of them spoilt.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
};

use super::{Scenario, Stage};
use crate::campaign::traced_call;

/// The calls by which files are changed, read or locked.
pub const FILES: &[&str] = &[
    "openat",
    "openat2",
    "mkdir",
    "mkdirat",
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "lseek",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "symlink",
    "symlinkat",
    "mknodat",
    "readlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "fchownat",
    "utimensat",
    "flock",
    "fcntl",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "statx",
    "getdents64",
    "ioctl",
    "setxattr",
    "fsetxattr",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "removexattr",
    "fremovexattr",
    "statfs",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "close",
];

/// The start of names by which a program changes the files of its descriptors.
const OF_DESCRIPTORS: &str = "\"/proc/self/fd/";

/// The log of strace, on the stage.
pub(super) const LOG: &str = "trace";

/// One call of a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Its name.
    pub call: String,
    /// It is the n-th of its kind on its thread; with `about`, the n-th that is about that path.
    number: usize,
    /// A path below the stage. strace counts for each thread, and the files of the whole system: calls are told
    /// apart by the path that they are about, where that is the same in each run.
    about: Option<String>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.number)?;
        self.about.iter().try_for_each(|about| write!(f, " {about}"))
    }
}

impl Point {
    /// Reads what `Display` has printed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        Some(Self {
            call: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
            about: words.next().map(str::to_owned),
        })
    }

    /// Whether this call is one that is refused in any case.
    fn is_refused(&self, refusal: Option<&Refusal>) -> bool {
        refusal.is_some_and(|refusal| refusal.call == self.call)
    }

    /// The options of strace that let something happen at this call of a program on `root`: `signal=...`,
    /// `error=...`. With `for_good`, at all of its kind after it, too.
    pub fn injection(&self, root: &Path, what: &str, for_good: bool) -> Vec<String> {
        self.injection_beside(None, root, what, for_good)
    }

    fn injection_beside(
        &self,
        refusal: Option<&Refusal>,
        root: &Path,
        what: &str,
        for_good: bool,
    ) -> Vec<String> {
        let plus = if for_good { "+" } else { "" };
        let refused = refusal.map(|refusal| format!(",{}", refusal.call));
        let mut options = vec![
            "-e".to_owned(),
            format!("trace={}{}", self.call, refused.unwrap_or_default()),
            "-e".to_owned(),
            format!("inject={}:{what}:when={}{plus}", self.call, self.number),
        ];
        if let Some(about) = &self.about {
            let path = root.join(about);
            let path = path.to_str().expect("a path that strace printed").to_owned();
            options.extend(["-P".to_owned(), path]);
            // The paths are those of all injections.
            let others = refusal.into_iter().flat_map(|refusal| &refusal.paths);
            options.extend(others.flat_map(|path| ["-P".to_owned(), path.clone()]));
        }
        options.extend(refusal.into_iter().flat_map(Refusal::options));
        options
    }
}

/// A call that fails in each run, whatever else happens.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Its name.
    pub call: &'static str,
    /// The name of its error.
    pub error: &'static str,
    /// Absolute paths, one of which each such call is about.
    pub paths: Vec<String>,
}

impl Refusal {
    fn options(&self) -> [String; 2] {
        [
            "-e".to_owned(),
            format!("inject={}:error={}", self.call, self.error),
        ]
    }
}

/// The calls in an account (`strace -f -y`) that are about files below `root`, and those that `others` picks by
/// name and line. Names with `tmp-` in them are taken to be different in each run, so that no call is found by them.
pub fn points(account: &str, root: &Path, others: impl Fn(&str, &str) -> bool) -> BTreeSet<Point> {
    points_beside(&[], account, root, others)
}

/// The points of a program that runs with a refusal of calls about these paths.
fn points_beside(
    refused: &[String],
    account: &str,
    root: &Path,
    others: impl Fn(&str, &str) -> bool,
) -> BTreeSet<Point> {
    let root = root.to_str().expect("the stage has a path of text");
    let calls: Vec<(&str, &str, &str)> = account.lines().filter_map(traced_call).collect();
    let about_paths: Vec<Vec<&str>> = calls.iter().map(|(_, _, line)| paths(line).collect()).collect();
    let first = calls.first().map_or("", |(thread, _, _)| thread);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for (at, (thread, call, line)) in calls.iter().enumerate() {
        let mut known = about_paths[at].iter().filter(|path| is_below(path, root));
        let about = known.find(|path| !path.contains("tmp-")).copied();
        let by_thread = counts.entry((thread, call)).or_default();
        *by_thread += 1;
        let mut number = *by_thread;
        if let Some(about) = about {
            // So strace counts that is told to look at these paths alone.
            let is_seen = |path: &str| path == about || refused.iter().any(|refused| path == refused);
            let before = calls[..=at].iter().zip(&about_paths);
            let same = before.filter(|(other, paths)| {
                other.0 == *thread && other.1 == *call && paths.iter().any(|path| is_seen(path))
            });
            number = same.count();
        } else if !others(call, line) {
            // The first thread has made calls before it came to the stage, and would meet the fault there.
            let by_first = calls.iter().filter(|other| other.0 == first && other.1 == *call);
            let is_hit_before = *thread != first && number <= by_first.count();
            let is_on_stage = line.contains(root) || line.contains(OF_DESCRIPTORS);
            if !is_on_stage || is_hit_before {
                continue;
            }
        }
        let relative = about.and_then(|about| about.strip_prefix(root));
        let _ = points.insert(Point {
            call: (*call).to_owned(),
            number,
            about: relative.map(|about| about.trim_start_matches('/').to_owned()),
        });
    }
    points
}

/// The paths among the arguments of a call: those of descriptors, and the absolute ones. That of the result is none
/// by which strace picks calls.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let line = line.rsplit_once(" = ").map_or(line, |(arguments, _)| arguments);
    let of_descriptors = line.split('<').skip(1).filter_map(|part| part.split_once('>'));
    let named = line.split('"').skip(1).step_by(2);
    let of_descriptors = of_descriptors.map(|(path, _)| path);
    of_descriptors.chain(named.filter(|path| path.starts_with('/')))
}

fn is_below(path: &str, root: &str) -> bool {
    let below = path.strip_prefix(root);
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// How a program under strace ended.
#[derive(Debug)]
pub struct Ended {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its exit status.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error, of strace too.
    pub stderr: String,
    /// The calls, as strace has written them down.
    pub account: String,
}

impl Ended {
    /// How many steps a worker had said were done.
    pub fn acknowledged(&self) -> usize {
        self.stdout
            .lines()
            .filter(|line| line.starts_with("done "))
            .count()
    }
}

/// Runs a program under strace with these options, with `PATH` and the variables that its command sets alone. The
/// account is written to a file on the stage.
pub fn strace<S: AsRef<std::ffi::OsStr>>(command: &Command, stage: &Path, options: &[S]) -> Ended {
    let log = stage.join(LOG);
    let mut traced = Command::new("timeout");
    traced
        .args(["--kill-after=5", "60", "strace", "-f", "-qq", "-o"])
        .arg(&log)
        .args(options)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null());
    if let Some(directory) = command.get_current_dir() {
        traced.current_dir(directory);
    }
    let output = traced.output().expect("strace starts");
    let account = std::fs::read(&log).unwrap_or_default();
    let code = output.status.code();
    Ended {
        signal: output.status.signal().or_else(|| {
            let code = code.filter(|code| *code > 128)?;
            Some(code - 128)
        }),
        code,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        account: String::from_utf8_lossy(&account).into_owned(),
    }
}

/// Every call of the undisturbed steps of a scenario, from this state, that is about its stage.
pub fn points_of(scenario: &impl Scenario, state: &Stage) -> BTreeSet<Point> {
    let stage = state.copy();
    let refusal = scenario.refusal(&stage);
    let mut options = vec!["-y".to_owned(), "-e".to_owned()];
    options.push(format!("trace=?{}", FILES.join(",?")));
    options.extend(refusal.iter().flat_map(Refusal::options));
    let ended = strace(&scenario.worker(&stage), stage.path(), &options);
    let said = format!("{}: {}{}", scenario.name(), ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(0), "{said}");
    let refused = refusal.as_ref().map_or(&[][..], |refusal| &refusal.paths);
    let mut points = points_beside(refused, &ended.account, stage.path(), |_, _| false);
    points.retain(|point| !point.is_refused(refusal.as_ref()));
    points
}

/// Runs the steps of a scenario with something happening at one call, as [`Point::injection`] says.
pub fn disturbed(
    scenario: &impl Scenario,
    stage: &Stage,
    point: &Point,
    what: &str,
    for_good: bool,
) -> Ended {
    let refusal = scenario.refusal(stage);
    let options = point.injection_beside(refusal.as_ref(), stage.path(), what, for_good);
    strace(&scenario.worker(stage), stage.path(), &options)
}
