//! Changes of a tree, written as a layer.

mod cases;
mod errors;
mod limits;
mod many;
mod peers;
mod random;
mod written;

use std::{
    collections::BTreeMap,
    fs::{self, FileTimes, Permissions},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use tempfile::TempDir;
use wharf_layer::{ApplyOptions, DiffOptions, Diffed, Ownership, Root, Snapshot, apply, diff};

use crate::{
    apply::{is_root, names},
    merge::members,
};

/// Changes of a tree. Those that cannot be made do nothing.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    File(String, &'static str),
    /// The content is replaced in the same file, and the time of modification stays.
    Rewrite(String, &'static str),
    Directory(String),
    Symlink(String, String),
    Link(String, String),
    Fifo(String),
    Socket(String),
    Remove(String),
    Rename(String, String),
    Mode(String, u32),
    Xattr(String, &'static str),
    Time(String, u64),
}

pub(crate) fn perform(root: &Path, ops: &[Op]) {
    for op in ops {
        let _ = op.perform(root);
    }
}

impl Op {
    fn perform(&self, root: &Path) -> std::io::Result<()> {
        if let Self::File(name, _) | Self::Rewrite(name, _) | Self::Time(name, _) = self
            && let Ok(metadata) = fs::metadata(root.join(name))
            && metadata.file_type().is_fifo()
        {
            return Ok(()); // to open it would wait for the other side
        }
        match self {
            Self::File(name, content) => fs::write(root.join(name), content),
            Self::Rewrite(name, content) => {
                let modified = fs::symlink_metadata(root.join(name))?.modified()?;
                let file = fs::OpenOptions::new()
                    .write(true)
                    .truncate(true)
                    .open(root.join(name))?;
                std::io::Write::write_all(&mut &file, content.as_bytes())?;
                file.set_times(FileTimes::new().set_modified(modified))
            }
            Self::Directory(name) => fs::create_dir_all(root.join(name)),
            Self::Symlink(name, target) => symlink(target, root.join(name)),
            Self::Link(name, to) => fs::hard_link(root.join(to), root.join(name)),
            Self::Fifo(name) => {
                let mode = Mode::from_raw_mode(0o644);
                Ok(mknodat(CWD, root.join(name), FileType::Fifo, mode, 0)?)
            }
            Self::Socket(name) => UnixListener::bind(root.join(name)).map(|_| ()),
            Self::Remove(name) => {
                let path = root.join(name);
                fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path))
            }
            Self::Rename(name, to) => fs::rename(root.join(name), root.join(to)),
            Self::Mode(name, mode) => {
                if fs::symlink_metadata(root.join(name))?.is_symlink() {
                    return Ok(());
                }
                fs::set_permissions(root.join(name), Permissions::from_mode(*mode))
            }
            Self::Xattr(name, value) => {
                let flags = XattrFlags::empty();
                Ok(setxattr(root.join(name), "user.test", value.as_bytes(), flags)?)
            }
            Self::Time(name, seconds) => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
                fs::File::open(root.join(name))?.set_times(FileTimes::new().set_modified(time))
            }
        }
    }
}

/// Two roots of one directory.
pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("a")).unwrap();
        Self(directory)
    }

    pub(crate) fn a(&self) -> PathBuf {
        self.0.path().join("a")
    }

    pub(crate) fn other(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A copy of the tree `a` by another program, with new inodes and the same times.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let copy = self.other(name);
        let done = Command::new("cp").arg("-a").arg(self.a()).arg(&copy).status();
        assert!(done.unwrap().success());
        copy
    }
}

impl Drop for Stage {
    /// Directories that nobody may write to would stay.
    fn drop(&mut self) {
        let _ = Command::new("chmod")
            .args(["-R", "u+rwx"])
            .arg(self.0.path())
            .output();
    }
}

pub(crate) fn ownership() -> Ownership {
    if is_root() {
        Ownership::Keep
    } else {
        Ownership::Current
    }
}

pub(crate) fn options() -> DiffOptions {
    DiffOptions::default().with_ownership(ownership())
}

pub(crate) fn snapshot(root: &Path) -> Snapshot {
    Snapshot::of(&Root::open(root).unwrap()).unwrap()
}

pub(crate) fn layer_with(before: &Snapshot, root: &Path, options: &DiffOptions) -> (Vec<u8>, Diffed) {
    let mut layer = Vec::new();
    let diffed = diff(before, &Root::open(root).unwrap(), options, &mut layer).unwrap();
    assert_eq!(diffed.size, layer.len() as u64);
    (layer, diffed)
}

pub(crate) fn layer(before: &Snapshot, root: &Path) -> Vec<u8> {
    layer_with(before, root, &options()).0
}

/// The members of the layer since a snapshot.
pub(crate) fn changes(before: &Snapshot, root: &Path) -> Vec<String> {
    members(&layer(before, root))
}

pub(crate) fn apply_to(root: &Path, layer: &[u8]) {
    let options = ApplyOptions::default().with_ownership(ownership());
    apply(&Root::open(root).unwrap(), layer, &options).unwrap();
}

/// All that a layer states of a tree, as lines, but for its root and sockets.
pub(crate) fn state(root: &Path) -> Vec<String> {
    let mut groups = BTreeMap::new();
    let mut lines = Vec::new();
    for name in names(root) {
        let path = root.join(&name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        if kind.is_socket() {
            continue;
        }
        let what = if kind.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if kind.is_file() {
            format!(
                "= {}",
                fs::read_to_string(&path).unwrap_or_else(|error| error.to_string())
            )
        } else {
            String::new()
        };
        let mut value = [0; 100];
        let xattr = rustix::fs::lgetxattr(&path, "user.test", &mut value);
        let group = groups.entry(metadata.ino()).or_insert_with(|| name.clone());
        lines.push(format!(
            "{} {:o} {}:{} {} [{}] {} {:?}",
            String::from_utf8_lossy(name.as_os_str().as_bytes()),
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
            group.display(),
            what,
            xattr.map(|size| value[..size].to_vec()).ok(),
        ));
    }
    lines
}
