//! Files by descriptor. Every call to the system names at most one component, relative to a descriptor, and follows no
//! symbolic link; so nothing that others do to the tree meanwhile leads out of it.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat, StatxFlags, Timestamps, XattrFlags},
    io::{Errno, Result},
    process::{Gid, Uid},
};

/// The access list of a file, and the one that new files of a directory get.
pub(super) const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
pub(super) const DEFAULT_ACCESS_LIST: &[u8] = b"system.posix_acl_default";

/// A file's device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) const fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }

    pub(crate) const fn device(self) -> u64 {
        self.device
    }
}

/// The kind of a file.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The attributes of an entry itself, `None` if there is none.
pub(crate) fn entry(directory: impl AsFd, leaf: &[u8]) -> Result<Option<Stat>> {
    match fs::statat(directory, leaf, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fails with [`Errno::XDEV`] if one of two directories is mounted in the tree of the other. A bind mount within one file
/// system is known since Linux 5.8.
pub(super) fn same_mount(one: impl AsFd, other: impl AsFd) -> Result<()> {
    let is_same = match (mount(&one)?, mount(&other)?) {
        (Some(one), Some(other)) => one == other,
        _ => fs::fstat(one)?.st_dev == fs::fstat(other)?.st_dev,
    };
    if is_same { Ok(()) } else { Err(Errno::XDEV) }
}

/// The number of the mount that a file is in, `None` if the kernel does not tell.
fn mount(file: impl AsFd) -> Result<Option<u64>> {
    match fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID) {
        Ok(stat) => {
            let is_told = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
            Ok(is_told.then_some(stat.stx_mnt_id))
        }
        Err(Errno::NOSYS | Errno::PERM) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The directory above another, if it is the one from which a walk went down. Fails with [`Errno::STALE`] if it is not,
/// as another process has moved the lower one.
pub(super) fn still(directory: OwnedFd, expected: Identity) -> Result<OwnedFd> {
    if Identity::of(&fs::fstat(&directory)?) == expected {
        Ok(directory)
    } else {
        Err(Errno::STALE)
    }
}

/// A descriptor of an entry that only names it.
pub(crate) fn path_of(directory: impl AsFd, leaf: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, leaf, flags, Mode::empty())
}

/// A descriptor of a directory that reads its entries.
pub(crate) fn listed(directory: impl AsFd, leaf: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, leaf, flags, Mode::empty())
}

/// Gives the process the permissions to add and to remove entries of a directory of its own. Returns the permissions
/// of before, if they changed.
pub(super) fn make_writable(directory: impl AsFd, stat: &Stat) -> Result<Option<u32>> {
    /// The permissions that an owner needs.
    const NEEDED: u32 = 0o700;
    let mode = stat.st_mode & 0o7777;
    let user = rustix::process::geteuid();
    if mode & NEEDED == NEEDED || user.is_root() || stat.st_uid != user.as_raw() {
        return Ok(None);
    }
    let handle = Handle::Path(rustix::io::fcntl_dupfd_cloexec(directory, 0)?);
    handle.set_mode(mode | NEEDED)?;
    Ok(Some(mode))
}

/// True if new files of a directory get an access list from it.
pub(super) fn has_default_access_list(directory: impl AsFd) -> Result<bool> {
    match fs::getxattr_query(in_proc(directory)?, DEFAULT_ACCESS_LIST) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file whose attributes are set.
#[derive(Debug)]
pub(crate) enum Handle<'a> {
    /// Open for reading or writing.
    Open(BorrowedFd<'a>),
    /// Only named; attributes are set through `/proc/self/fd`.
    Path(OwnedFd),
}

impl Handle<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Open(fd) => *fd,
            Self::Path(fd) => fd.as_fd(),
        }
    }

    pub(crate) fn stat(&self) -> Result<Stat> {
        fs::fstat(self.fd())
    }

    pub(crate) fn set_owner(&self, user: u32, group: u32) -> Result<()> {
        let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        match self {
            Self::Open(fd) => fs::fchown(fd, user, group),
            Self::Path(fd) => fs::chownat(fd, "", user, group, AtFlags::EMPTY_PATH),
        }
    }

    /// Sets the permissions, of all but a symbolic link.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Self::Open(fd) => fs::fchmod(fd, mode),
            Self::Path(fd) => fs::chmod(in_proc(fd)?, mode),
        }
    }

    pub(crate) fn set_times(&self, times: &Timestamps) -> Result<()> {
        match self {
            Self::Open(fd) => fs::futimens(fd, times),
            Self::Path(fd) => fs::utimensat(fs::CWD, in_proc(fd)?, times, AtFlags::empty()),
        }
    }

    pub(crate) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<()> {
        match self {
            Self::Open(fd) => fs::fsetxattr(fd, name, value, XattrFlags::empty()),
            Self::Path(fd) => fs::setxattr(in_proc(fd)?, name, value, XattrFlags::empty()),
        }
    }

    pub(crate) fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        match self {
            Self::Open(fd) => fs::fremovexattr(fd, name),
            Self::Path(fd) => fs::removexattr(in_proc(fd)?, name),
        }
    }

    /// True if the file system has room for more than any extended attribute.
    pub(super) fn has_room(&self) -> Result<bool> {
        const ENOUGH: u64 = 1 << 20;
        let system = fs::fstatvfs(self.fd())?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize) >= ENOUGH)
    }

    /// Removes the access lists that a new file has from its directory.
    pub(super) fn clear_access_lists(&self) -> Result<()> {
        for name in [ACCESS_LIST, DEFAULT_ACCESS_LIST] {
            match self.remove_xattr(name) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The names of all extended attributes.
    pub(crate) fn xattrs(&self) -> Result<Vec<Vec<u8>>> {
        /// The most bytes of the names of a file's extended attributes, as Linux has it.
        const XATTR_NAMES: usize = 1 << 16;
        let mut names = Vec::with_capacity(XATTR_NAMES);
        let list = rustix::buffer::spare_capacity(&mut names);
        let listed = match self {
            Self::Open(fd) => fs::flistxattr(fd, list),
            Self::Path(fd) => fs::listxattr(in_proc(fd)?, list),
        };
        match listed {
            Ok(_) => {}
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let names = names.split(|byte| *byte == 0);
        Ok(names
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }
}

/// The name of a descriptor in the file system of processes, which leads to the file itself whatever happens to its
/// name. Fails with [`Errno::NOSYS`] where `/proc` is another file system.
pub(crate) fn in_proc(fd: impl AsFd) -> Result<String> {
    if fs::statfs("/proc/self/fd")?.f_type != fs::PROC_SUPER_MAGIC {
        return Err(Errno::NOSYS);
    }
    Ok(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// The names in a directory, but `.` and `..`.
pub(crate) fn names(directory: impl AsFd) -> Result<Names> {
    Ok(Names {
        directory: fs::Dir::read_from(directory)?,
    })
}

pub(crate) struct Names {
    directory: fs::Dir,
}

impl Iterator for Names {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = match self.directory.read()? {
                Ok(entry) => entry.file_name().to_bytes().to_vec(),
                Err(error) => return Some(Err(error)),
            };
            if name != b"." && name != b".." {
                return Some(Ok(name));
            }
        }
    }
}
