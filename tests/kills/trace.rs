//! Programs under strace: their calls recorded, and one of them the last.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::Command,
};

use wharf_testkit::{
    campaign::traced_call,
    program::{self, Ended},
};

use crate::{
    registry::Hosted,
    scenario::{Scenario, Stage},
};

/// The calls by which files are changed, read or locked.
const FILES: &[&str] = &[
    "openat",
    "mkdir",
    "mkdirat",
    "read",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "fchmod",
    "utimensat",
    "flock",
    "fcntl",
    "ftruncate",
    "getdents64",
    "statx",
    "close",
];

/// The calls that send to the registry and hear from it, as far as they are not among those on files.
const NETWORK: &[&str] = &["connect", "sendto", "sendmsg", "recvfrom"];

/// One call of a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) call: String,
    /// It is the n-th of its kind on its thread; with `about`, the n-th that is about that path.
    number: usize,
    /// A path below the stage. Every thread counts for itself, and all open files of the system, too: calls on
    /// the store are told apart by what they are about.
    about: Option<String>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.number)?;
        self.about.iter().try_for_each(|about| write!(f, " {about}"))
    }
}

impl Point {
    /// What `Display` has printed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        Some(Self {
            call: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
            about: words.next().map(str::to_owned),
        })
    }
}

/// Every call of an undisturbed run that is about the store or the registry.
pub(crate) fn points(hosted: &Hosted, scenario: &Scenario, run: usize) -> BTreeSet<Point> {
    let stage = scenario.stage(hosted, run);
    let calls = [FILES, NETWORK].concat().join(",?");
    let (ended, log) = traced(
        hosted,
        scenario,
        &stage,
        &["-y", "-e", &format!("trace=?{calls}")],
    );
    let digest = ended.last_line();
    assert_eq!(digest, scenario.content(hosted).digest().to_string());
    let root = stage.path().to_str().unwrap();
    let mut counts: BTreeMap<(&str, &str, Option<&str>), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for (thread, call, line) in log.lines().filter_map(traced_call) {
        let paths: Vec<&str> = line
            .split('<')
            .skip(1)
            .filter_map(|part| part.split_once('>'))
            .map(|(path, _)| path)
            .collect();
        let socket = paths.first().is_some_and(|path| path.starts_with("socket:"));
        let network = NETWORK.contains(&call) || (socket && call.starts_with("write"));
        // Names that differ in each run cannot be asked for.
        let known = |path: &&&str| path.starts_with(root) && !path.contains("tmp-");
        let about = paths.iter().find(known).copied();
        let by_itself = counts.entry((thread, call, None)).or_default();
        *by_itself += 1;
        let mut number = *by_itself;
        if let Some(about) = about {
            let same = counts.entry((thread, call, Some(about))).or_default();
            *same += 1;
            number = *same;
        }
        if network || about.is_some() {
            let relative = about.and_then(|about| about.strip_prefix(root));
            let _ = points.insert(Point {
                call: call.to_owned(),
                number,
                about: relative.map(|about| about.trim_start_matches('/').to_owned()),
            });
        }
    }
    points
}

/// Runs a program that is killed when it makes this call, before the call is done. Returns whether it was.
pub(crate) fn killed(hosted: &Hosted, scenario: &Scenario, stage: &Stage, point: &Point) -> (Ended, bool) {
    let trace = format!("trace={}", point.call);
    let inject = format!("inject={}:signal=SIGKILL:when={}", point.call, point.number);
    let mut options = vec!["-e", &trace, "-e", &inject];
    let about = point.about.as_ref().map(|about| stage.path().join(about));
    if let Some(about) = &about {
        options.extend(["-P", about.to_str().unwrap()]);
    }
    let (ended, log) = traced(hosted, scenario, stage, &options);
    (ended, log.contains("+++ killed by SIGKILL"))
}

/// Runs a program under strace; the account of its calls is the second part.
fn traced(hosted: &Hosted, scenario: &Scenario, stage: &Stage, options: &[&str]) -> (Ended, String) {
    let log = stage.path().join("trace");
    let arguments: Vec<&str> = stage.arguments.iter().map(String::as_str).collect();
    let program = program::command(&hosted.sandbox, scenario.program, &arguments);
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "60", "strace", "-f", "-o"])
        .arg(&log)
        .args(options)
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(program.get_current_dir().unwrap())
        .stdin(std::process::Stdio::null());
    let ended = program::ended(&mut command);
    let account = std::fs::read(&log).unwrap_or_default();
    (ended, String::from_utf8_lossy(&account).into_owned())
}
