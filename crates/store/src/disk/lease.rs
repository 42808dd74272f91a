//! Leases: content that a running operation has found stays until the operation ends (threat S5 in
//! docs/threats.md).
//!
//! A lease is a file of digests that its owner has locked. An operation adds a digest to its lease while the
//! removal lock is shared, and then looks for the blob. A collector takes the removal lock alone and reads
//! the leases before it removes blobs. A lease that can be locked has lost its owner and has no effect:
//! neither process ids nor clocks matter.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write as _},
    sync::{Arc, Mutex},
};

use wharf_content::{Error, ErrorKind};
use wharf_fs::{Directory, FileKind};
use wharf_reference::Digest;

use super::{Disk, read_bounded, temporary_name};
use crate::{error::At as _, sync::LockExt as _};

const LOCK_SUFFIX: &str = ".lock";

/// The largest lease that is read, in bytes: more than any operation writes.
const MAX_LEASE: u64 = 256 * 1024 * 1024;

/// The content that one operation relies on.
#[derive(Debug)]
pub(crate) struct Lease {
    disk: Arc<Disk>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Held>,
    pinned: HashSet<Digest>,
    /// Digests that were read without a pin, while this crate had never written to the layout, so that no
    /// collector could run. The next pin pins these too.
    unpinned: HashSet<Digest>,
}

#[derive(Debug)]
struct Held {
    directory: Directory,
    name: String,
    file: File,
    /// The locked file, on systems where a locked file cannot be read.
    _lock: Option<File>,
}

impl Lease {
    pub(crate) fn new(disk: Arc<Disk>) -> Self {
        Self {
            disk,
            state: Mutex::default(),
        }
    }

    /// Pins a digest for a reader. In a layout that cannot be written to, reading goes on without a pin, and
    /// may find the content gone. A layout that this crate has never written to has no collector and is not
    /// changed.
    pub(crate) fn pin_to_read(&self, digest: &Digest) -> Result<(), Error> {
        if !self.disk.is_ours()? {
            let mut state = self.state.locked();
            state.unpinned.insert(digest.clone());
            return Ok(());
        }
        match self.pin([digest]) {
            Err(error) if error.kind() == ErrorKind::NoSpace || is_read_only(&error) => Ok(()),
            other => other,
        }
    }

    /// Pins these digests: a blob that is found after this call stays.
    pub(crate) fn pin<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Result<(), Error> {
        let mut state = self.state.locked();
        let new = digests
            .into_iter()
            .filter(|digest| !state.pinned.contains(*digest));
        let new: Vec<&Digest> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        let removal = self.disk.removal_lock(false)?;
        state.write(&self.disk, &new)?;
        drop(removal);
        Ok(())
    }
}

/// True if an error says that this process may only read the store.
fn is_read_only(error: &Error) -> bool {
    let cause = error.inner().and_then(|cause| cause.downcast_ref::<io::Error>());
    let kind = cause.map(io::Error::kind);
    matches!(
        kind,
        Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
    )
}

impl State {
    fn write(&mut self, disk: &Disk, digests: &[&Digest]) -> Result<(), Error> {
        if self.file.is_none() {
            self.file = Some(Held::new(disk)?);
        }
        let Some(held) = &mut self.file else {
            return Ok(());
        };
        let earlier = std::mem::take(&mut self.unpinned);
        // Each digest begins a new line, because a failed write on a full disk may have left half of one.
        let mut text = String::new();
        for digest in digests.iter().copied().chain(&earlier) {
            text.push('\n');
            text.push_str(digest.as_str());
        }
        text.push('\n');
        held.file
            .write_all(text.as_bytes())
            .at("write", &held.directory.path().join(&held.name))?;
        self.pinned.extend(digests.iter().map(|&digest| digest.clone()));
        self.pinned.extend(earlier);
        Ok(())
    }
}

impl Held {
    /// Creates a lease. The caller shares the removal lock, so that the file is locked before a collector
    /// sees it.
    fn new(disk: &Disk) -> Result<Self, Error> {
        let directory = disk.pool_private("leases")?;
        let name = temporary_name();
        let create = |name: &str, locked: bool| {
            let path = directory.path().join(name);
            let file = directory.create_new(name, 0o600).at("create", &path)?;
            if locked {
                disk.try_lock(&file, &path)?;
            }
            Ok::<File, Error>(file)
        };
        let lock = if wharf_fs::LOCKS_FORBID_READING {
            Some(create(&lock_name(&name), true)?)
        } else {
            None
        };
        let file = create(&name, lock.is_none())?;
        Ok(Self {
            directory,
            name,
            file,
            _lock: lock,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = remove(&self.directory, &self.name); // if not, a collector will
    }
}

/// The name of the file that is locked while the lease exists.
fn lock_name(name: &str) -> String {
    if wharf_fs::LOCKS_FORBID_READING {
        format!("{name}{LOCK_SUFFIX}")
    } else {
        name.to_owned()
    }
}

fn remove(directory: &Directory, name: &str) -> io::Result<()> {
    directory.remove(name)?;
    directory.remove(lock_name(name))
}

/// The digests that live leases pin. The caller holds the removal lock; leases without an owner are removed
/// if `remove_dead`.
pub(crate) fn live_pins(disk: &Disk, remove_dead: bool) -> Result<HashSet<Digest>, Error> {
    let directory = disk.pool_private("leases")?;
    let mut pins = HashSet::new();
    for name in directory.names().at("list", directory.path())? {
        let path = directory.path().join(&name);
        let lease = name.strip_suffix(LOCK_SUFFIX).unwrap_or(&name);
        let stat = directory.stat(&name).at("stat", &path)?;
        if !matches!(stat, Some((FileKind::File, _))) {
            continue; // no file of ours
        }
        let lock = directory
            .open_or_create(lock_name(lease), 0o600)
            .at("open", &path)?;
        if !disk.options().without_locks && disk.try_lock(&lock, &path)? {
            if remove_dead {
                remove(&directory, lease).at("remove", &path)?;
            }
            continue;
        }
        let file = match directory.open_file(lease) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // it ends just now
            other => other.at("open", &path)?,
        };
        let text = String::from_utf8_lossy(&read_bounded(&file, MAX_LEASE, &path)?).into_owned();
        pins.extend(text.lines().filter_map(|line| Digest::parse(line).ok()));
    }
    Ok(pins)
}

#[cfg(test)]
mod tests {
    use wharf_content::Hasher;
    use wharf_reference::Algorithm;

    use super::*;
    use crate::Options;

    #[test]
    fn a_pin_that_was_cut_spoils_no_later_one() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::create(directory.path(), Options::default()).unwrap());
        let lease = Lease::new(Arc::clone(&disk));
        let digests = ["before", "cut", "after"]
            .map(|text| Hasher::digest(Algorithm::Sha256, text.as_bytes()).unwrap());
        let [before, cut, after] = &digests;
        lease.pin([before]).unwrap();
        // What a full disk leaves of a line.
        let mut state = lease.state.lock().unwrap();
        let half = &cut.as_str().as_bytes()[..30];
        state.file.as_mut().unwrap().file.write_all(half).unwrap();
        drop(state);
        lease.pin([after]).unwrap();
        let pins = live_pins(&disk, true).unwrap();
        assert_eq!(pins, HashSet::from([before.clone(), after.clone()]));
    }
}
