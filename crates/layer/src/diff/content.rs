//! Files of a tree, opened without harm: a link is not followed, a FIFO not waited for.

use std::{
    fs::File,
    io::{ErrorKind as IoKind, Read as _},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    buffer::spare_capacity,
    fs::{self, Mode, OFlags},
    io::{Errno, Result},
};

use super::{problem, tree::Facts};
use crate::{
    Error,
    apply::handle::{self, Handle},
};

/// Gives the content of a file with these facts to `take`, in pieces.
///
/// Fails with [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the file is another one or has another size or
/// time now, or was written while it was read.
pub(super) fn read(
    root: &Path,
    name: &[u8],
    directory: impl AsFd,
    leaf: &[u8],
    facts: &Facts,
    take: impl FnMut(&[u8]) -> std::result::Result<(), Error>,
) -> std::result::Result<(), Error> {
    let failed = |errno| problem::of_file(root, name, "cannot read it", errno);
    let opened = open(directory, leaf).map_err(failed)?;
    let before = Facts::of(&fs::fstat(&opened).map_err(failed)?);
    if before.kind() != facts.kind() || before.content_differs(facts) {
        return Err(problem::changed(root, name));
    }
    read_opened(root, name, opened, &before, take)
}

/// Gives the content of a file that was opened, and has these facts then, to `take`, in pieces.
///
/// Fails with [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the file is written while it is read.
pub(super) fn read_opened(
    root: &Path,
    name: &[u8],
    opened: OwnedFd,
    facts: &Facts,
    mut take: impl FnMut(&[u8]) -> std::result::Result<(), Error>,
) -> std::result::Result<(), Error> {
    /// Bytes that are read at a time.
    const BUFFER: u64 = 256 << 10;
    let failed = |errno| problem::of_file(root, name, "cannot read it", errno);
    let mut file = File::from(opened);
    // One byte more tells a file that grows.
    let mut buffer = vec![0; usize::try_from(facts.size.saturating_add(1).min(BUFFER)).unwrap_or(1)];
    let mut rest = facts.size;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == IoKind::Interrupted => continue,
            Err(error) => return Err(failed(Errno::from_io_error(&error).unwrap_or(Errno::IO))),
        };
        rest = rest
            .checked_sub(count as u64)
            .ok_or_else(|| problem::changed(root, name))?;
        if count > 0 {
            take(buffer.get(..count).unwrap_or_default())?;
        }
        if is_end(count, buffer.len(), rest) {
            break;
        }
    }
    check_unchanged(root, name, &file, facts, rest)
}

/// True if a read of `count` bytes, where `wanted` had room, was the last one. One that gives fewer than that comes to the
/// end of a regular file, unless the file system gives less at a time: then bytes are missing.
const fn is_end(count: usize, wanted: usize, missing: u64) -> bool {
    count == 0 || (missing == 0 && count < wanted)
}

/// Fails if bytes are missing of a file that was read, or if it was written since it had these facts.
fn check_unchanged(
    root: &Path,
    name: &[u8],
    file: impl AsFd,
    facts: &Facts,
    missing: u64,
) -> std::result::Result<(), Error> {
    let stat = fs::fstat(file).map_err(|errno| problem::of_file(root, name, "cannot read it", errno))?;
    if missing > 0 || Facts::of(&stat) != *facts {
        return Err(problem::changed(root, name));
    }
    Ok(())
}

/// Appends the content of a small file that was opened, and has these facts then, to `bytes`, which has room for it and one
/// byte more.
///
/// Fails with [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the file is written while it is read.
pub(super) fn read_whole(
    root: &Path,
    name: &[u8],
    opened: &OwnedFd,
    facts: &Facts,
    bytes: &mut Vec<u8>,
) -> std::result::Result<(), Error> {
    let failed = |errno| problem::of_file(root, name, "cannot read it", errno);
    let mut rest = facts.size;
    loop {
        let wanted = bytes.capacity() - bytes.len();
        let count = match rustix::io::read(opened, spare_capacity(bytes)) {
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(failed(errno)),
        };
        rest = rest
            .checked_sub(count as u64)
            .ok_or_else(|| problem::changed(root, name))?;
        if is_end(count, wanted, rest) {
            break;
        }
    }
    check_unchanged(root, name, opened, facts, rest)
}

/// Opens an entry. What the process owns and may not read, as not root, gets the permission for a moment.
pub(super) fn open(directory: impl AsFd, leaf: &[u8]) -> Result<OwnedFd> {
    let needed = Mode::RUSR;
    match open_as_is(&directory, leaf) {
        Err(Errno::ACCESS) => {
            let named = handle::path_of(&directory, leaf)?;
            let stat = fs::fstat(&named)?;
            let mode = stat.st_mode & 0o7777;
            let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
            if !is_own || mode & needed.as_raw_mode() == needed.as_raw_mode() {
                return Err(Errno::ACCESS);
            }
            let named = Handle::Path(named);
            named.set_mode(mode | needed.as_raw_mode())?;
            let opened = open_as_is(&directory, leaf);
            named.set_mode(mode)?;
            opened
        }
        opened => opened,
    }
}

/// Opens an entry with the permissions that it has.
pub(super) fn open_as_is(directory: impl AsFd, leaf: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    fs::openat(directory, leaf, flags, Mode::empty())
}
