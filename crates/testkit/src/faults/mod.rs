//! The engine of the fault programs: a program that does steps is killed, or refused, at each of its calls to the
//! system, and what it leaves is checked.
//!
//! A fault program is a test without the usual harness. Its `main` calls [`work`] if the first argument is
//! [`WORKER`], and [`run`] otherwise; [`killed_at_every_call`] and [`refused_at_every_call`] start it again as a
//! worker, under strace. What is done, from what state, and what must hold afterwards is a [`Scenario`].
//!
//! | variable of the environment | meaning | default |
//! |---|---|---|
//! | `WHARF_FAULTS` | how many workers are killed; other parts do a multiple of it | 60 |
//! | `WHARF_FAULTS_PART` | only the part of this name | all |
//! | `WHARF_FAULTS_SEED` | repeats a choice of faults | from the clock, printed |

mod errors;
mod kills;
mod stage;
mod trace;
mod worker;

pub use self::{
    errors::refused_at_every_call,
    kills::killed_at_every_call,
    stage::Stage,
    trace::{Ended, FILES, Point, Refusal, disturbed, points, points_of, strace},
    worker::{REFUSED, WORKER, block_on, say, work},
};

use std::{process::Command, time::Instant};

use crate::{
    Random,
    campaign::{is_wanted, number, seed},
};

/// One use of what is tested, and what must come of it.
pub trait Scenario: Sync {
    /// For reports.
    fn name(&self) -> &str;

    /// A stage in the state before the steps.
    fn stage(&self) -> Stage;

    /// The arguments of the worker: what [`work`] is given.
    fn steps(&self, stage: &Stage) -> Vec<String>;

    /// Checks a stage on which a worker was stopped that had done so many steps.
    fn verify(&self, stage: &Stage, acknowledged: usize, context: &str);

    /// The operations that the system refuses to the steps in each run, as a file system does that lacks them.
    fn refusal(&self, _: &Stage) -> Option<Refusal> {
        None
    }

    /// The command that does the steps: this program, as a worker.
    fn worker(&self, stage: &Stage) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this is a program"));
        command.arg(WORKER).args(self.steps(stage));
        command
    }
}

/// A part of a fault program: makes about so many runs and returns what was done, in words.
pub type Part = fn(usize, &mut Random) -> String;

/// Runs the parts of a fault program, if `cargo test` wants it by these arguments.
#[expect(clippy::print_stdout, reason = "a fault program prints its counts")]
pub fn run(arguments: &[String], parts: &[(&str, Part)]) {
    if !is_wanted("faults", arguments) || !crate::peers_present(&["strace"]) {
        return;
    }
    let wanted = number("WHARF_FAULTS").unwrap_or(60);
    let seed = seed("WHARF_FAULTS_SEED");
    println!("seed {seed}: repeat with WHARF_FAULTS={wanted} WHARF_FAULTS_SEED={seed}");
    let mut random = Random::new(seed);
    let wanted = usize::try_from(wanted).expect("a number of runs");
    for (name, part) in parts {
        if std::env::var("WHARF_FAULTS_PART").is_ok_and(|only| only != *name) {
            continue;
        }
        let start = Instant::now();
        let counts = part(wanted, &mut random);
        println!("{name}: {counts}; {:.1} s", start.elapsed().as_secs_f64());
    }
}
