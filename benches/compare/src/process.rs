//! Registries as processes, and what they use.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

/// The ticks of the processor time that Linux states.
const TICKS: u64 = 100;

/// How often and with which pauses a line is waited for that the process has written.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A running `serve`, which is killed when this is dropped.
#[derive(Debug)]
pub struct Serve {
    child: Child,
    address: SocketAddr,
    metrics: Arc<OnceLock<SocketAddr>>,
}

/// The resources that a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// In the kernel and outside, with a precision of 10 ms.
    pub processor: Duration,
    /// The largest resident set in bytes.
    pub memory: u64,
}

impl Serve {
    /// Starts the program on a free port, with these arguments and variables and no others.
    pub fn start(program: &Path, arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("serve starts")?;
        let metrics = Arc::new(OnceLock::new());
        let log = BufReader::new(child.stderr.take().context("a pipe")?);
        let found = Arc::clone(&metrics);
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                match metrics_address(&line) {
                    Some(address) => drop(found.set(address)),
                    None => eprintln!("{line}"),
                }
            }
        });
        let mut line = String::new();
        let output = child.stdout.take().context("a pipe")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|host| host.parse().ok());
        ensure!(address.is_some(), "serve does not say where it listens: {line}");
        Ok(Self {
            child,
            address: address.context("an address")?,
            metrics,
        })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the metrics, which the process states when it has `--metrics`.
    pub fn metrics(&self) -> Option<SocketAddr> {
        for _ in 0..ATTEMPTS {
            if let Some(address) = self.metrics.get() {
                return Some(*address);
            }
            thread::sleep(PAUSE);
        }
        None
    }

    /// The resources that the process has used so far.
    pub fn used(&self) -> anyhow::Result<Used> {
        let own = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.child.id()));
        let status = own("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(Used {
            processor: processor(&own("stat")?).context("a process has times")?,
            memory: kibibytes.context("a process has a largest resident set")? * 1024,
        })
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// The address in the line that states it.
fn metrics_address(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once("metrics at http://")?;
    address.strip_suffix("/metrics")?.parse().ok()
}

/// The processor time in a file `stat` of a process.
fn processor(stat: &str) -> Option<Duration> {
    // The name, in parentheses, may have spaces in it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 1 0 21 4 0 0 20 0 3 0 100 1 1";
        assert_eq!(processor(stat), Some(Duration::from_millis(250)));
        assert_eq!(processor("7 (a"), None);
    }
}
