//! The example programs under strace: their calls recorded, and one of them the last.

use std::collections::BTreeSet;

use wharf_testkit::{
    faults::{self, Ended, FILES, Point},
    program,
};

use crate::{
    registry::Hosted,
    scenario::{Scenario, Stage},
};

/// The calls that send to the registry and hear from it, as far as they are not among those on files.
const NETWORK: &[&str] = &["connect", "sendto", "sendmsg", "recvfrom"];

/// Every call of an undisturbed run that is about the store or the registry.
pub(crate) fn points(hosted: &Hosted, scenario: &Scenario, run: usize) -> BTreeSet<Point> {
    let stage = scenario.stage(hosted, run);
    let calls = format!("trace=?{}", [FILES, NETWORK].concat().join(",?"));
    let ended = traced(hosted, scenario, &stage, &["-y", "-e", &calls]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let digest = ended.stdout.lines().last().unwrap_or_default();
    assert_eq!(digest, scenario.content(hosted).digest().to_string());
    let on_socket = |line: &str| {
        line.split_once('<')
            .is_some_and(|(_, path)| path.starts_with("socket:"))
    };
    let network =
        |call: &str, line: &str| NETWORK.contains(&call) || (call.starts_with("write") && on_socket(line));
    faults::points(&ended.account, stage.path(), network)
}

/// Runs a program that is killed when it makes this call, before the call is done. Returns whether it was.
pub(crate) fn killed(hosted: &Hosted, scenario: &Scenario, stage: &Stage, point: &Point) -> (Ended, bool) {
    let options = point.injection(stage.path(), "signal=SIGKILL", false);
    let ended = traced(hosted, scenario, stage, &options);
    let killed = ended.account.contains("+++ killed by SIGKILL");
    (ended, killed)
}

/// Runs a program under strace.
fn traced<S: AsRef<std::ffi::OsStr>>(
    hosted: &Hosted,
    scenario: &Scenario,
    stage: &Stage,
    options: &[S],
) -> Ended {
    let arguments: Vec<&str> = stage.arguments.iter().map(String::as_str).collect();
    let command = program::command(&hosted.sandbox, scenario.program, &arguments);
    faults::strace(&command, stage.path(), options)
}
