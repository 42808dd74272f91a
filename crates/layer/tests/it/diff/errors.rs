use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use wharf_layer::{Error, ErrorKind, Root, Snapshot, diff};

use super::{Op, Stage, changes, options, perform, snapshot};
use crate::apply::assert_fails;

fn whole(root: &Path, out: impl Write) -> Result<wharf_layer::Diffed, Error> {
    diff(&Snapshot::empty(), &Root::open(root).unwrap(), &options(), out)
}

#[test]
fn names_that_would_be_whiteouts_are_refused_where_they_would_be_written() {
    for name in [".wh.a", ".wh.", ".wh..wh..opq", "d/.wh.x", ".wh.d/a"] {
        let stage = Stage::new();
        let parent = Path::new(name).parent().unwrap();
        perform(&stage.a(), &[Op::Directory(parent.to_str().unwrap().to_owned())]);
        let empty = snapshot(&stage.a());
        perform(&stage.a(), &[Op::File(name.to_owned(), "1")]);
        assert_fails(whole(&stage.a(), Vec::new()), ErrorKind::Invalid, ".wh.");
        let root = Root::open(stage.a()).unwrap();
        assert_fails(
            diff(&empty, &root, &options(), Vec::new()),
            ErrorKind::Invalid,
            "begins with .wh.",
        );
        assert_eq!(
            changes(&snapshot(&stage.a()), &stage.a()),
            [""; 0],
            "{name} did not change"
        );
        // A whiteout of it would mean something else.
        let was = snapshot(&stage.a());
        perform(&stage.a(), &[Op::Remove(name.to_owned())]);
        assert_fails(
            diff(&was, &root, &options(), Vec::new()),
            ErrorKind::Invalid,
            "begins with .wh.",
        );
    }
}

/// Changes a tree when bytes of the layer are written in which there are these.
struct Meanwhile<'a, F: FnMut()> {
    change: Option<F>,
    root: &'a Path,
    at: &'static [u8],
}

impl<F: FnMut()> Write for Meanwhile<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(self.root.is_dir());
        if bytes.windows(self.at.len()).any(|bytes| bytes == self.at)
            && let Some(mut change) = self.change.take()
        {
            change();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_changes_while_it_is_read_is_an_error() {
    let text = str::to_owned;
    let cases: Vec<(&str, Vec<Op>)> = vec![
        ("longer", vec![Op::File(text("d/f"), "12345")]),
        ("shorter", vec![Op::File(text("d/f"), "")]),
        ("gone", vec![Op::Remove(text("d/f"))]),
        (
            "another file",
            vec![Op::Remove(text("d/f")), Op::File(text("d/f"), "123")],
        ),
        (
            "a directory",
            vec![Op::Remove(text("d/f")), Op::Directory(text("d/f"))],
        ),
        (
            "a symbolic link",
            vec![
                Op::Remove(text("d/f")),
                Op::Symlink(text("d/f"), text("/etc/passwd")),
            ],
        ),
        ("a FIFO", vec![Op::Remove(text("d/f")), Op::Fifo(text("d/f"))]),
        ("a socket", vec![Op::Remove(text("d/f")), Op::Socket(text("d/f"))]),
        ("its directory moved", vec![Op::Rename(text("d"), text("e"))]),
        (
            "its directory is a symbolic link",
            vec![
                Op::Rename(text("d"), text("e")),
                Op::Directory(text("x")),
                Op::File(text("x/f"), "123"),
                Op::Symlink(text("d"), text("x")),
            ],
        ),
        (
            "its directory is another",
            vec![
                Op::Rename(text("d"), text("e")),
                Op::Directory(text("d")),
                Op::File(text("d/f"), "123"),
            ],
        ),
    ];
    for (name, ops) in cases {
        // A tree is compared before its files are read; a whole one is read in one walk.
        for is_whole in [false, true] {
            let stage = Stage::new();
            let root = stage.a();
            let before = if is_whole {
                Snapshot::empty()
            } else {
                snapshot(&root)
            };
            perform(&root, &[Op::Directory(text("d")), Op::File(text("d/f"), "123")]);
            let out = Meanwhile {
                change: Some(|| perform(&root, &ops)),
                root: &root,
                at: if is_whole { b"d/f\0" } else { b"d/\0" },
            };
            let failed = diff(&before, &Root::open(&root).unwrap(), &options(), out);
            assert_eq!(
                failed.as_ref().map_err(Error::kind),
                Err(ErrorKind::Conflict),
                "{name}, {is_whole}: {failed:?}"
            );
            assert_fails(failed, ErrorKind::Conflict, "changed while the tree was read");
        }
    }
}

#[test]
fn entries_that_come_or_go_after_their_directory_was_listed_are_an_error() {
    let text = str::to_owned;
    let cases: [(&str, Vec<Op>); 5] = [
        ("a new file", vec![Op::File(text("d/g"), "new")]),
        ("a new directory", vec![Op::Directory(text("d/g"))]),
        ("a file that was read is gone", vec![Op::Remove(text("d/a"))]),
        ("a file that was not read is gone", vec![Op::Remove(text("d/z"))]),
        ("a new name in the root", vec![Op::File(text("g"), "new")]),
    ];
    for (name, ops) in cases {
        let stage = Stage::new();
        let root = stage.a();
        let files = ["d/a", "d/f", "d/z"].map(|file| Op::File(text(file), "123"));
        perform(&root, &[Op::Directory(text("d"))]);
        perform(&root, &files);
        age(&root);
        let out = Meanwhile {
            change: Some(|| perform(&root, &ops)),
            root: &root,
            at: b"d/f\0",
        };
        let failed = whole(&root, out);
        assert!(failed.is_err(), "{name}: {failed:?}");
        assert_fails(failed, ErrorKind::Conflict, "changed while the tree was read");
    }
}

/// Gives the directories a time before now, so that a change shows in it whatever the clock of the file system.
pub(super) fn age(root: &Path) {
    for directory in [root.join("d"), root.to_owned()] {
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::File::open(directory).unwrap().set_modified(long_ago).unwrap();
    }
}

#[test]
fn a_thread_that_swaps_directories_for_links_brings_nothing_from_outside() {
    const ROUNDS: usize = 200;
    let stage = Stage::new();
    let (root, outside) = (stage.a(), stage.other("outside"));
    fs::create_dir_all(outside.join("b")).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(outside.join("b/secret"), "secret").unwrap();
    let text = str::to_owned;
    perform(
        &root,
        &[
            Op::Directory(text("a/b")),
            Op::File(text("a/secret"), "public"),
            Op::File(text("a/b/secret"), "public"),
        ],
    );
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let swap = |name: &str, target: &str| {
                    perform(
                        &root,
                        &[
                            Op::Rename(text(name), text("kept")),
                            Op::Symlink(text(name), text(target)),
                            Op::Remove(text(name)),
                            Op::Rename(text("kept"), text(name)),
                        ],
                    );
                };
                swap("a", outside.to_str().unwrap());
                swap("a/b", "../../outside/b");
                swap("a/secret", "../../outside/secret");
            }
        });
        let mut whole_ones = 0;
        for _ in 0..ROUNDS {
            let mut out = Vec::new();
            whole_ones += usize::from(whole(&root, &mut out).is_ok());
            for block in out.chunks(512).filter(|block| block.starts_with(b"secret\0")) {
                assert!(block[7..].iter().any(|byte| *byte != 0), "content from outside");
            }
        }
        stop.store(true, Ordering::Relaxed);
        println!("{whole_ones} of {ROUNDS} layers were written to the end");
    });
}

#[test]
fn files_that_cannot_be_read_are_opened_for_a_moment_or_errors() {
    use std::os::unix::fs::MetadataExt as _;
    let stage = Stage::new();
    perform(
        &stage.a(),
        &[Op::File("f".to_owned(), "1"), Op::Mode("f".to_owned(), 0)],
    );
    assert_eq!(changes(&Snapshot::empty(), &stage.a()), ["f = 1"]);
    assert_eq!(fs::metadata(stage.a().join("f")).unwrap().mode() & 0o7777, 0);
    assert_eq!(changes(&snapshot(&stage.a()), &stage.a()), [""; 0]);
}

#[test]
fn paths_that_are_too_long_are_refused() {
    let stage = Stage::new();
    let mut directory = fs::File::open(stage.a()).unwrap();
    for _ in 0..20 {
        let name = "d".repeat(250);
        rustix::fs::mkdirat(&directory, &name, rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        directory = rustix::fs::openat(&directory, &name, flags, rustix::fs::Mode::empty())
            .unwrap()
            .into();
    }
    assert_fails(whole(&stage.a(), Vec::new()), ErrorKind::TooLarge, "bytes");
}
