//! The bytes of layers.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use wharf_layer::{
    ApplyOptions, DiffOptions, Ownership, Root, Snapshot, apply,
    tar::{Member, Time},
};
use wharf_testkit::{Sandbox, require_peers};

use super::{Op, Stage, apply_to, changes, layer, layer_with, options, perform, snapshot, state};
use crate::{apply::is_root, merge};

fn ops() -> Vec<Op> {
    let at = |op: Op, name: &str| [op, Op::Time(name.to_owned(), 1_000_000)];
    let link = Op::Link("d/e/h".to_owned(), "a.b".to_owned());
    let mut ops = vec![Op::Directory("d/e".to_owned()), Op::Directory("a".to_owned())];
    ops.extend(at(Op::File("a.b".to_owned(), "1"), "a.b"));
    ops.extend(at(Op::File("a/c".to_owned(), "2"), "a/c"));
    ops.extend(at(Op::File("Z".to_owned(), "3"), "Z"));
    ops.extend(at(Op::File("d/e/f".to_owned(), "4"), "d/e/f"));
    ops.push(link);
    ops
}

fn directory_times(root: &Path) {
    let times = ["d/e", "d", "a"].map(|name| Op::Time(name.to_owned(), 5));
    perform(root, &times);
}

#[test]
fn the_same_tree_gives_the_same_bytes_in_whatever_order_and_wherever_it_is_made() {
    let whole = |root: &Path| layer(&Snapshot::empty(), root);
    let stage = Stage::new();
    perform(&stage.a(), &ops());
    directory_times(&stage.a());
    let first = whole(&stage.a());
    assert_eq!(
        merge::members(&first),
        [
            "Z = 3",
            "a/",
            "a/c = 2",
            "a.b = 1",
            "d/",
            "d/e/",
            "d/e/f = 4",
            "d/e/h == a.b"
        ]
    );
    let other = Stage::new();
    let mut reversed = ops();
    reversed[2..8].reverse();
    for pair in reversed[2..8].chunks_mut(2) {
        pair.reverse();
    }
    perform(
        &other.a(),
        &[Op::Directory("a".to_owned()), Op::Directory("d/x".to_owned())],
    );
    perform(&other.a(), &[Op::Remove("d/x".to_owned())]);
    perform(&other.a(), &reversed);
    directory_times(&other.a());
    assert!(whole(&other.a()) == first, "another order");
    for place in ["/dev/shm", "/var/tmp", env!("CARGO_TARGET_TMPDIR")] {
        let Ok(directory) = tempfile::tempdir_in(place) else {
            continue;
        };
        let options = ApplyOptions::default().with_ownership(super::ownership());
        apply(&Root::open(directory.path()).unwrap(), first.as_slice(), &options).unwrap();
        assert!(whole(directory.path()) == first, "in {place}");
        let device = fs::metadata(directory.path()).unwrap().dev();
        println!("{place} is device {device:x}");
    }
}

#[test]
fn times_are_cut_to_seconds_kept_or_bounded() {
    let stage = Stage::new();
    perform(&stage.a(), &[Op::File("f".to_owned(), "1")]);
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1000, 250);
    let file = fs::File::options().write(true).open(stage.a().join("f")).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
    let written = |options: &DiffOptions| {
        let layer = layer_with(&Snapshot::empty(), &stage.a(), options).0;
        let mut merged = wharf_layer::Merged::new();
        merged.add(layer.as_slice()).unwrap();
        (
            merged.entry(b"f").unwrap().member().unwrap().modified(),
            layer.len(),
        )
    };
    let plain = 512 + 512 + 1024;
    assert_eq!(written(&options()), (Time::new(1000, 0), plain));
    assert_eq!(
        written(&options().with_nanoseconds(true)),
        (Time::new(1000, 250), plain + 1024)
    );
    assert_eq!(
        written(&options().with_latest_time(Time::new(500, 0))).0,
        Time::new(500, 0)
    );
    assert_eq!(
        written(&options().with_latest_time(Time::new(2000, 0))).0,
        Time::new(1000, 0)
    );
}

#[test]
fn owners_are_mapped_back_left_or_read_from_their_record() {
    let owner = |root: &Path, ownership: Ownership| {
        let options = DiffOptions::default().with_ownership(ownership);
        let layer = layer_with(&Snapshot::empty(), root, &options).0;
        let mut merged = wharf_layer::Merged::new();
        merged.add(layer.as_slice()).unwrap();
        let member = merged.entry(b"f").unwrap().member().unwrap();
        (member.uid(), member.gid(), member.xattrs().count())
    };
    let member = Member::file("f", 0)
        .unwrap()
        .with_owner(5, 300)
        .with_xattr("user.a", "1");
    let tar = merge::layer(&[(member, "")]);
    let unpack = |ownership: Ownership| {
        let stage = Stage::new();
        let options = ApplyOptions::default().with_ownership(ownership);
        apply(&Root::open(stage.a()).unwrap(), tar.as_slice(), &options).unwrap();
        stage
    };
    let recorded = unpack(Ownership::Record);
    assert_eq!(owner(&recorded.a(), Ownership::Record), (5, 300, 1));
    assert_eq!(owner(&recorded.a(), Ownership::Current), (0, 0, 1));
    if !is_root() {
        return;
    }
    let range = |inside, outside, count| wharf_layer::IdRange::new(inside, outside, count).unwrap();
    let map = Ownership::Map {
        users: vec![range(0, 100_000, 10)],
        groups: vec![range(0, 200_000, 1000)],
    };
    let mapped = unpack(map.clone());
    assert_eq!(owner(&mapped.a(), map), (5, 300, 1));
    assert_eq!(owner(&mapped.a(), Ownership::Keep), (100_005, 200_300, 1));
    assert_eq!(owner(&unpack(Ownership::Keep).a(), Ownership::Keep), (5, 300, 1));
}

#[test]
fn hard_links_state_the_attributes_of_their_file() {
    // Docker and Podman set those of the link on the file.
    let stage = Stage::new();
    perform(
        &stage.a(),
        &[
            Op::File("a".to_owned(), "1"),
            Op::Mode("a".to_owned(), 0o755),
            Op::Time("a".to_owned(), 7),
            Op::Link("b".to_owned(), "a".to_owned()),
            Op::Symlink("s".to_owned(), "a".to_owned()),
            Op::Link("t".to_owned(), "s".to_owned()),
        ],
    );
    let whole = layer(&Snapshot::empty(), &stage.a());
    let mut merged = wharf_layer::Merged::new();
    merged.add(whole.as_slice()).unwrap();
    let mut flat = Vec::new();
    merged.write(&mut flat, |_| Ok(whole.as_slice())).unwrap();
    for tar in [&whole, &flat] {
        let stated = |name: &[u8]| {
            let (members, _) = crate::raw::read(tar).unwrap();
            let found = members.into_iter().find(|found| found.member.name() == name);
            let member = found.unwrap().member;
            (member.mode(), member.uid(), member.gid(), member.modified())
        };
        assert_eq!((stated(b"b").0, stated(b"b").3), (0o755, Time::new(7, 0)));
        assert_eq!(stated(b"b"), stated(b"a"));
        assert_eq!(stated(b"t"), stated(b"s"));
    }
}

#[test]
fn sockets_are_left_out_and_counted() {
    let stage = Stage::new();
    perform(
        &stage.a(),
        &[Op::File("f".to_owned(), "1"), Op::File("g".to_owned(), "1")],
    );
    let was = snapshot(&stage.a());
    perform(
        &stage.a(),
        &[
            Op::Remove("f".to_owned()),
            Op::Socket("f".to_owned()),
            Op::Socket("s".to_owned()),
            Op::Time(".".to_owned(), 7),
        ],
    );
    let (layer, diffed) = layer_with(&was, &stage.a(), &options());
    assert_eq!(merge::members(&layer), ["./", ".wh.f = "]);
    assert_eq!(
        (diffed.sockets, diffed.whiteouts, diffed.members, diffed.bytes),
        (2, 1, 2, 0)
    );
}

#[test]
fn unchanged_files_are_not_read_again() {
    let stage = Stage::new();
    perform(
        &stage.a(),
        &[Op::File("f".to_owned(), "1"), Op::Time("f".to_owned(), 5)],
    );
    std::thread::sleep(std::time::Duration::from_millis(50)); // the file must be older than a tick of the clock
    let was = snapshot(&stage.a());
    let accessed = || fs::metadata(stage.a().join("f")).unwrap().atime();
    let before = accessed();
    assert_eq!(changes(&was, &stage.a()), [""; 0]);
    assert_eq!(accessed(), before);
}

#[test]
fn gnu_tar_and_python_list_what_is_written() {
    require_peers!("tar", "python3");
    let stage = Stage::new();
    let long = "n".repeat(120);
    let deep = format!("{}/{}", "d".repeat(200), "e".repeat(200));
    perform(
        &stage.a(),
        &[
            Op::Directory(deep.clone()),
            Op::File(format!("{deep}/f"), "1"),
            Op::File(long.clone(), "2"),
            Op::Link("link".to_owned(), long.clone()),
            Op::Symlink("symlink".to_owned(), "x".repeat(150)),
            Op::Fifo("fifo".to_owned()),
            Op::File("gr\u{fc}n".to_owned(), "3"),
        ],
    );
    let sandbox = Sandbox::new();
    let tar = sandbox.path("layer.tar");
    let whole = layer(&Snapshot::empty(), &stage.a());
    fs::write(&tar, &whole).unwrap();
    let ours: Vec<String> = {
        let mut merged = wharf_layer::Merged::new();
        merged.add(whole.as_slice()).unwrap();
        let names = merged.entries().skip(1);
        names
            .map(|entry| String::from_utf8(entry.name().to_vec()).unwrap())
            .collect()
    };
    let list = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| line.trim_end_matches('/').to_owned())
            .collect::<Vec<_>>()
    };
    let python = "import sys, tarfile; [print(member.name) for member in tarfile.open(sys.argv[1])]";
    let path = tar.to_str().unwrap();
    assert_eq!(list("tar", &["--quoting-style=literal", "-tf", path]), ours);
    assert_eq!(list("python3", &["-c", python, path]), ours);
    // GNU tar makes the same tree of it.
    let out = stage.other("out");
    fs::create_dir(&out).unwrap();
    let out_text = out.to_str().unwrap();
    list(
        "tar",
        &["-xpf", path, "-C", out_text, "--delay-directory-restore"],
    );
    let restored = stage.other("restored");
    fs::create_dir(&restored).unwrap();
    apply_to(&restored, &whole);
    assert_eq!(state(&restored), state(&stage.a()));
    if is_root() {
        assert_eq!(state(&out), state(&stage.a()));
    }
}

#[test]
fn umoci_unpacks_a_base_and_its_changes_to_the_changed_tree() {
    require_peers!("umoci");
    let stage = Stage::new();
    let text = str::to_owned;
    perform(&stage.a(), &ops());
    perform(&stage.a(), &[Op::Mode(text("d"), 0o555)]);
    let base = layer(&Snapshot::empty(), &stage.a());
    let was = snapshot(&stage.a());
    perform(
        &stage.a(),
        &[
            Op::Mode(text("d"), 0o755),
            Op::Remove(text("a")),
            Op::File(text("a"), "5"),
            Op::Rewrite(text("d/e/f"), "6"),
            Op::Link(text("d/g"), text("d/e/h")),
            Op::Remove(text("Z")),
            Op::Symlink(text("Z"), text("../../a")),
            Op::Directory(text("new/x")),
            Op::Remove(text("d/e/h")),
        ],
    );
    let upper = layer(&was, &stage.a());
    let sandbox = Sandbox::new();
    crate::apply::write_layout(&sandbox.path("layout"), &[base, upper]);
    let (image, bundle) = (
        format!("{}:x", sandbox.path("layout").display()),
        sandbox.path("bundle"),
    );
    let mut arguments = vec!["unpack", "--image", &image];
    if !is_root() {
        arguments.push("--rootless");
    }
    arguments.push(bundle.to_str().unwrap());
    let unpacked = sandbox.umoci().run(&arguments);
    assert!(unpacked.success, "{unpacked:?}");
    assert_eq!(state(&bundle.join("rootfs")), state(&stage.a()));
}
