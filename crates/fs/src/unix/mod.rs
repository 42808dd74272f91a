//! Unix: every name is looked up in an open directory, one component at a time, and never through a symbolic link
//! (docs/threats.md, F1 and F10).

mod file;
mod handle;

use std::{io, path::Path};

use rustix::{
    fs::{self, FileType, Mode},
    io::Errno,
};

pub(crate) use self::{
    file::{
        has_other_names, open_regular, open_regular_itself, reflink, set_read_only, set_writable, stamp_of,
    },
    handle::Handle,
};
use crate::{FileKind, Stamp};

/// Creates a directory and syncs its parent. Something that exists is no error.
pub(crate) fn create_directory(path: &Path, mode: u16) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match fs::mkdir(path, raw(mode)) {
        Ok(()) => Handle::open(parent.unwrap_or(Path::new(".")))?.sync(),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[expect(
    clippy::allow_attributes,
    reason = "the type of modes differs between platforms"
)]
#[allow(clippy::useless_conversion)]
fn raw(mode: u16) -> Mode {
    Mode::from_raw_mode(mode.into())
}

fn kind(stat: &fs::Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

#[expect(
    clippy::allow_attributes,
    reason = "the types of these fields differ between platforms"
)]
#[allow(clippy::useless_conversion, clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn stamp(stat: &fs::Stat) -> Stamp {
    let time = |seconds: i64, nanos: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Stamp {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}
