//! Cases by the names that containerd's tests of differences (continuity, `fs/diff_test.go`) have.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use wharf_layer::Snapshot;

use super::{Op, Stage, changes, perform, snapshot, state};

fn file(name: &str, content: &'static str) -> Op {
    Op::File(name.to_owned(), content)
}

fn directory(name: &str, mode: u32) -> [Op; 2] {
    [Op::Directory(name.to_owned()), Op::Mode(name.to_owned(), mode)]
}

fn remove(name: &str) -> Op {
    Op::Remove(name.to_owned())
}

/// The members of the layer when a copy of a tree is changed, but for directories that lead to others.
fn changed(before: &[Op], after: &[Op]) -> Vec<String> {
    let stage = Stage::new();
    perform(&stage.a(), before);
    let copy = stage.copy("copy");
    perform(&copy, after);
    set_time(&copy);
    let of_copy = changes(&snapshot(&stage.a()), &copy);
    let was = snapshot(&stage.a());
    perform(&stage.a(), after);
    set_time(&stage.a());
    let mut lines = changes(&was, &stage.a());
    assert_eq!(lines, of_copy, "a copy that is changed, and the tree itself");
    assert_eq!(state(&copy).len(), state(&stage.a()).len());
    lines.retain(|line| line != "./");
    lines
}

/// Gives a root a time of its own: a change within one tick of the clock of files would not show.
fn set_time(root: &Path) {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    fs::File::open(root).unwrap().set_modified(modified).unwrap();
}

#[test]
fn simple_diff() {
    let (etc, root) = (directory("etc", 0o755), directory("root", 0o700));
    let before = [
        etc.as_slice(),
        &[
            file("etc/hosts", "1"),
            file("etc/profile", "2"),
            file("etc/unchanged", "2"),
            file("etc/unexpected", "3"),
        ],
    ];
    let after = [
        &[file("etc/hosts", "10"), Op::Mode("etc/profile".to_owned(), 0o666)],
        root.as_slice(),
        &[file("root/.bashrc", "4"), remove("etc/unexpected")],
    ];
    let expected = [
        "etc/",
        "etc/.wh.unexpected = ",
        "etc/hosts = 10",
        "etc/profile = 2",
        "root/",
        "root/.bashrc = 4",
    ];
    assert_eq!(changed(&before.concat(), &after.concat()), expected);
}

#[test]
fn empty_file_diff() {
    let before = [directory("etc", 0o755).as_slice(), &[file("etc/empty", "")]].concat();
    assert_eq!(changed(&before, &[]), [""; 0]);
}

#[test]
fn nested_deletion() {
    let before = [directory("d0", 0o755), directory("d1/d2", 0o755)].concat();
    let before = [before, vec![file("d1/d2/f1", "1")]].concat();
    assert_eq!(
        changed(&before, &[remove("d0"), remove("d1")]),
        [".wh.d0 = ", ".wh.d1 = "]
    );
}

#[test]
fn directory_replace() {
    let before = [
        Op::Directory("dir1/f2".to_owned()),
        file("dir1/f1", "1"),
        file("dir1/f2/f3", "2"),
    ];
    let after = [file("dir1/f11", "3"), remove("dir1/f2"), file("dir1/f2", "4")];
    assert_eq!(changed(&before, &after), ["dir1/", "dir1/f11 = 3", "dir1/f2 = 4"]);
}

#[test]
fn remove_directory_tree() {
    let before = [
        Op::Directory("dir1/dir2/dir3".to_owned()),
        file("dir1/f1", "1"),
        file("dir1/dir2/f2", "2"),
    ];
    assert_eq!(changed(&before, &[remove("dir1")]), [".wh.dir1 = "]);
}

#[test]
fn remove_directory_tree_with_dash() {
    let before = [
        Op::Directory("dir1/dir2/dir3".to_owned()),
        file("dir1/dir2/f2", "2"),
        Op::Directory("dir1-before".to_owned()),
        file("dir1-before/f2", "2"),
    ];
    assert_eq!(changed(&before, &[remove("dir1")]), [".wh.dir1 = "]);
}

#[test]
fn file_replace() {
    let after = [
        remove("dir1"),
        Op::Directory("dir1/dir2".to_owned()),
        file("dir1/dir2/f1", "2"),
    ];
    let expected = ["dir1/", "dir1/dir2/", "dir1/dir2/f1 = 2"];
    assert_eq!(changed(&[file("dir1", "1")], &after), expected);
}

#[test]
fn parent_directory_permission() {
    let before = [
        directory("dir1", 0o700),
        directory("dir2", 0o751),
        directory("dir3", 0o777),
    ]
    .concat();
    let after = [
        Op::Directory("dir1/d".to_owned()),
        file("dir1/d/f", "1"),
        file("dir2/f", "1"),
        file("dir3/f", "1"),
    ];
    let stage = Stage::new();
    perform(&stage.a(), &before);
    let was = snapshot(&stage.a());
    perform(&stage.a(), &after);
    let layer = super::layer(&was, &stage.a());
    let mut merged = wharf_layer::Merged::new();
    merged.add(layer.as_slice()).unwrap();
    let mode = |name: &str| merged.entry(name.as_bytes()).unwrap().member().unwrap().mode();
    assert_eq!([mode("dir1"), mode("dir2"), mode("dir3")], [0o700, 0o751, 0o777]);
}

#[test]
fn update_with_same_time() {
    // Other content of the same size and time is found, too: the time of the last change of attributes and the inode
    // are looked at, and then the content.
    let times = |second: u64| ["same", "other", "time"].map(|name| Op::Time(name.to_owned(), second));
    let files = [file("same", "1"), file("other", "1"), file("time", "1")];
    let after = [
        Op::Rewrite("same".to_owned(), "1"),
        Op::Rewrite("other".to_owned(), "2"),
        Op::Time("time".to_owned(), 2),
    ];
    let before = [files.as_slice(), &times(1)].concat();
    assert_eq!(changed(&before, &after), ["other = 2", "time = 1"]);
}

#[test]
fn lchtimes() {
    let before = [
        file("foo", "foo"),
        Op::Symlink("lnk0".to_owned(), "/foo".to_owned()),
    ];
    assert_eq!(changed(&before, &[]), [""; 0]);
}

#[test]
fn base_directory_changes() {
    let stage = Stage::new();
    let root = [directory("etc", 0o755), directory("root", 0o700)].concat();
    perform(
        &stage.a(),
        &[root, vec![file("etc/hosts", "1"), file("root/.bashrc", "2")]].concat(),
    );
    let expected = ["etc/", "etc/hosts = 1", "root/", "root/.bashrc = 2"];
    assert_eq!(changes(&Snapshot::empty(), &stage.a()), expected);
    let empty = Stage::new();
    let was = snapshot(&empty.a());
    perform(&stage.a(), &[Op::Mode(".".to_owned(), 0o711)]);
    let expected = ["./", "etc/", "etc/hosts = 1", "root/", "root/.bashrc = 2"];
    assert_eq!(changes(&was, &stage.a()), expected);
}

#[test]
fn hard_links() {
    let link = |name: &str, to: &str| Op::Link(name.to_owned(), to.to_owned());
    let group = [
        file("b", "1"),
        link("c", "b"),
        file("x", "2"),
        Op::Time("b".to_owned(), 1),
    ];
    let cases: &[(&str, Vec<Op>, &[&str])] = &[
        ("nothing", vec![], &[]),
        ("a new name", vec![link("a", "b")], &["a = 1", "b == a", "c == a"]),
        ("content", vec![file("b", "3")], &["b = 3", "c == b"]),
        ("one name less", vec![remove("b")], &[".wh.b = "]),
        (
            "one name replaced",
            vec![remove("b"), file("b", "1"), Op::Time("b".to_owned(), 1)],
            &["c = 1"],
        ),
        (
            "two groups become one",
            vec![remove("c"), remove("x"), link("x", "b")],
            &[".wh.c = ", "b = 1", "x == b"],
        ),
        (
            "all go",
            vec![remove("b"), remove("c")],
            &[".wh.b = ", ".wh.c = "],
        ),
    ];
    for (name, after, expected) in cases {
        assert_eq!(changed(&group, after), *expected, "{name}");
    }
}
