//! One run of a program, with limits to its time and output.

use std::{
    error, fmt,
    io::{self, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

/// The longest time limit for a program; a longer setting is cut to it.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits of one run of a program: [`HelperEnvironment::run`](crate::HelperEnvironment::run).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramLimits {
    /// The time from its start to its end; at most a day.
    pub time: Duration,
    /// Bytes of its standard output, and as many of its standard error.
    pub output: u64,
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
        })
    }
}

impl error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::TimedOut | Self::TooMuchOutput => None,
        }
    }
}

/// Runs a program with this input until it has ended and closed its output. Otherwise the program and all
/// that it started in its process group are killed.
pub(crate) fn run(
    mut command: Command,
    input: &[u8],
    stderr: StandardError,
    limits: ProgramLimits,
) -> Result<ProgramOutput, ProgramError> {
    let deadline = Instant::now() + limits.time.min(MAX_TIMEOUT);
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
    let stdout = stdout.content(deadline)?;
    let stderr = stderr.content(deadline)?;
    let success = group.wait_until(deadline)?;
    Ok(ProgramOutput {
        success,
        stdout,
        stderr,
    })
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

    fn content(self, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let content = self
            .content
            .recv_timeout(left)
            .map_err(|_| ProgramError::TimedOut)??;
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
    fn wait_until(&mut self, deadline: Instant) -> Result<bool, ProgramError> {
        /// The longest pause between two looks whether a program has ended.
        const LONGEST_PAUSE: Duration = Duration::from_millis(20);
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(status.success());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ProgramError::TimedOut);
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
