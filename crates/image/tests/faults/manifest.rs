//! All that a tree is: names, kinds, permissions, owners, times, contents, extended attributes and links.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// The lines of a tree, the root first. Equal ones are those of equal trees. Empty if nothing is there.
pub(crate) fn manifest(root: &Path) -> Vec<String> {
    if fs::symlink_metadata(root).is_err() {
        return Vec::new();
    }
    let mut names = vec![PathBuf::new()];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        next += 1;
        if fs::symlink_metadata(root.join(&name)).unwrap().is_dir() {
            let entries = fs::read_dir(root.join(&name)).unwrap();
            names.extend(entries.map(|entry| name.join(entry.unwrap().file_name())));
        }
    }
    names.sort();
    let mut first = BTreeMap::new();
    names.iter().map(|name| line(root, name, &mut first)).collect()
}

fn line(root: &Path, name: &Path, first: &mut BTreeMap<u64, PathBuf>) -> String {
    let path = root.join(name);
    let metadata = fs::symlink_metadata(&path).unwrap();
    let content = if metadata.is_symlink() {
        format!("-> {}", fs::read_link(&path).unwrap().display())
    } else if metadata.is_file() {
        format!(
            "= {:?}",
            fs::read(&path).unwrap().as_slice().escape_ascii().to_string()
        )
    } else {
        format!("device {}", metadata.rdev())
    };
    let linked = if metadata.is_dir() {
        name
    } else {
        first.entry(metadata.ino()).or_insert_with(|| name.to_owned())
    };
    format!(
        "{}: {:o} {}:{} {}.{:09} linked to {} with {:?} {content}",
        name.display(),
        metadata.mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        linked.display(),
        xattrs(&path),
    )
}

fn xattrs(path: &Path) -> BTreeMap<String, String> {
    let mut list = vec![0; 1 << 16];
    let Ok(length) = rustix::fs::llistxattr(path, list.as_mut_slice()) else {
        return BTreeMap::new();
    };
    let names = list[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let read = names.map(|name| {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, std::ffi::OsStr::from_bytes(name), value.as_mut_slice());
        let value = value[..length.unwrap()].escape_ascii().to_string();
        (name.escape_ascii().to_string(), value)
    });
    read.collect()
}
