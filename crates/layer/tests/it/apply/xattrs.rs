//! Extended attributes that a file system refuses.

use std::{fs, path::Path};

use rustix::fs::XattrFlags;
use wharf_layer::{Applied, DroppedPart, Error, ErrorKind, Root, XattrProblem, apply, tar::Member};

use super::{Stage, assert_fails, layer, mounts::Mounted, options};

const NAME: &str = "user.a";

/// A layer with a file, a directory and a directory that is only led through, with an attribute of so many bytes.
fn with_xattr(bytes: usize) -> Vec<u8> {
    let value = vec![b'x'; bytes];
    layer(&[
        (
            Member::file("f", 1).unwrap().with_xattr(NAME, value.clone()),
            b"1",
        ),
        (Member::directory("d").unwrap().with_xattr(NAME, value), b""),
    ])
}

fn applied(root: &Path, tar: &[u8], strict: bool) -> Result<Applied, Error> {
    apply(&Root::open(root).unwrap(), tar, &options().with_strict(strict))
}

fn assert_dropped(root: &Path, tar: &[u8], problem: XattrProblem) {
    let result = applied(root, tar, false).unwrap();
    let dropped: Vec<_> = result.dropped.iter().map(|dropped| &dropped.part).collect();
    let expected = DroppedPart::Xattr(NAME.into(), problem);
    assert_eq!(dropped, [&expected, &expected]);
    assert_eq!(fs::read(root.join("f")).unwrap(), b"1");
    assert_fails(applied(root, tar, true), ErrorKind::Unsupported, NAME);
}

#[test]
fn a_file_system_without_extended_attributes_is_told_and_refused_only_if_strict() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("mounted");
    let Some(_mounted) = Mounted::new(&["-t", "ramfs", "none"], at.clone()) else {
        eprintln!("left out: this process may not mount");
        return;
    };
    assert_dropped(&at, &with_xattr(1), XattrProblem::NotSupported);
}

#[test]
fn an_extended_attribute_that_is_too_large_for_the_file_system_is_no_full_disk() {
    for bytes in [1, 5_000, 20_000, 60_000] {
        let stage = Stage::new(super::Way::Kernel);
        let probe = stage.outside().join("canary");
        let fits = rustix::fs::setxattr(&probe, NAME, &vec![0; bytes], XattrFlags::empty());
        let tar = with_xattr(bytes);
        match fits {
            Ok(()) => {
                let result = applied(&stage.root(), &tar, true).unwrap();
                assert_eq!(result.dropped_total, 0, "{bytes}");
            }
            Err(rustix::io::Errno::OPNOTSUPP) => {
                eprintln!("left out: this file system has no extended attributes");
                return;
            }
            Err(_) => assert_dropped(&stage.root(), &tar, XattrProblem::TooLarge),
        }
    }
}
