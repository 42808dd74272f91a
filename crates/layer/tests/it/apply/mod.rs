//! Layers unpacked to a root.

mod attributes;
mod breakouts;
mod calls;
mod deep;
mod hostile;
mod inherited;
mod kinds;
mod merged;
mod model;
mod mounts;
mod peers;
mod roots;
mod stacks;
mod staged;
mod whiteouts;
mod xattrs;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use wharf_layer::{
    Applied, ApplyOptions, Error, ErrorKind, Ownership, Root, apply,
    tar::{Kind, Member, Time, Writer},
};

/// The two ways in which names are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Kernel,
    Walk,
}

pub(crate) const WAYS: [Way; 2] = [Way::Kernel, Way::Walk];

/// A directory with a root in it, and files outside.
pub(crate) struct Stage {
    directory: tempfile::TempDir,
    pub(crate) way: Way,
}

impl Stage {
    pub(crate) fn new(way: Way) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        fs::write(directory.path().join("outside/canary"), "alive").unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        Self { directory, way }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    pub(crate) fn opened(&self) -> Root {
        let root = Root::open(self.root()).unwrap();
        match self.way {
            Way::Kernel => root,
            Way::Walk => root.without_openat2(),
        }
    }

    pub(crate) fn apply_with(&self, tar: &[u8], options: &ApplyOptions) -> Result<Applied, Error> {
        let applied = apply(&self.opened(), tar, options);
        let canary = fs::read_to_string(self.outside().join("canary"));
        assert_eq!(canary.unwrap(), "alive", "a file outside was changed");
        assert_eq!(
            fs::read_dir(self.outside()).unwrap().count(),
            1,
            "a file was made outside"
        );
        let beside = fs::read_dir(self.directory.path()).unwrap().count();
        assert_eq!(beside, 2, "a file was made outside");
        applied
    }

    pub(crate) fn apply(&self, tar: &[u8]) -> Result<Applied, Error> {
        self.apply_with(tar, &options())
    }

    pub(crate) fn links(&self) -> Vec<Vec<PathBuf>> {
        links(&self.root())
    }

    /// The tree as lines, without times.
    pub(crate) fn tree(&self) -> Vec<String> {
        tree(&self.root())
    }
}

/// The names of each file that has several, sorted.
pub(crate) fn links(root: &Path) -> Vec<Vec<PathBuf>> {
    let mut links: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for name in names(root) {
        let metadata = fs::symlink_metadata(root.join(&name)).unwrap();
        if metadata.nlink() > 1 && !metadata.is_dir() {
            links.entry(metadata.ino()).or_default().push(name);
        }
    }
    let mut links: Vec<_> = links.into_values().collect();
    links.sort();
    links
}

/// The names in a tree, sorted by their components.
pub(crate) fn names(root: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let name = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                pending.push(name.clone());
            }
            names.push(name);
        }
    }
    names.sort();
    names
}

pub(crate) use peers::{unpacked_by_podman, unpacked_by_umoci, write_layout};

/// Owners are kept as root; otherwise all is the process's own.
pub(crate) fn options() -> ApplyOptions {
    let ownership = if is_root() {
        Ownership::Keep
    } else {
        Ownership::Current
    };
    ApplyOptions::default().with_ownership(ownership)
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A layer with these members, also with several of one name.
pub(crate) fn layer(members: &[(Member, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (member, content) in members {
        let mut writer = Writer::new(); // a writer refuses a name that it has written
        tar.extend(writer.member(member).unwrap());
        writer.content(content.len()).unwrap();
        tar.extend_from_slice(content);
        tar.extend_from_slice(writer.end_member().unwrap());
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

pub(crate) fn file(name: &str, content: &'static str) -> (Member, &'static [u8]) {
    (
        Member::file(name, content.len() as u64).unwrap(),
        content.as_bytes(),
    )
}

pub(crate) fn directory(name: &str) -> (Member, &'static [u8]) {
    (Member::directory(name).unwrap(), b"")
}

pub(crate) fn symlink(name: &str, target: &str) -> (Member, &'static [u8]) {
    (Member::symlink(name, target).unwrap(), b"")
}

pub(crate) fn hard_link(name: &str, target: &str) -> (Member, &'static [u8]) {
    (Member::hard_link(name, target).unwrap(), b"")
}

pub(crate) fn fifo(name: &str) -> (Member, &'static [u8]) {
    (Member::new(name, Kind::Fifo).unwrap(), b"")
}

/// A tree as lines: the name, the kind, and the content or target.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    let mut lines = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let name = directory.join(entry.unwrap().file_name());
            let path = root.join(&name);
            let metadata = fs::symlink_metadata(&path).unwrap();
            let kind = metadata.file_type();
            let what = if kind.is_dir() {
                pending.push(name.clone());
                "/".to_owned()
            } else if kind.is_symlink() {
                format!(" -> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_file() {
                format!(" = {}", fs::read_to_string(&path).unwrap())
            } else if kind.is_fifo() {
                " fifo".to_owned()
            } else {
                " device".to_owned()
            };
            lines.insert(name.clone(), format!("{}{what}", name.display()));
        }
    }
    lines.into_values().collect()
}

/// Asserts the kind of an error, and words of it.
#[track_caller]
pub(crate) fn assert_fails<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, words: &str) {
    let error = result.expect_err(words);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(
        error.to_string().contains(words),
        "{error} does not say {words:?}"
    );
}

pub(crate) fn modified(path: &Path) -> Time {
    let metadata = fs::symlink_metadata(path).unwrap();
    Time::new(metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap())
}
