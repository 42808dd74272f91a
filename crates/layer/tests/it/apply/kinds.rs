use std::{fs, os::unix::fs::MetadataExt as _};

use wharf_layer::{
    ApplyOptions, Devices, ErrorKind, Root, apply,
    tar::{Kind, Member},
};

use super::{Stage, WAYS, assert_fails, directory, fifo, file, hard_link, layer, options, symlink};

#[test]
fn what_is_there_gives_way_to_a_member_of_any_other_kind() {
    type Make = fn() -> Vec<(Member, &'static [u8])>;
    let kinds: [(&str, Make, &[&str]); 6] = [
        ("file", || vec![file("x", "old")], &["x = old"]),
        ("empty directory", || vec![directory("x")], &["x/"]),
        (
            "full directory",
            || vec![directory("x"), file("x/y/z", "old")],
            &["x/", "x/y/", "x/y/z = old"],
        ),
        ("symbolic link", || vec![symlink("x", "other")], &["x -> other"]),
        ("hard link", || vec![hard_link("x", "other/in")], &["x = in"]),
        ("fifo", || vec![fifo("x")], &["x fifo"]),
    ];
    let base = || vec![directory("other"), file("other/in", "in")];
    for way in WAYS {
        for (old, make_old, old_lines) in &kinds {
            for (new, make_new, new_lines) in &kinds {
                let stage = Stage::new(way);
                stage.apply(&layer(&[base(), make_old()].concat())).unwrap();
                stage.apply(&layer(&make_new())).unwrap();
                let mut expected: Vec<String> = new_lines.iter().map(|line| (*line).to_owned()).collect();
                if old.contains("directory") && new.contains("directory") {
                    expected.extend(old_lines.iter().map(|line| (*line).to_owned())); // they merge
                }
                expected.extend(["other/".to_owned(), "other/in = in".to_owned()]);
                expected.sort();
                expected.dedup();
                assert_eq!(stage.tree(), expected, "{new} over {old}, {way:?}");
            }
        }
    }
}

#[test]
fn parents_that_no_layer_has_are_made() {
    for way in WAYS {
        let stage = Stage::new(way);
        stage
            .apply(&layer(&[file("a/b/c", "1"), file("a/b/d", "2")]))
            .unwrap();
        assert_eq!(stage.tree(), ["a/", "a/b/", "a/b/c = 1", "a/b/d = 2"]);
        for made in ["a", "a/b"] {
            let metadata = fs::metadata(stage.root().join(made)).unwrap();
            assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o755, 0), "{made}");
        }
    }
}

#[test]
fn a_file_as_a_parent_is_an_error() {
    for way in WAYS {
        for in_the_way in [file("a", ""), fifo("a")] {
            let stage = Stage::new(way);
            stage.apply(&layer(&[in_the_way])).unwrap();
            assert_fails(
                stage.apply(&layer(&[file("a/b", "1")])),
                ErrorKind::Corrupt,
                "is not a directory",
            );
            assert_fails(
                stage.apply(&layer(&[file("a/b/c", "1")])),
                ErrorKind::Corrupt,
                "\"a/b/c\"",
            );
        }
    }
}

#[test]
fn the_last_of_two_members_of_one_name_counts() {
    for way in WAYS {
        let stage = Stage::new(way);
        let applied = stage.apply(&layer(&[
            file("a", "1"),
            file("b", "1"),
            file("./a", "2"),
            directory("b/"),
        ]));
        assert_eq!(applied.unwrap().duplicates, 2);
        assert_eq!(stage.tree(), ["a = 2", "b/"]);
    }
}

#[test]
fn hard_links_are_of_this_layer_or_a_lower_one() {
    for way in WAYS {
        let stage = Stage::new(way);
        stage
            .apply(&layer(&[file("d/a", "1"), symlink("s", "d/a")]))
            .unwrap();
        let links = [
            hard_link("b", "d/a"),
            hard_link("c", "b"),
            hard_link("t", "s"),
            file("n", "2"),
            hard_link("m", "n"),
        ];
        stage.apply(&layer(&links)).unwrap();
        assert_eq!(
            stage.tree(),
            [
                "b = 1", "c = 1", "d/", "d/a = 1", "m = 2", "n = 2", "s -> d/a", "t -> d/a"
            ]
        );
        let inode = |name| fs::symlink_metadata(stage.root().join(name)).unwrap().ino();
        assert_eq!(
            (inode("b"), inode("c"), inode("m")),
            (inode("d/a"), inode("d/a"), inode("n"))
        );
        // A name that is replaced later leaves the others.
        stage.apply(&layer(&[file("b", "3")])).unwrap();
        assert_eq!(inode("c"), inode("d/a"));
        assert_eq!(fs::read_to_string(stage.root().join("c")).unwrap(), "1");
    }
}

#[test]
fn further_names_of_a_device_are_left_out_as_it_is() {
    let device = |name: &str| {
        let kind = Kind::CharacterDevice { major: 1, minor: 3 };
        (Member::new(name, kind).unwrap(), &b""[..])
    };
    let members = [
        file("there", "1"),
        device("dev/null"),
        hard_link("dev/zero", "dev/null"),
        hard_link("dev/one", "/dev/zero"),
        hard_link("there", "dev/one"),
        file("f", "2"),
    ];
    for way in WAYS {
        let stage = Stage::new(way);
        let applied = stage.apply(&layer(&members)).unwrap();
        assert_eq!(stage.tree(), ["dev/", "f = 2"]);
        let names: Vec<_> = applied
            .dropped
            .iter()
            .map(|dropped| dropped.member.as_slice())
            .collect();
        assert_eq!(names, [&b"dev/null"[..], b"dev/zero", b"dev/one", b"there"]);
        let replaced = [device("a"), file("a", "3"), hard_link("b", "a")];
        stage.apply(&layer(&replaced)).unwrap();
        assert_eq!(fs::read_to_string(stage.root().join("b")).unwrap(), "3");
        let missing = layer(&[device("c"), hard_link("d", "e")]);
        assert_fails(stage.apply(&missing), ErrorKind::Corrupt, "\"d\"");
        let placeholders = options().with_devices(Devices::Placeholder);
        let other = Stage::new(way);
        other.apply_with(&layer(&members), &placeholders).unwrap();
        assert_eq!(
            other.tree(),
            [
                "dev/",
                "dev/null = ",
                "dev/one = ",
                "dev/zero = ",
                "f = 2",
                "there = "
            ]
        );
    }
}

#[test]
fn hard_links_that_cannot_be_made_are_errors_and_leave_what_is_there() {
    let cases: &[(&str, &str, &str)] = &[
        ("x", "missing", "neither this layer nor a lower one has"),
        ("x", "missing/a", "neither this layer nor a lower one has"),
        ("x", "f/a", "neither this layer nor a lower one has"),
        ("x", "d", "to a directory"),
        ("x", ".", "to a directory"),
        ("f", "f", "to itself"),
        ("d/g", "e/g", "to itself"), // e leads to d
    ];
    for way in WAYS {
        for (name, target, words) in cases {
            let stage = Stage::new(way);
            let base = [
                file("f", "1"),
                directory("d"),
                file("d/g", "2"),
                symlink("e", "d"),
            ];
            stage.apply(&layer(&base)).unwrap();
            let before = stage.tree();
            assert_fails(
                stage.apply(&layer(&[hard_link(name, target)])),
                ErrorKind::Corrupt,
                words,
            );
            assert_eq!(stage.tree(), before, "{name} {target}");
        }
        let stage = Stage::new(way);
        stage.apply(&layer(&[file("d/f", "1")])).unwrap();
        let replaced = stage.apply(&layer(&[hard_link("d", "d/f")]));
        assert_fails(replaced, ErrorKind::Corrupt, "neither this layer");
    }
}

#[test]
fn symbolic_links_are_followed_inside_the_root() {
    let outside = |stage: &Stage| stage.outside().to_str().unwrap().to_owned();
    for way in WAYS {
        let stage = Stage::new(way);
        let absolute = outside(&stage);
        let links = [
            symlink("up", "../../../outside"),
            symlink("absolute", &absolute),
            symlink("slash", "/"),
            directory("d"),
            symlink("d/back", ".."),
            symlink("chain", "d/back/d"),
        ];
        stage.apply(&layer(&links)).unwrap();
        let written = [
            file("up/a", "1"),
            file("absolute/b", "2"),
            file("slash/c", "3"),
            file("d/back/e", "4"),
            file("chain/f", "5"),
        ];
        stage.apply(&layer(&written)).unwrap();
        let root = stage.root();
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        assert_eq!([read("c"), read("e"), read("d/f")], ["3", "4", "5"]);
        assert_eq!(
            read("outside/a"),
            "1",
            "the root is the top of what `..` leads to"
        );
        assert_eq!(read(&format!("{}/b", absolute.trim_start_matches('/'))), "2");
    }
}

#[test]
fn forty_symbolic_links_of_one_name_are_followed_and_no_more() {
    for way in WAYS {
        for (count, works) in [(40, true), (41, false)] {
            let stage = Stage::new(way);
            let mut links: Vec<_> = (1..count)
                .map(|n| symlink(&format!("l{n}"), &format!("l{}", n + 1)))
                .collect();
            links.extend([symlink(&format!("l{count}"), "end"), directory("end")]);
            stage.apply(&layer(&links)).unwrap();
            let result = stage.apply(&layer(&[file("l1/x", "1")]));
            if works {
                result.unwrap();
                assert_eq!(fs::read_to_string(stage.root().join("end/x")).unwrap(), "1");
            } else {
                assert_fails(result, ErrorKind::Corrupt, "40 symbolic links");
            }
        }
        let stage = Stage::new(way);
        stage
            .apply(&layer(&[symlink("a", "b"), symlink("b", "a")]))
            .unwrap();
        assert_fails(
            stage.apply(&layer(&[file("a/x", "")])),
            ErrorKind::Corrupt,
            "40 symbolic links",
        );
    }
}

#[test]
fn directories_replace_links_to_directories_unless_those_are_kept() {
    for way in WAYS {
        for keep in [false, true] {
            let stage = Stage::new(way);
            let base = [
                file("usr/lib/a", "1"),
                symlink("lib", "usr/lib"),
                symlink("dead", "nowhere"),
                symlink("f", "usr/lib/a"),
            ];
            stage.apply(&layer(&base)).unwrap();
            let upper = layer(&[
                directory("lib"),
                file("lib/b", "2"),
                directory("dead"),
                directory("f"),
            ]);
            stage
                .apply_with(&upper, &options().with_keep_directory_links(keep))
                .unwrap();
            let lib: &[&str] = if keep {
                &[
                    "lib -> usr/lib",
                    "usr/",
                    "usr/lib/",
                    "usr/lib/a = 1",
                    "usr/lib/b = 2",
                ]
            } else {
                &["lib/", "lib/b = 2", "usr/", "usr/lib/", "usr/lib/a = 1"]
            };
            assert_eq!(stage.tree(), [&["dead/", "f/"], lib].concat(), "{way:?} {keep}");
        }
    }
}

#[test]
fn a_root_is_a_directory_and_new_for_the_first_layer() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    fs::create_dir_all(at("full/a")).unwrap();
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("empty")).unwrap();
    std::os::unix::fs::symlink("empty", at("link")).unwrap();

    assert_fails(Root::create(at("full")), ErrorKind::Conflict, "not empty");
    assert_fails(
        Root::create(at("file")),
        ErrorKind::Invalid,
        "must be a directory",
    );
    assert_fails(
        Root::create(at("link")),
        ErrorKind::Invalid,
        "not a symbolic link",
    );
    assert_fails(
        Root::create(at("missing/new")),
        ErrorKind::NotFound,
        "missing/new",
    );
    assert_fails(Root::open(at("new")), ErrorKind::NotFound, "new");
    assert_fails(Root::open(at("link")), ErrorKind::Invalid, "not a symbolic link");
    Root::create(at("empty")).unwrap();
    Root::create(at("new")).unwrap();
    Root::open(at("full")).unwrap();
    assert_eq!(
        fs::read_dir(at("empty")).unwrap().count(),
        0,
        "nothing is left in it"
    );
}

/// A layer whose content is found to be wrong.
struct Broken;
impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other(wharf_layer::Error::new(
            ErrorKind::Mismatch,
            "the digest is wrong",
        )))
    }
}

#[test]
fn a_layer_that_ends_early_is_an_error() {
    let stage = Stage::new(super::Way::Kernel);
    let tar = layer(&[file("a", "1"), file("b", "2")]);
    let options: ApplyOptions = options();
    assert_fails(
        apply(&stage.opened(), &tar[..1100], &options),
        ErrorKind::Corrupt,
        "ends within",
    );
    assert_fails(
        apply(&stage.opened(), Broken, &options),
        ErrorKind::Mismatch,
        "the digest is wrong",
    );
}

#[cfg(feature = "gzip")]
#[test]
fn a_compressed_layer_is_applied_and_verified() {
    use wharf_layer::{Codec, Decoder, Encoder, Level, Profile};
    let tar = layer(&[file("a", "1")]);
    let mut compressed = Vec::new();
    let mut encoder = Encoder::new(Profile::V1, Level::default_of(Codec::Gzip), 1);
    encoder.encode(&tar, &mut compressed).unwrap();
    encoder.finish(&mut compressed).unwrap();
    let stage = Stage::new(super::Way::Kernel);
    let decoder = || Decoder::new(Codec::Gzip, wharf_layer::Limits::default());
    let right = decoder()
        .with_diff_id(wharf_content::Hasher::sha256(&tar))
        .unwrap();
    apply(&stage.opened(), right.reader(compressed.as_slice()), &options()).unwrap();
    assert_eq!(stage.tree(), ["a = 1"]);
    let wrong = decoder()
        .with_diff_id(wharf_content::Hasher::sha256(b"other"))
        .unwrap();
    let applied = apply(&stage.opened(), wrong.reader(compressed.as_slice()), &options());
    assert_fails(
        applied,
        ErrorKind::Mismatch,
        "the digest of the uncompressed bytes",
    );
    let cut = decoder().reader(&compressed[..compressed.len() - 9]);
    assert_fails(apply(&stage.opened(), cut, &options()), ErrorKind::Corrupt, "");
}
