//! One run of a program, with limits to its time and output.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{HelperErrorKind, error::Failure};

/// The most bytes read of a credential helper's output; more is an error.
const MAX_OUTPUT: u64 = 1 << 20;

/// The longest time limit for a credential helper; a longer setting is cut to it.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A program that ended by itself.
pub(super) struct Finished {
    pub(super) success: bool,
    pub(super) stdout: Zeroizing<Vec<u8>>,
}

/// Runs a program with this input until it has ended and closed its output. Otherwise the program and all
/// that it started in its process group are killed.
pub(super) fn run(mut command: Command, input: &[u8], timeout: Duration) -> Result<Finished, Failure> {
    let deadline = Instant::now() + timeout.min(MAX_TIMEOUT);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut group = Group {
        child: command.spawn()?,
        ended: false,
    };

    let stdin = group.child.stdin.take();
    let input = Zeroizing::new(input.to_vec());
    // A program that does not read its input must not hold us up; a failed write shows in what it answers.
    thread::Builder::new().spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)))?;

    let (sender, receiver) = mpsc::channel();
    let stdout = group.child.stdout.take();
    thread::Builder::new().spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = stdout.map_or(Ok(0), |stdout| {
            stdout.take(MAX_OUTPUT + 1).read_to_end(&mut bytes)
        });
        sender.send(read.map(|_| bytes)) // nobody listens after a timeout
    })?;
    let stdout = receiver
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .map_err(|_| HelperErrorKind::TimedOut)??;
    if stdout.len() as u64 > MAX_OUTPUT {
        return Err(HelperErrorKind::TooMuchOutput.into());
    }
    let success = group.wait_until(deadline)?;
    Ok(Finished { success, stdout })
}

/// A program and what it started. Unless the program has ended by itself, dropping this kills them.
struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    /// Waits for the program, which has closed its output and so is about to end.
    fn wait_until(&mut self, deadline: Instant) -> Result<bool, Failure> {
        /// The longest pause between two looks whether a credential helper has ended.
        const LONGEST_PAUSE: Duration = Duration::from_millis(20);
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(status.success());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(HelperErrorKind::TimedOut.into());
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // The program was not waited for yet, so its id, which is that of the group, is not anybody else's.
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::KILL,
        );
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
