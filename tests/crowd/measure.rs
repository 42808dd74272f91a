//! What a process has, as the kernel and the process itself say it.

use std::{fmt, fs, path::Path};

use serde::{Deserialize, Serialize};

/// Whether this system tells what is asked here.
pub(crate) fn is_possible() -> bool {
    Path::new("/proc/self/fd").is_dir()
}

/// A registry process when nobody is there.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// Bytes it has allocated and not freed.
    pub(crate) heap: u64,
    /// Kilobytes of its memory that are resident, and the most that ever were.
    resident: u64,
    peak: u64,
    pub(crate) threads: u64,
    /// Uploads that nobody had cancelled since the last time.
    expired: u64,
    pub(crate) held: Held,
}

/// What must be the same whenever nobody is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) files: usize,
    inventory: [u64; 7],
    /// Pieces of content that the backend has.
    content: usize,
}

/// What the process says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Own {
    pub(crate) heap: u64,
    /// Repositories, tags, manifests, blobs, bytes, uploads, verified digests.
    pub(crate) inventory: [u64; 7],
}

impl Figures {
    /// These figures, with as much verified content as in the others: reading makes that more.
    pub(crate) fn with_verified_of(&self, other: &Self) -> Self {
        let mut figures = self.clone();
        let ([.., own], [.., verified]) = (&mut figures.held.inventory, other.held.inventory);
        *own = verified;
        figures
    }

    pub(crate) fn of(process: u32, own: &Own, expired: u64, content: usize) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let value = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            heap: own.heap,
            resident: value("VmRSS:"),
            peak: value("VmHWM:"),
            threads: value("Threads:"),
            expired,
            held: Held {
                files: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
                inventory: own.inventory,
                content,
            },
        }
    }
}

impl Held {
    /// Whether this is no more than the other. There may be fewer files: the other may have been counted while the
    /// last connection was closing.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        (self.inventory, self.content) == (other.inventory, other.content) && self.files <= other.files
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            heap,
            resident,
            peak,
            threads,
            expired,
            held,
        } = self;
        write!(
            f,
            "heap {} kB, resident {resident} kB (peak {peak} kB), threads {threads}, uploads left behind {expired}, {held}",
            heap / 1024
        )
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, content, .. } = self;
        let [repositories, tags, manifests, blobs, bytes, uploads, verified] = self.inventory;
        write!(
            f,
            "files {files}, repositories {repositories}, tags {tags}, manifests {manifests}, \
             blobs {blobs}, bytes {bytes}, uploads {uploads}, verified {verified}, content {content}"
        )
    }
}
