//! Trees at the limits of what layers have, and past them.

use std::fs;

use wharf_layer::{ErrorKind, Merged, Root, Snapshot, diff};

use super::{Op, Stage, apply_to, changes, layer, options, perform, snapshot, state};
use crate::{apply::assert_fails, merge::members, unprivileged};

#[test]
fn names_of_as_many_bytes_as_a_file_system_has_are_hidden() {
    let longest = "n".repeat(255);
    let deep = format!("{}/{}", vec!["d".repeat(255); 14].join("/"), "e".repeat(255));
    for (name, directory) in [
        (longest.clone(), String::new()),
        ("n".repeat(252), String::new()),
        (format!("d/{longest}"), "d".to_owned()),
        (deep.clone(), deep[..deep.len() - 256].to_owned()),
    ] {
        let stage = Stage::new();
        perform(
            &stage.a(),
            &[Op::Directory(directory), Op::File(name.clone(), "1")],
        );
        let whole = layer(&Snapshot::empty(), &stage.a());
        let was = snapshot(&stage.a());
        perform(&stage.a(), &[Op::Remove(name.clone())]);
        let without = layer(&was, &stage.a());
        assert!(members(&without).last().unwrap().contains(".wh."));
        let other = stage.other("b");
        fs::create_dir(&other).unwrap();
        apply_to(&other, &whole);
        apply_to(&other, &without);
        assert_eq!(state(&other), state(&stage.a()));
        let mut merged = Merged::new();
        merged.add(whole.as_slice()).unwrap();
        assert!(merged.entry(name.as_bytes()).is_some());
        merged.add(without.as_slice()).unwrap();
        assert!(merged.entry(name.as_bytes()).is_none());
    }
}

#[test]
fn a_file_with_more_extended_attributes_than_are_taken_is_refused() {
    let stage = Stage::new();
    perform(&stage.a(), &[Op::File("f".to_owned(), "1")]);
    let set = |number: usize| {
        let name = format!("user.{number}");
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(stage.a().join("f"), name.as_str(), b"1", flags)
    };
    if let Err(error) = (0..64).try_for_each(set) {
        println!("skipped: the file system takes no 64 extended attributes: {error}");
        return;
    }
    let whole = || {
        let root = Root::open(stage.a()).unwrap();
        let mut layer = Vec::new();
        diff(&Snapshot::empty(), &root, &options(), &mut layer).map(|_| layer)
    };
    let other = stage.other("b");
    fs::create_dir(&other).unwrap();
    apply_to(&other, &whole().unwrap());
    if let Err(error) = set(64) {
        println!("skipped: the file system takes no 65 extended attributes: {error}");
        return;
    }
    assert_fails(
        whole(),
        ErrorKind::TooLarge,
        "\"f\": it has more than 64 extended attributes",
    );
}

#[test]
fn directories_that_their_owner_may_not_read_are_read_and_stay_as_they_were() {
    use std::os::unix::fs::MetadataExt as _;
    let test = "diff::limits::directories_that_their_owner_may_not_read_are_read_and_stay_as_they_were";
    if !unprivileged::goes_on(test) {
        return;
    }
    let stage = Stage::new();
    let directories = [
        ("closed", 0),
        ("write", 0o300),
        ("list", 0o600),
        ("closed/in", 0o100),
    ];
    let mode = |name: &str, mode| Op::Mode(name.to_owned(), mode);
    for (name, _) in directories {
        perform(
            &stage.a(),
            &[Op::Directory(name.to_owned()), Op::File(format!("{name}/f"), "1")],
        );
    }
    let close = directories.map(|(name, mode_of)| mode(name, mode_of));
    perform(&stage.a(), &[close[3].clone()]);
    perform(&stage.a(), &close[..3]);
    let expected = [
        "closed/",
        "closed/f = 1",
        "closed/in/",
        "closed/in/f = 1",
        "list/",
        "list/f = 1",
        "write/",
        "write/f = 1",
    ];
    assert_eq!(changes(&Snapshot::empty(), &stage.a()), expected);
    let modes = || {
        directories[..3]
            .iter()
            .map(|(name, _)| fs::metadata(stage.a().join(name)).unwrap().mode() & 0o7777)
    };
    assert_eq!(modes().collect::<Vec<_>>(), [0, 0o300, 0o600]);
    let was = snapshot(&stage.a());
    assert_eq!(changes(&was, &stage.a()), [""; 0]);
    perform(
        &stage.a(),
        &[
            mode("list", 0o700),
            Op::Remove("list/f".to_owned()),
            mode("list", 0o600),
        ],
    );
    assert_eq!(changes(&was, &stage.a()), ["list/", "list/.wh.f = "]);
    assert_eq!(modes().collect::<Vec<_>>(), [0, 0o300, 0o600]);
    perform(&stage.a(), &[mode("closed", 0o700)]);
    let inner = fs::metadata(stage.a().join("closed/in")).unwrap();
    assert_eq!(inner.mode() & 0o7777, 0o100);
}
