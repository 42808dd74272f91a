use std::io::{self, Read};

use wharf_layer::{
    Error, ErrorKind, MergeLimits, Merged,
    tar::{Kind, Limits, Member},
};

use super::{Part, directory, file, hard_link, layer, merged, symlink};

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, words: &str) {
    let error = result.expect_err(words);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(
        error.to_string().contains(words),
        "{error} does not say {words:?}"
    );
}

#[test]
fn what_no_root_takes_is_refused_with_layer_and_member() {
    let long = "x".repeat(300);
    let xattrs = (0..65).fold(Member::file("x", 0).unwrap(), |member, n| {
        member.with_xattr(format!("user.{n}"), "")
    });
    let large = Member::file("x", 0)
        .unwrap()
        .with_xattr("user.a", vec![0; 65_537]);
    let whiteout_device = Member::new("x", Kind::CharacterDevice { major: 0, minor: 0 }).unwrap();
    let cases: Vec<(ErrorKind, &str, Vec<Part>)> = vec![
        (ErrorKind::Invalid, "whiteout must name", vec![file(".wh.", "")]),
        (ErrorKind::Invalid, "begins with .wh.", vec![file(".wh.a/b", "")]),
        (ErrorKind::Invalid, "overlay", vec![(whiteout_device, "")]),
        (ErrorKind::Corrupt, "not a directory", vec![file("a/b", "")]),
        (
            ErrorKind::Corrupt,
            "neither this layer",
            vec![hard_link("x", "none")],
        ),
        (
            ErrorKind::Corrupt,
            "neither this layer",
            vec![hard_link("x", "none/a")],
        ),
        (
            ErrorKind::Corrupt,
            "neither this layer",
            vec![hard_link("d", "d/f")],
        ),
        (
            ErrorKind::Corrupt,
            "link to a directory",
            vec![hard_link("x", "d")],
        ),
        (
            ErrorKind::Corrupt,
            "link to a directory",
            vec![hard_link("x", ".")],
        ),
        (ErrorKind::Corrupt, "link to itself", vec![hard_link("a", "a")]),
        (
            ErrorKind::Corrupt,
            "link to itself",
            vec![symlink("l", "d"), hard_link("l/f", "d/f")],
        ),
        (ErrorKind::Corrupt, "link to nothing", vec![symlink("x", "")]),
        (
            ErrorKind::Corrupt,
            "40 symbolic links",
            vec![symlink("x", "y"), symlink("y", "x"), file("x/a", "")],
        ),
        (
            ErrorKind::Corrupt,
            "40 symbolic links",
            vec![symlink("x", "x"), file("x/.wh.a", "")],
        ),
        (ErrorKind::TooLarge, "64 extended attributes", vec![(xattrs, "")]),
        (ErrorKind::TooLarge, "65537 bytes", vec![(large, "")]),
        (
            ErrorKind::TooLarge,
            "component",
            vec![symlink("x", &long), file("x/a", "")],
        ),
    ];
    for (kind, words, members) in cases {
        let base = layer(&[file("a", "1"), directory("d"), file("d/f", "2")]);
        let mut merged = merged(&[base]);
        let added = merged.add(layer(&members).as_slice());
        let text = added.as_ref().unwrap_err().to_string();
        assert!(text.starts_with("layer 2: tar member "), "{text}");
        assert_fails(added, kind, words);
        assert_fails(
            merged.add(&[0; 1024][..]),
            ErrorKind::Conflict,
            "begin with a new one",
        );
        assert_fails(
            merged.write(Vec::new(), |_| Ok(io::empty())),
            ErrorKind::Conflict,
            "begin with a new one",
        );
    }
}

#[test]
fn limits_hold_for_the_tree_that_is_left() {
    let names = |most| Merged::new().with_limits(MergeLimits::default().with_names(most));
    let two = layer(&[file("d/a", "1")]);
    names(2).add(two.as_slice()).unwrap();
    assert_fails(names(1).add(two.as_slice()), ErrorKind::TooLarge, "`names` is 1");
    // What was removed does not count: a thousand layers that each replace all.
    let mut merged = names(2);
    for _ in 0..1000 {
        merged.add(two.as_slice()).unwrap();
        merged.add(layer(&[file(".wh.d", "")]).as_slice()).unwrap();
    }
    let bytes = |most, members: &[Part]| {
        let mut merged = Merged::new().with_limits(MergeLimits::default().with_bytes(most));
        merged.add(layer(members).as_slice())
    };
    let xattr = (Member::file("ab", 0).unwrap().with_xattr("user.a", "12"), "");
    for (members, size) in [
        (vec![file("abc", "contents do not count")], 3),
        (vec![symlink("a", "bcdef")], 6),
        (vec![xattr], 10),
        (vec![directory("ab"), hard_link("c", "ab/d")], 0),
    ] {
        if size == 0 {
            continue;
        }
        bytes(size, &members).unwrap();
        assert_fails(bytes(size - 1, &members), ErrorKind::TooLarge, "`bytes` is");
    }
    let mut few = Merged::new().with_tar_limits(Limits::default().with_members(1));
    let many = layer(&[file("a", ""), file("b", "")]);
    assert_fails(few.add(many.as_slice()), ErrorKind::TooLarge, "`members` is 1");
}

#[test]
fn attributes_that_are_set_again_and_again_take_no_memory() {
    let root = Member::directory(".")
        .unwrap()
        .with_xattr("user.a", vec![1; 1000]);
    let directory = Member::directory("d")
        .unwrap()
        .with_xattr("user.a", vec![1; 1000]);
    let layer = layer(&[(root, ""), (directory, "")]);
    let mut merged = Merged::new().with_limits(MergeLimits::default().with_bytes(4000));
    for _ in 0..100 {
        merged.add(layer.as_slice()).unwrap();
    }
}

#[test]
fn paths_that_grow_through_symbolic_links_are_bounded() {
    // Each name is short, but the tree would be as deep as there are links.
    let step = "x/".repeat(1000);
    let mut merged = merged(&[layer(&[directory(&step), symlink("a", &step)])]);
    let mut last = Ok(());
    for name in ["b", "c", "d", "e"] {
        let above = ((name.as_bytes()[0] - 1) as char).to_string();
        let deeper = format!("{above}/{step}");
        let members = [directory(&deeper), symlink(name, &deeper)];
        last = merged.add(layer(&members).as_slice());
        if last.is_err() {
            break;
        }
    }
    assert_fails(last, ErrorKind::TooLarge, "its path is too long");
}

#[test]
fn another_layer_at_the_second_reading_is_an_error() {
    let layers = [layer(&[file("a", "1"), file("b", "22")])];
    let merged = merged(&layers);
    for other in [
        layer(&[]),
        layer(&[file("a", "1")]),
        layer(&[file("b", "22"), file("a", "1")]),
        layer(&[directory("a"), file("b", "22")]),
        layer(&[file("a", "111"), file("b", "22")]),
    ] {
        let written = merged.write(Vec::new(), |_| Ok(other.as_slice()));
        assert_fails(written, ErrorKind::Mismatch, "layer 1: tar member");
    }
    let cut = &layers[0][..700];
    assert_fails(
        merged.write(Vec::new(), |_| Ok(cut)),
        ErrorKind::Corrupt,
        "layer 1: tar",
    );
}

/// Fails with an error that has its own kind.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(Error::new(
            ErrorKind::Mismatch,
            "digest differs",
        )))
    }
}

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn errors_of_readers_and_writers_come_back_with_their_kind() {
    let layers = [layer(&[file("a", "1")])];
    let merged = merged(&layers);
    assert_fails(
        Merged::new().add(Broken),
        ErrorKind::Mismatch,
        "layer 1: digest differs",
    );
    assert_fails(
        merged.write(Vec::new(), |_| Ok(Broken)),
        ErrorKind::Mismatch,
        "layer 1: digest differs",
    );
    let missing = |_| Err::<&[u8], _>(Error::new(ErrorKind::NotFound, "no such blob"));
    assert_fails(
        merged.write(Vec::new(), missing),
        ErrorKind::NotFound,
        "no such blob",
    );
    let full = merged.write(Broken, |layer: usize| Ok(layers[layer].as_slice()));
    assert_fails(full, ErrorKind::NoSpace, "cannot be written");
}

#[test]
fn a_base_with_more_layers_is_refused() {
    let (one, two) = (merged(&[layer(&[])]), merged(&[layer(&[]), layer(&[])]));
    let written = one.write_onto(&two, Vec::new(), |_| Ok(io::empty()));
    assert_fails(written, ErrorKind::Invalid, "2 layers");
}
