//! Check and repair of a layout: all bytes are hashed, and the content of all images is looked for.

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

/// The result of [`Layout::check`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Checked {
    /// The number of blobs and manifests that are good.
    pub blobs: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The number of entries of index.json.
    pub images: usize,
    /// The problems, in no particular order.
    pub problems: Vec<LayoutProblem>,
    /// Files in the directories of blobs that are no blobs. They do no harm and are not touched.
    pub foreign: Vec<PathBuf>,
}

impl Checked {
    /// True if there are no problems.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A problem of a layout, found by [`Layout::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// The bytes under this name have another digest.
    Corrupt {
        /// The digest that they should have.
        digest: Digest,
        /// True if [`Layout::repair`] has moved them aside.
        removed: bool,
    },
    /// Content that an image needs is missing.
    Missing {
        /// The digest of the missing content.
        digest: Digest,
        /// The manifest that lists it, or its own digest if index.json does.
        needed_by: Digest,
    },
    /// An entry of index.json cannot be read. It is not changed and affects no other image.
    Entry {
        /// The number of entries before it.
        position: usize,
        /// The reason.
        reason: String,
    },
    /// A manifest cannot be read, or its size is not the one that its parent states.
    Invalid {
        /// The manifest.
        digest: Digest,
        /// The reason.
        reason: String,
    },
}

impl fmt::Display for LayoutProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt {
                digest,
                removed: true,
            } => write!(f, "{digest} was corrupt and has been removed"),
            Self::Corrupt { digest, .. } => write!(f, "{digest} is corrupt"),
            Self::Missing { digest, needed_by } => write!(f, "{digest} is missing, but {needed_by} needs it"),
            Self::Entry { position, reason } => {
                write!(f, "entry {position} of index.json cannot be read: {reason}")
            }
            Self::Invalid { digest, reason } => write!(f, "{digest} is not a valid manifest: {reason}"),
        }
    }
}

impl Layout {
    /// Hashes all blobs and looks for the content of all images. Changes nothing.
    ///
    /// ```
    /// use wharf_store::Layout;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let store = Layout::create(directory.path().join("images")).await?;
    /// let checked = store.check().await?;
    /// for problem in &checked.problems {
    ///     println!("{problem}");
    /// }
    /// assert!(checked.is_clean());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// An index may list images that are not in the layout; such a sparse index is no problem. If other
    /// processes remove images meanwhile, their content may be reported as missing.
    ///
    /// # Errors
    ///
    /// Those of the file system, and [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if index.json cannot be read. A
    /// problem of the content is no error but in [`Checked::problems`].
    pub async fn check(&self) -> Result<Checked, Error> {
        self.blocking(|layout| check(&layout.shared.disk, false)).await
    }

    /// Checks as [`Layout::check`] does, and moves corrupt blobs aside, so that the next pull fetches them
    /// again. They are deleted by the first [`Layout::collect`] after a week.
    ///
    /// # Errors
    ///
    /// As [`Layout::check`], and those of moving a blob aside.
    pub async fn repair(&self) -> Result<Checked, Error> {
        self.blocking(|layout| check(&layout.shared.disk, true)).await
    }
}

fn check(disk: &Disk, repair: bool) -> Result<Checked, Error> {
    // Read before the blobs are listed: the content of an image is in the layout before its name is.
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
    let corrupt = checked.problems.iter().filter_map(|problem| match problem {
        LayoutProblem::Corrupt { digest, .. } => Some(digest.clone()),
        _ => None,
    });
    let corrupt: HashSet<Digest> = corrupt.collect();
    blobs.retain(|digest, _| !corrupt.contains(digest));
    checked.blobs = blobs.len();
    checked.bytes = blobs.values().sum();
    let descriptors: Vec<Descriptor> = index.entries().map(Entry::into_descriptor).collect();
    checked.images = descriptors.len();
    let mut walk = Walk {
        disk,
        blobs: &blobs,
        corrupt,
        visited: HashSet::new(),
        problems: Vec::new(),
    };
    walk.run(descriptors.iter());
    checked.problems.append(&mut walk.problems);
    let unreadable = index.unreadable();
    let unreadable = unreadable.map(|(position, _, reason)| LayoutProblem::Entry { position, reason });
    checked.problems.extend(unreadable);
    Ok(checked)
}

/// Hashes files on as many threads as the machine has cores, at most eight.
fn hash_all(disk: &Disk, digests: &[&Digest], repair: bool) -> Result<Vec<LayoutProblem>, Error> {
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

fn hash_one(disk: &Disk, digest: &Digest, repair: bool) -> Result<Option<LayoutProblem>, Error> {
    let Some((mut file, stamp)) = disk.open_blob(digest)? else {
        return Ok(None); // removed meanwhile
    };
    if file_has(&mut file, digest, &disk.blob_path(digest))? {
        return Ok(None);
    }
    let corrupt = Corrupt::new(digest, stamp, "its bytes have another digest");
    let removed = repair && disk.set_aside(&corrupt)?;
    let digest = digest.clone();
    Ok(Some(LayoutProblem::Corrupt { digest, removed }))
}

/// A search for the content that images need.
struct Walk<'a> {
    disk: &'a Disk,
    /// The good blobs, with their sizes.
    blobs: &'a HashMap<Digest, u64>,
    /// The corrupt blobs, which are not also reported as missing.
    corrupt: HashSet<Digest>,
    visited: HashSet<(Digest, u64)>,
    problems: Vec<LayoutProblem>,
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
                let reason = format!(
                    "it has {size} bytes, but its descriptor states {}",
                    descriptor.size()
                );
                self.invalid(&descriptor, reason);
            }
            if !descriptor.media_type().is_manifest() {
                continue;
            }
            match self.manifest(&descriptor) {
                Ok(manifest) => {
                    // An index may list images that were not pulled; non-distributable layers may be
                    // missing.
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
        let problem = LayoutProblem::Missing {
            digest: digest.clone(),
            needed_by,
        };
        if !self.corrupt.contains(digest) && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn invalid(&mut self, descriptor: &Descriptor, reason: String) {
        let digest = descriptor.digest().clone();
        self.problems.push(LayoutProblem::Invalid { digest, reason });
    }
}
