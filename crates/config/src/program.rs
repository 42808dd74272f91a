//! One run of a program, with limits to its time and output.

use std::{
    error, fmt,
    io::{self, Read, Write},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

/// The longest time limit for a program; a longer setting is cut to it.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time until a program that is cancelled is killed.
const CANCELLATION_INTERVAL: Duration = Duration::from_millis(20);

/// The limits of one run of a program: [`HelperEnvironment::run`](crate::HelperEnvironment::run).
#[derive(Debug, Clone, Copy)]
pub struct ProgramLimits<'a> {
    /// The time from its start to its end; at most a day.
    pub time: Duration,
    /// Bytes of its standard output, and as many of its standard error.
    pub output: u64,
    /// Another thread sets it to true to have the program killed; `None` if nobody does.
    pub cancelled: Option<&'a AtomicBool>,
}

/// Whether the standard error of a program is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardError {
    Discarded,
    Read,
}

/// A program that ended by itself, with its output. The memory of the output is wiped on drop.
pub struct ProgramOutput {
    /// Whether it ended with status zero.
    pub success: bool,
    /// Its standard output.
    pub stdout: Zeroizing<Vec<u8>>,
    /// Its standard error.
    pub stderr: Zeroizing<Vec<u8>>,
}

/// Sizes: outputs of programs may be secrets.
impl fmt::Debug for ProgramOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramOutput")
            .field("success", &self.success)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish()
    }
}

/// The reason why there is no [`ProgramOutput`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ProgramError {
    /// The program cannot be started, or it cannot be talked to.
    Io(io::Error),
    /// The program did not end in time and was killed.
    TimedOut,
    /// The program wrote more than the limit and was killed.
    TooMuchOutput,
    /// The run was cancelled, and the program killed if it had started.
    Cancelled,
}

impl From<io::Error> for ProgramError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(_) => "the program cannot be run",
            Self::TimedOut => "the program did not end in time and was killed",
            Self::TooMuchOutput => "the program wrote more than it may and was killed",
            Self::Cancelled => "the run of the program was cancelled",
        })
    }
}

impl error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::TimedOut | Self::TooMuchOutput | Self::Cancelled => None,
        }
    }
}

/// Runs a program with this input until it has ended and closed its output. Otherwise the program and all
/// that it started in its process group are killed.
pub(crate) fn run(
    mut command: Command,
    input: &[u8],
    stderr: StandardError,
    limits: ProgramLimits<'_>,
) -> Result<ProgramOutput, ProgramError> {
    let wait = Wait {
        deadline: Instant::now() + limits.time.min(MAX_TIMEOUT),
        cancelled: limits.cancelled,
    };
    wait.remaining()?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(match stderr {
            StandardError::Discarded => Stdio::null(),
            StandardError::Read => Stdio::piped(),
        });
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

    let stdout = Stream::of(group.child.stdout.take(), limits.output)?;
    let stderr = Stream::of(group.child.stderr.take(), limits.output)?;
    let stdout = stdout.content(&wait)?;
    let stderr = stderr.content(&wait)?;
    let success = group.wait(&wait)?;
    Ok(ProgramOutput {
        success,
        stdout,
        stderr,
    })
}

/// How long a program is waited for.
struct Wait<'a> {
    deadline: Instant,
    cancelled: Option<&'a AtomicBool>,
}

impl Wait<'_> {
    /// The time until the deadline, or until the next look whether the run was cancelled.
    fn remaining(&self) -> Result<Duration, ProgramError> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        match self.cancelled {
            Some(cancelled) if cancelled.load(Ordering::Acquire) => Err(ProgramError::Cancelled),
            _ if remaining.is_zero() => Err(ProgramError::TimedOut),
            Some(_) => Ok(remaining.min(CANCELLATION_INTERVAL)),
            None => Ok(remaining),
        }
    }
}

/// An output of a program, read by a thread of its own.
struct Stream {
    content: Receiver<io::Result<Zeroizing<Vec<u8>>>>,
    most: u64,
}

impl Stream {
    fn of(stream: Option<impl Read + Send + 'static>, most: u64) -> io::Result<Self> {
        let (sender, content) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            let mut bytes = Zeroizing::new(Vec::new());
            let read = stream.map_or(Ok(0), |stream| stream.take(most + 1).read_to_end(&mut bytes));
            sender.send(read.map(|_| bytes)) // nobody listens after a timeout
        })?;
        Ok(Self { content, most })
    }

    fn content(self, wait: &Wait<'_>) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
        let content = loop {
            match self.content.recv_timeout(wait.remaining()?) {
                Ok(content) => break content?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ProgramError::TimedOut),
            }
        };
        if content.len() as u64 > self.most {
            return Err(ProgramError::TooMuchOutput);
        }
        Ok(content)
    }
}

/// A program and what it started. Unless the program has ended by itself, dropping this kills them.
struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    /// Waits for the program, which has closed its output and so is about to end.
    fn wait(&mut self, wait: &Wait<'_>) -> Result<bool, ProgramError> {
        /// The longest pause between two looks whether a program has ended.
        const LONGEST_PAUSE: Duration = Duration::from_millis(20);
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(status.success());
            }
            thread::sleep(pause.min(wait.remaining()?));
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
