use std::{fs, time::Duration};

use tokio::time::Instant;

use super::Stage;

/// The most that a script may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests to all origins together.
    pub requests: u64,
    /// Connections to them.
    pub connections: u64,
    /// Bytes they send: what the client takes, and what lies in the sockets between.
    pub sent: u64,
    /// Bytes they receive.
    pub received: u64,
    /// Growth of the process's resident memory.
    pub resident: u64,
}

impl Default for Budget {
    /// One request on one connection, nothing in any amount, and 16 MiB of memory.
    fn default() -> Self {
        Self {
            requests: 1,
            connections: 1,
            sent: Self::sockets(),
            received: 64 << 10,
            resident: 16 << 20,
        }
    }
}

impl Budget {
    /// How many bytes a connection on this machine can hold that nobody has read: both sockets' buffers, and
    /// some for what is read ahead.
    pub fn sockets() -> u64 {
        let largest = |name: &str| {
            let limits = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
            limits.split_whitespace().last()?.parse::<u64>().ok()
        };
        largest("tcp_rmem").unwrap_or(8 << 20) + largest("tcp_wmem").unwrap_or(8 << 20) + (1 << 20)
    }

    /// In which ways this was too much, in words.
    pub fn exceeded_by(&self, spent: &Spent) -> Vec<String> {
        let rows = [
            ("requests", spent.requests, self.requests),
            ("connections", spent.connections, self.connections),
            ("bytes sent by the servers", spent.sent, self.sent),
            ("bytes received by the servers", spent.received, self.received),
            ("bytes of memory", spent.resident.unwrap_or(0), self.resident),
            ("connections left open", spent.open, 0),
            ("files left open", spent.files, 0),
        ];
        let too_much = rows.into_iter().filter(|(_, spent, budget)| spent > budget);
        too_much
            .map(|(what, spent, budget)| format!("{spent} {what} instead of {budget}"))
            .collect()
    }
}

/// The cost of a script that has run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests to all origins together, those included that never became whole.
    pub requests: u64,
    /// Connections to them.
    pub connections: u64,
    /// Connections that are still open.
    pub open: u64,
    /// Bytes they sent.
    pub sent: u64,
    /// Bytes they received.
    pub received: u64,
    /// Growth of the process's resident memory at its peak, in bytes; `None` where it cannot be told.
    pub resident: Option<u64>,
    /// File descriptors of the process that are open and were not before.
    pub files: u64,
    /// How long it took.
    pub time: Duration,
}

/// Counts what a script costs, in a process that does nothing else meanwhile: memory and files are those of
/// the whole process, the stage's own included.
#[derive(Debug)]
pub struct Meter {
    before: Spent,
    resident: Option<u64>,
    files: u64,
    started: Instant,
}

impl Meter {
    /// Begins to count.
    pub fn start(stage: &Stage) -> Self {
        // Resets the peak (proc(5)); where that is not allowed there is no figure.
        let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self {
            before: counted(stage),
            resident: status("VmRSS:").filter(|_| reset),
            files: open_files(),
            started: Instant::now(),
        }
    }

    /// Counts until everything the client had open is closed, which it has a moment for.
    pub async fn stop(self, stage: &Stage) -> Spent {
        let time = self.started.elapsed();
        let peak = status("VmHWM:");
        let closed = async {
            while counted(stage).open > self.before.open || open_files() > self.files {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), closed).await; // what is open then is in the result
        let after = counted(stage);
        Spent {
            requests: after.requests - self.before.requests,
            connections: after.connections - self.before.connections,
            open: after.open.saturating_sub(self.before.open),
            sent: after.sent - self.before.sent,
            received: after.received - self.before.received,
            resident: self
                .resident
                .zip(peak)
                .map(|(before, peak)| peak.saturating_sub(before)),
            files: open_files().saturating_sub(self.files),
            time,
        }
    }
}

fn counted(stage: &Stage) -> Spent {
    let mut sum = Spent::default();
    for traffic in stage.traffic() {
        sum.requests += traffic.requests;
        sum.connections += traffic.connections;
        sum.open += traffic.open;
        sum.sent += traffic.sent;
        sum.received += traffic.received;
    }
    sum
}

/// A line of the process's status, in bytes.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_files() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}
