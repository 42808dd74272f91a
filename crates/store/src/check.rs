//! Checking and repairing: every byte hashed again, everything needed looked for.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use wharf_content::{Descriptor, Error, MAX_MANIFEST_SIZE, Manifest};
use wharf_reference::Digest;

use crate::{
    Layout,
    disk::{self, Corrupt, Disk},
    hashing::file_has,
    index::Entry,
    read::whole,
    sync::LockExt as _,
};

/// What [`Layout::check`] found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Checked {
    /// Blobs and manifests that were hashed.
    pub blobs: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// Names and images without a name in index.json.
    pub images: usize,
    /// What is wrong, in no order that matters.
    pub problems: Vec<Problem>,
    /// Files in the directories of blobs that are none; no harm, and left alone.
    pub foreign: Vec<PathBuf>,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something that is wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes under this name have another digest.
    Damaged {
        /// What they should be.
        digest: Digest,
        /// Whether [`Layout::repair`] has taken them out of the store.
        removed: bool,
    },
    /// An image lacks this.
    Missing {
        /// What is missing.
        digest: Digest,
        /// The manifest that refers to it; itself, if index.json does.
        needed_by: Digest,
    },
    /// An entry of index.json cannot be read. It is left as it is, and concerns no other image.
    Entry {
        /// How many entries stand before it.
        position: usize,
        /// Why.
        reason: String,
    },
    /// A manifest cannot be read, or its size is not what its parent says.
    Invalid {
        /// The manifest.
        digest: Digest,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged {
                digest,
                removed: true,
            } => write!(f, "{digest} was damaged and has been removed"),
            Self::Damaged { digest, .. } => write!(f, "{digest} is damaged"),
            Self::Missing { digest, needed_by } => write!(f, "{digest} is missing, {needed_by} needs it"),
            Self::Entry { position, reason } => {
                write!(f, "entry {position} of index.json cannot be read: {reason}")
            }
            Self::Invalid { digest, reason } => write!(f, "{digest} is no valid manifest: {reason}"),
        }
    }
}

impl Layout {
    /// Hashes everything and looks for everything that images need. Changes nothing.
    ///
    /// An index may list images that are not in the store; such a sparse index is no problem. While other
    /// processes remove images, what they remove can be reported as missing.
    pub async fn check(&self) -> Result<Checked, Error> {
        self.blocking(|layout| check(&layout.shared.disk, false)).await
    }

    /// The same, and takes what is damaged out of the store, so that the next pull fetches it again. It is
    /// kept for inspection until [`Layout::collect`] finds it old.
    pub async fn repair(&self) -> Result<Checked, Error> {
        self.blocking(|layout| check(&layout.shared.disk, true)).await
    }
}

fn check(disk: &Disk, repair: bool) -> Result<Checked, Error> {
    // Before the blobs: what is named by then is there, whoever writes on meanwhile.
    let index = disk.index()?;
    let mut checked = Checked::default();
    let mut blobs = HashMap::new();
    for entry in disk.list_blobs()? {
        match entry {
            disk::Entry::Blob(digest, stamp) => drop(blobs.insert(digest, stamp.size)),
            disk::Entry::Foreign(path) => checked.foreign.push(path),
        }
    }
    let digests: Vec<&Digest> = blobs.keys().collect();
    checked.problems = hash_all(disk, &digests, repair)?;
    let damaged = checked.problems.iter().filter_map(|problem| match problem {
        Problem::Damaged { digest, .. } => Some(digest.clone()),
        _ => None,
    });
    let damaged: HashSet<Digest> = damaged.collect();
    blobs.retain(|digest, _| !damaged.contains(digest));
    checked.blobs = blobs.len();
    checked.bytes = blobs.values().sum();
    let descriptors: Vec<Descriptor> = index.entries().map(Entry::into_descriptor).collect();
    checked.images = descriptors.len();
    let mut walk = Walk {
        disk,
        blobs: &blobs,
        damaged,
        visited: HashSet::new(),
        problems: Vec::new(),
    };
    walk.run(descriptors.iter());
    checked.problems.append(&mut walk.problems);
    let unreadable = index.unreadable();
    let unreadable = unreadable.map(|(position, _, reason)| Problem::Entry { position, reason });
    checked.problems.extend(unreadable);
    Ok(checked)
}

/// Hashes files on as many threads as the machine runs at once.
fn hash_all(disk: &Disk, digests: &[&Digest], repair: bool) -> Result<Vec<Problem>, Error> {
    /// The most threads that hash files in a check.
    const MAX_THREADS: usize = 8;
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS);
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Ok(Vec::new())));
    let work = || {
        while let Some(digest) = digests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = hash_one(disk, digest, repair);
            let mut problems = problems.locked();
            match (found, &mut *problems) {
                (Ok(found), Ok(problems)) => problems.extend(found),
                (Err(error), problems @ Ok(_)) => *problems = Err(error),
                (_, Err(_)) => return,
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    problems.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn hash_one(disk: &Disk, digest: &Digest, repair: bool) -> Result<Option<Problem>, Error> {
    let Some((mut file, stamp)) = disk.open_blob(digest)? else {
        return Ok(None); // removed meanwhile
    };
    if file_has(&mut file, digest, &disk.blob_path(digest))? {
        return Ok(None);
    }
    let corrupt = Corrupt::new(digest, stamp, "its bytes have another digest");
    let removed = repair && disk.set_aside(&corrupt)?;
    let digest = digest.clone();
    Ok(Some(Problem::Damaged { digest, removed }))
}

/// Looks for everything that images need.
struct Walk<'a> {
    disk: &'a Disk,
    /// What is there and good, with its size.
    blobs: &'a HashMap<Digest, u64>,
    /// What is known to be damaged; that it is missing then is no news.
    damaged: HashSet<Digest>,
    visited: HashSet<(Digest, u64)>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn run<'d>(&mut self, roots: impl Iterator<Item = &'d Descriptor>) {
        let root = |descriptor: &Descriptor| (descriptor.clone(), descriptor.digest().clone(), true);
        let mut waiting: Vec<(Descriptor, Digest, bool)> = roots.map(root).collect();
        while let Some((descriptor, parent, required)) = waiting.pop() {
            let Some(size) = self.blobs.get(descriptor.digest()) else {
                if required {
                    self.missing(descriptor.digest(), parent);
                }
                continue;
            };
            if !self
                .visited
                .insert((descriptor.digest().clone(), descriptor.size()))
            {
                continue;
            }
            if *size != descriptor.size() {
                let reason = format!("it has {size} bytes, but is said to have {}", descriptor.size());
                self.invalid(&descriptor, reason);
            }
            if !descriptor.media_type().is_manifest() {
                continue;
            }
            match self.manifest(&descriptor) {
                Ok(manifest) => {
                    // An index may list what nobody pulled; some layers may not be distributed.
                    let listed = manifest.manifests().iter().map(|child| (child.clone(), false));
                    let needed = manifest
                        .blobs()
                        .map(|child| (child.as_blob(), child.urls().is_empty()));
                    let parent = descriptor.digest();
                    let children = listed.chain(needed);
                    waiting.extend(children.map(|(child, required)| (child, parent.clone(), required)));
                }
                Err(error) => self.invalid(&descriptor, error.to_string()),
            }
        }
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let digest = descriptor.digest();
        let bytes = whole(self.disk, digest, MAX_MANIFEST_SIZE)?;
        let bytes = bytes.ok_or_else(|| self.disk.no_blob(digest))?;
        Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest)
    }

    fn missing(&mut self, digest: &Digest, needed_by: Digest) {
        let problem = Problem::Missing {
            digest: digest.clone(),
            needed_by,
        };
        if !self.damaged.contains(digest) && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn invalid(&mut self, descriptor: &Descriptor, reason: String) {
        let digest = descriptor.digest().clone();
        self.problems.push(Problem::Invalid { digest, reason });
    }
}
