//! Trees of so many files that they are read ahead.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    thread,
};

use rustix::fs::XattrFlags;
use wharf_layer::{
    Error, ErrorKind, Ownership, Root, Snapshot, diff,
    tar::{Event, Kind, Limits, Member, Reader, Time, Writer},
};

use super::{Stage, options};
use crate::{apply::assert_fails, unprivileged};

fn whole(root: &Path, out: impl Write) -> Result<(), Error> {
    let options = options().with_ownership(Ownership::Current);
    diff(&Snapshot::empty(), &Root::open(root).unwrap(), &options, out).map(drop)
}

/// A directory with as many files, of these sizes in turns.
fn fill(directory: &Path, files: usize, sizes: &[usize]) {
    fs::create_dir_all(directory).unwrap();
    for (file, size) in (0..files).zip(sizes.iter().cycle()) {
        let content = format!("{file} of {}. ", directory.display()).repeat(size / 10 + 1);
        fs::write(
            directory.join(format!("f{file:04}")),
            &content.as_bytes()[..*size],
        )
        .unwrap();
    }
}

/// The tar of a tree of plain files, symbolic links and directories, member by member.
fn expected(root: &Path) -> Vec<u8> {
    fn directory(path: &Path, name: &str, writer: &mut Writer, tar: &mut Vec<u8>) {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        for leaf in names {
            let path = path.join(&leaf);
            let name = format!("{name}{leaf}");
            let metadata = fs::symlink_metadata(&path).unwrap();
            let (kind, content) = if metadata.is_symlink() {
                let target = fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes();
                (Kind::Symlink { target }, Vec::new())
            } else if metadata.is_dir() {
                (Kind::Directory, Vec::new())
            } else {
                (Kind::File { size: metadata.len() }, fs::read(&path).unwrap())
            };
            let mut member = Member::new(&name, kind)
                .unwrap()
                .with_mode(metadata.mode())
                .with_modified(Time::new(metadata.mtime(), 0));
            let mut value = [0; 100];
            if !metadata.is_symlink()
                && let Ok(size) = rustix::fs::getxattr(&path, "user.test", &mut value)
            {
                member = member.with_xattr("user.test", &value[..size]);
            }
            tar.extend(writer.member(&member).unwrap());
            writer.content(content.len()).unwrap();
            tar.extend(content);
            tar.extend(writer.end_member().unwrap());
            if metadata.is_dir() {
                directory(&path, &format!("{name}/"), writer, tar);
            }
        }
    }
    let (mut writer, mut tar) = (Writer::new(), Vec::new());
    directory(root, "", &mut writer, &mut tar);
    tar.extend(writer.finish().unwrap());
    tar
}

#[test]
fn a_tree_of_many_files_gives_the_bytes_that_a_writer_of_one_after_the_other_gives() {
    const KIB: usize = 1024;
    let stage = Stage::new();
    let root = stage.a();
    let sizes = [0, 1, 511, 512, 513, 20 * KIB, 64 * KIB, 64 * KIB + 1, 700 * KIB];
    fill(&root.join("sizes"), 150, &sizes);
    fill(&root.join("small"), 300, &[100]);
    for directory in 0..100 {
        fill(&root.join(format!("directories/{directory}")), 2, &[7]);
        fs::create_dir(root.join(format!("directories/{directory}/empty"))).unwrap();
    }
    let deep = root.join(vec!["d"; 100].join("/"));
    fill(&deep, 10, &[3]);
    for (above, file) in deep.ancestors().take(100).zip(0..) {
        fs::write(above.join("z"), format!("{file}")).unwrap();
    }
    symlink("f0001", root.join("small/f0001.link")).unwrap();
    fs::set_permissions(root.join("small/f0002"), fs::Permissions::from_mode(0o4751)).unwrap();
    let long = format!("{}/f", "n".repeat(150));
    fill(&root.join(long), 3, &[10]);
    let set = |file: &str| rustix::fs::setxattr(root.join(file), "user.test", b"value", XattrFlags::empty());
    if let Err(error) = set("small/f0003").and_then(|()| set("directories")) {
        println!("without extended attributes, which the file system does not take: {error}");
    }
    let mut layer = Vec::new();
    whole(&root, &mut layer).unwrap();
    assert!(layer == expected(&root));
}

#[test]
fn names_of_one_file_become_hard_links_of_the_first_however_far_apart_they_are() {
    let stage = Stage::new();
    let root = stage.a();
    fill(&root.join("a"), 200, &[10]);
    fs::create_dir(root.join("b")).unwrap();
    for file in 0..200 {
        let name = format!("f{file:04}");
        fs::hard_link(root.join("a").join(&name), root.join("b").join(&name)).unwrap();
    }
    let mut layer = Vec::new();
    whole(&root, &mut layer).unwrap();
    let (mut reader, mut input, mut links) = (Reader::new(Limits::default()), layer.as_slice(), 0);
    while let Some(event) = reader.next_event(&mut input).unwrap() {
        if let Event::Member { member, .. } = event
            && let Kind::HardLink { target } = member.kind()
        {
            assert_eq!(target[1..], member.name()[1..]);
            assert!(target.starts_with(b"a/"));
            links += 1;
        }
    }
    assert_eq!(links, 200);
}

#[test]
fn files_of_several_names_that_their_owner_may_not_read_keep_their_permissions() {
    let test = "diff::many::files_of_several_names_that_their_owner_may_not_read_keep_their_permissions";
    if !unprivileged::goes_on(test) {
        return;
    }
    let stage = Stage::new();
    let root = stage.a();
    fill(&root.join("a"), 1000, &[10]);
    for file in 0..1000 {
        let path = root.join(format!("a/f{file:04}"));
        fs::hard_link(&path, root.join(format!("a/g{file:04}"))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o200)).unwrap();
    }
    let mut layer = Vec::new();
    whole(&root, &mut layer).unwrap();
    let (mut reader, mut input, mut files) = (Reader::new(Limits::default()), layer.as_slice(), 0);
    while let Some(event) = reader.next_event(&mut input).unwrap() {
        if let Event::Member { member, .. } = event
            && *member.kind() != Kind::Directory
        {
            assert_eq!(member.mode(), 0o200);
            files += 1;
        }
    }
    assert_eq!(files, 2000);
}

/// Does something when the first bytes are written.
struct AtFirst<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Write for AtFirst<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(change) = self.0.take() {
            change();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_changes_before_it_is_read_ahead_is_an_error() {
    type Change = fn(&Path);
    let cases: [(&str, Change); 5] = [
        ("a new file", |root| fs::write(root.join("d/g"), "new").unwrap()),
        ("a file that was read is gone", |root| {
            fs::remove_file(root.join("d/f0000")).unwrap();
        }),
        ("a file that was not read is gone", |root| {
            fs::remove_file(root.join("d/f2999")).unwrap();
        }),
        ("a file that was not read is a symbolic link", |root| {
            fs::remove_file(root.join("d/f2999")).unwrap();
            symlink("/etc/passwd", root.join("d/f2999")).unwrap();
        }),
        ("a file that was not read is a directory", |root| {
            fs::remove_file(root.join("d/f2999")).unwrap();
            fs::create_dir(root.join("d/f2999")).unwrap();
        }),
    ];
    for (name, change) in cases {
        let stage = Stage::new();
        let root = stage.a();
        fill(&root.join("d"), 3000, &[5]);
        super::errors::age(&root);
        let failed = whole(&root, AtFirst(Some(|| change(&root))));
        assert!(failed.is_err(), "{name}");
        assert_fails(failed, ErrorKind::Conflict, "changed while the tree was read");
    }
}

#[test]
fn the_first_error_in_the_order_of_the_layer_is_returned_and_all_before_it_is_written() {
    let stage = Stage::new();
    let root = stage.a();
    fill(&root.join("a"), 1000, &[10]);
    for directory in 0..3 {
        fill(&root.join(format!("b{directory}")), 1000, &[10]);
        let name = format!("b{directory}/f0500.d");
        fs::create_dir_all(root.join(name).join(".wh.x")).unwrap();
    }
    for _ in 0..20 {
        let mut layer = Vec::new();
        assert_fails(whole(&root, &mut layer), ErrorKind::Invalid, "b0/f0500.d/.wh.x");
        let before = 1 + 1000 + 1 + 501 + 1;
        assert_eq!(layer.len(), 512 * (before + 1000 + 501), "members and contents");
    }
}

#[test]
fn files_that_a_thread_writes_meanwhile_are_whole_or_an_error() {
    const ROUNDS: u8 = 20;
    const FILES: usize = 600;
    const SIZE: usize = 48 << 10;
    let stage = Stage::new();
    let root = stage.a();
    let path = |file: usize| root.join(format!("f{file:04}"));
    let write = |file, round| fs::write(path(file), vec![b'0' + round; SIZE]).unwrap();
    (0..FILES).for_each(|file| write(file, 0));
    let mut whole_ones = 0;
    for round in 1..=ROUNDS {
        let mut layer = Vec::new();
        let result = thread::scope(|scope| {
            // From the last one, so that it meets the reader once.
            scope.spawn(|| (0..FILES).rev().for_each(|file| write(file, round)));
            whole(&root, &mut layer)
        });
        match result {
            Ok(()) => whole_ones += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
        let (mut reader, mut input) = (Reader::new(Limits::default()), layer.as_slice());
        let mut first = None;
        while let Some(event) = reader.next_event(&mut input).unwrap() {
            match event {
                Event::Content(bytes) => {
                    let first = *first.get_or_insert(bytes[0]);
                    assert!(first >= b'0' && bytes.iter().all(|byte| *byte == first));
                }
                _ => first = None,
            }
        }
    }
    println!("{whole_ones} of {ROUNDS} layers were written to the end");
}
