//! Other file systems that are mounted in the tree are not of the root.

use std::{fs, path::PathBuf, process::Command};

use wharf_layer::{Error, ErrorKind};

use super::{Stage, WAYS, directory, file, hard_link, layer, symlink};

/// A mount, which ends with it.
pub(super) struct Mounted(PathBuf);

impl Mounted {
    /// `None` if this process may not mount.
    pub(super) fn new(arguments: &[&str], at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(&at).output().ok()?;
        mounted.status.success().then(|| Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().unwrap();
    }
}

#[test]
fn what_is_mounted_in_the_tree_is_neither_changed_nor_removed() {
    let layers = [
        ("the mount point is hidden", vec![file("a/.wh.mnt", "")]),
        ("all in it is hidden", vec![file("a/mnt/.wh..wh..opq", "")]),
        ("a file in it is hidden", vec![file("a/mnt/.wh.canary", "")]),
        ("all beside it is hidden", vec![file("a/.wh..wh..opq", "")]),
        ("all is hidden", vec![file(".wh..wh..opq", "")]),
        ("a directory above it is hidden", vec![file(".wh.a", "")]),
        ("a file replaces it", vec![file("a/mnt", "1")]),
        ("a file replaces a directory above it", vec![file("a", "1")]),
        ("a file is made in it", vec![file("a/mnt/new", "1")]),
        ("a file in it is replaced", vec![file("a/mnt/canary", "1")]),
        ("a directory is made in it", vec![directory("a/mnt/b/c/d")]),
        ("its attributes are stated", vec![directory("a/mnt")]),
        (
            "a symbolic link leads to it",
            vec![symlink("s", "/a/mnt"), file("s/new", "1")],
        ),
        (
            "a symbolic link leads through it",
            vec![symlink("s", "a/mnt/../mnt"), file("s/new", "1")],
        ),
        ("a hard link leads into it", vec![hard_link("h", "a/mnt/canary")]),
    ];
    for way in WAYS {
        for kind in ["bind", "tmpfs"] {
            let stage = Stage::new(way);
            let outside = stage.outside();
            let at = stage.root().join("a/mnt");
            let mounted = match kind {
                "bind" => Mounted::new(&["--bind", outside.to_str().unwrap()], at.clone()),
                _ => Mounted::new(&["-t", "tmpfs", "none"], at.clone()),
            };
            let Some(_mounted) = mounted else {
                eprintln!("left out: this process may not mount");
                return;
            };
            fs::write(at.join("canary"), "alive").unwrap();
            let mode = fs::metadata(&at).unwrap().permissions();
            for (name, members) in &layers {
                let error: Error = stage.apply(&layer(members)).unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::Conflict,
                    "{way:?} {kind}: {name}: {error}"
                );
                assert!(
                    error.to_string().contains("which is mounted in the root"),
                    "{name}: {error}"
                );
                assert_eq!(
                    fs::read(at.join("canary")).unwrap(),
                    b"alive",
                    "{way:?} {kind}: {name}"
                );
                assert_eq!(fs::read_dir(&at).unwrap().count(), 1, "{way:?} {kind}: {name}");
                assert_eq!(
                    fs::metadata(&at).unwrap().permissions(),
                    mode,
                    "{way:?} {kind}: {name}"
                );
            }
        }
    }
}
