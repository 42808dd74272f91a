//! One run of a program: how long it took, on how much processor time, in how much memory.

use std::{
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use wait4::Wait4 as _;

/// The first argument of this program when it is to start and measure another.
pub const CHILD: &str = "--measured-child";

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// From the start of the process to its end.
    pub wall: Duration,
    /// On all cores, in the kernel and outside.
    pub processor: Duration,
    /// The largest resident set in bytes.
    pub memory: u64,
}

/// Runs a command to its end.
///
/// A process starts with its parent's resident set as its own largest. So a fresh copy of this program, which is
/// small, starts it, not this one.
pub fn measure(command: &Command) -> anyhow::Result<Measured> {
    let mut child = Command::new(std::env::current_exe()?);
    child
        .arg(CHILD)
        .arg(command.get_program())
        .args(command.get_args());
    child.env_clear();
    child.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(directory) = command.get_current_dir() {
        child.current_dir(directory);
    }
    let output = child.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{command:?} failed:\n{said}");
    }
    let numbers = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = numbers.split_whitespace().flat_map(str::parse).collect();
    let [wall, processor, memory] = numbers[..] else {
        bail!("{command:?} was not measured:\n{said}");
    };
    Ok(Measured {
        wall: Duration::from_nanos(wall),
        processor: Duration::from_nanos(processor),
        memory,
    })
}

/// The small copy: starts the command, waits, prints nanoseconds, nanoseconds and bytes.
pub fn child(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = arguments.next() else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    match run(&mut command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let used = command.spawn().context("cannot start it")?.wait4()?;
    let wall = started.elapsed();
    let processor = used.rusage.utime + used.rusage.stime;
    println!(
        "{} {} {}",
        wall.as_nanos(),
        processor.as_nanos(),
        used.rusage.maxrss
    );
    Ok(if used.status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
