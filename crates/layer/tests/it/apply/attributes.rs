use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use wharf_layer::{
    ApplyOptions, Devices, DroppedPart, ErrorKind, IdRange, Ownership, XattrProblem,
    tar::{Kind, Member, Time},
};

use super::{Stage, WAYS, Way, assert_fails, directory, file, is_root, layer, modified, options, symlink};

fn current() -> ApplyOptions {
    ApplyOptions::default().with_ownership(Ownership::Current)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1 << 16];
    let size = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(size);
    Some(value)
}

#[test]
fn modes_and_times_are_those_of_the_last_layer_that_states_them() {
    let at = |seconds| Time::new(seconds, 123_456_789);
    for way in WAYS {
        let stage = Stage::new(way);
        let lower = [
            (
                Member::directory(".")
                    .unwrap()
                    .with_mode(0o751)
                    .with_modified(at(10)),
                b"".as_slice(),
            ),
            (
                Member::directory("d")
                    .unwrap()
                    .with_mode(0o555)
                    .with_modified(at(11)),
                b"",
            ),
            (
                Member::file("d/f", 1)
                    .unwrap()
                    .with_mode(0o604)
                    .with_modified(at(12)),
                b"1",
            ),
            (Member::symlink("d/l", "f").unwrap().with_modified(at(13)), b""),
            (
                Member::directory("e")
                    .unwrap()
                    .with_mode(0o700)
                    .with_modified(at(14)),
                b"",
            ),
            (
                Member::new("p", Kind::Fifo)
                    .unwrap()
                    .with_mode(0o620)
                    .with_modified(at(15)),
                b"",
            ),
        ];
        stage.apply(&layer(&lower)).unwrap();
        let path = |name: &str| stage.root().join(name);
        for (name, expected, seconds) in [
            ("", 0o751, 10),
            ("d", 0o555, 11),
            ("d/f", 0o604, 12),
            ("e", 0o700, 14),
            ("p", 0o620, 15),
        ] {
            assert_eq!(
                (mode(&path(name)), modified(&path(name))),
                (expected, at(seconds)),
                "{name}"
            );
        }
        assert_eq!(modified(&path("d/l")), at(13));

        // A directory that is written into and not stated keeps both; one that is stated gets both.
        let upper = [
            (Member::file("d/g", 1).unwrap(), b"2".as_slice()),
            (
                Member::directory("e")
                    .unwrap()
                    .with_mode(0o711)
                    .with_modified(at(21)),
                b"",
            ),
            (Member::file("e/h", 0).unwrap(), b""),
            (Member::file("d/.wh.f", 0).unwrap(), b""),
        ];
        stage.apply(&layer(&upper)).unwrap();
        assert_eq!((mode(&path("d")), modified(&path("d"))), (0o555, at(11)));
        assert_eq!((mode(&path("e")), modified(&path("e"))), (0o711, at(21)));
        assert_eq!((mode(&path("")), modified(&path(""))), (0o751, at(10)));
        fs::set_permissions(path("d"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn directories_that_whiteouts_leave_keep_their_attributes() {
    let at = |name: &str, mode, seconds| {
        let directory = Member::directory(name).unwrap().with_mode(mode);
        (directory.with_modified(Time::new(seconds, 5)), &b""[..])
    };
    let lower = layer(&[
        at("o", 0o755, 10),
        at("o/sub", 0o555, 11),
        at("o/sub/deep", 0o555, 12),
        file("o/sub/gone", "1"),
        file("o/sub/deep/gone", "1"),
        at("o/empty", 0o755, 13),
    ]);
    for whiteout in ["o/.wh..wh..opq", ".wh.o", "o/.wh.sub", ".wh..wh..opq"] {
        for way in WAYS {
            let stage = Stage::new(way);
            stage.apply(&lower).unwrap();
            let upper = layer(&[file("o/sub/deep/kept", "2"), file(whiteout, "")]);
            stage.apply(&upper).unwrap();
            for (name, expected, seconds) in
                [("o", 0o755, 10), ("o/sub", 0o555, 11), ("o/sub/deep", 0o555, 12)]
            {
                let path = stage.root().join(name);
                let found = (mode(&path), modified(&path));
                assert_eq!(found, (expected, Time::new(seconds, 5)), "{whiteout}: {name}");
                assert!(!path.join("gone").exists());
            }
            assert_eq!(fs::read(stage.root().join("o/sub/deep/kept")).unwrap(), b"2");
            for name in ["o/sub/deep", "o/sub"] {
                fs::set_permissions(stage.root().join(name), fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }
}

#[test]
fn owners_are_kept_mapped_left_or_recorded() {
    let member = |name: &str, uid, gid| {
        (
            Member::file(name, 0).unwrap().with_owner(uid, gid),
            b"".as_slice(),
        )
    };
    let tar = layer(&[
        member("a", 1000, 2000),
        member("missing/b", 0, 0),
        (Member::symlink("l", "a").unwrap().with_owner(7, 8), b""),
        (Member::directory("d").unwrap().with_owner(9, 10), b""),
    ]);
    let own = fs::metadata("/proc/self").unwrap();
    let owner = |stage: &Stage, name: &str| {
        let metadata = fs::symlink_metadata(stage.root().join(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };

    let stage = Stage::new(Way::Kernel);
    stage.apply_with(&tar, &current()).unwrap();
    assert_eq!(owner(&stage, "a"), (own.uid(), own.gid()));
    assert_eq!(xattr(&stage.root().join("a"), "user.rootlesscontainers"), None);

    let stage = Stage::new(Way::Kernel);
    stage
        .apply_with(&tar, &ApplyOptions::default().with_ownership(Ownership::Record))
        .unwrap();
    assert_eq!(owner(&stage, "a"), (own.uid(), own.gid()));
    let record = [0x08, 0xe8, 0x07, 0x10, 0xd0, 0x0f];
    assert_eq!(
        xattr(&stage.root().join("a"), "user.rootlesscontainers"),
        Some(record.to_vec())
    );
    assert_eq!(
        xattr(&stage.root().join("d"), "user.rootlesscontainers"),
        Some(vec![0x08, 9, 0x10, 10])
    );
    assert_eq!(
        xattr(&stage.root().join("missing/b"), "user.rootlesscontainers"),
        None,
        "it is 0:0"
    );

    let range = |inside, outside, count| IdRange::new(inside, outside, count).unwrap();
    let narrow = Ownership::Map {
        users: vec![range(0, 0, 1000)],
        groups: vec![range(0, 0, 5000)],
    };
    let stage = Stage::new(Way::Kernel);
    let refused = stage.apply_with(&tar, &ApplyOptions::default().with_ownership(narrow));
    assert_fails(
        refused,
        ErrorKind::Invalid,
        "\"a\": user 1000 is in none of the ranges",
    );
    let huge = layer(&[member("huge", 1 << 32, 0)]);
    let refused = stage.apply_with(&huge, &ApplyOptions::default());
    assert_fails(refused, ErrorKind::Invalid, "\"huge\": user 4294967296");

    if !is_root() {
        let refused = stage.apply_with(&tar, &ApplyOptions::default());
        assert_fails(refused, ErrorKind::Storage, "podman unshare");
        return;
    }
    let stage = Stage::new(Way::Walk);
    stage.apply_with(&tar, &ApplyOptions::default()).unwrap();
    let owners = ["a", "missing", "missing/b", "l", "d"].map(|name| owner(&stage, name));
    assert_eq!(owners, [(1000, 2000), (0, 0), (0, 0), (7, 8), (9, 10)]);
    let map = Ownership::Map {
        users: vec![range(0, 50_000, 5000)],
        groups: vec![range(0, 60_000, 5000)],
    };
    let stage = Stage::new(Way::Kernel);
    stage
        .apply_with(&tar, &ApplyOptions::default().with_ownership(map))
        .unwrap();
    let owners = ["a", "missing", "missing/b", "l"].map(|name| owner(&stage, name));
    assert_eq!(
        owners,
        [
            (51_000, 62_000),
            (50_000, 60_000),
            (50_000, 60_000),
            (50_007, 60_008)
        ]
    );
}

#[test]
fn bits_for_setuid_are_kept_with_the_owner_and_dropped_without() {
    let tar = layer(&[
        (Member::file("f", 0).unwrap().with_mode(0o6755), b"".as_slice()),
        (Member::directory("d").unwrap().with_mode(0o3777), b""),
    ]);
    let stage = Stage::new(Way::Kernel);
    let applied = stage.apply_with(&tar, &current()).unwrap();
    assert_eq!(
        (mode(&stage.root().join("f")), mode(&stage.root().join("d"))),
        (0o755, 0o1777)
    );
    let dropped: Vec<_> = applied
        .dropped
        .iter()
        .map(|dropped| (dropped.member.as_slice(), &dropped.part))
        .collect();
    assert_eq!(
        dropped,
        [
            (b"f".as_slice(), &DroppedPart::SetId),
            (b"d", &DroppedPart::SetId)
        ]
    );
    if is_root() {
        let stage = Stage::new(Way::Kernel);
        let applied = stage.apply_with(&tar, &ApplyOptions::default()).unwrap();
        assert_eq!(
            (mode(&stage.root().join("f")), mode(&stage.root().join("d"))),
            (0o6755, 0o3777)
        );
        assert_eq!(applied.dropped_total, 0);
    }
}

#[test]
fn extended_attributes_of_images_are_set_and_others_are_listed() {
    // Version 2 of vfs_cap_data: effective, with one capability.
    let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let with = |member: Member| {
        member
            .with_xattr("user.a", b"1".as_slice())
            .with_xattr("security.selinux", b"label".as_slice())
            .with_xattr("trusted.overlay.opaque", b"y".as_slice())
            .with_xattr("user.overlay.opaque", b"y".as_slice())
            .with_xattr("user.rootlesscontainers", b"\x08\x00".as_slice())
    };
    let tar = layer(&[
        (
            with(Member::file("f", 0).unwrap()).with_xattr("security.capability", capability),
            b"".as_slice(),
        ),
        (with(Member::directory("d").unwrap()), b""),
        (with(Member::symlink("l", "f").unwrap()), b""),
    ]);
    for way in WAYS {
        let stage = Stage::new(way);
        let applied = stage.apply(&tar).unwrap();
        let path = |name: &str| stage.root().join(name);
        for name in ["f", "d"] {
            assert_eq!(
                xattr(&path(name), "user.a").as_deref(),
                Some(b"1".as_slice()),
                "{name}"
            );
            for absent in [
                "security.selinux",
                "trusted.overlay.opaque",
                "user.overlay.opaque",
                "user.rootlesscontainers",
            ] {
                assert_eq!(xattr(&path(name), absent), None, "{name} {absent}");
            }
        }
        if is_root() {
            assert_eq!(
                xattr(&path("f"), "security.capability").as_deref(),
                Some(capability)
            );
        }
        let count = |problem| {
            let is = |part: &DroppedPart| matches!(part, DroppedPart::Xattr(_, found) if *found == problem);
            applied.dropped.iter().filter(|dropped| is(&dropped.part)).count()
        };
        assert_eq!(count(XattrProblem::NotTaken), 12 + usize::from(!is_root()));
        assert_eq!(
            count(XattrProblem::NotPermitted),
            1,
            "symbolic links have no user attributes"
        );

        // A directory that an upper layer states has the attributes of that layer.
        stage
            .apply(&layer(&[(
                Member::directory("d")
                    .unwrap()
                    .with_xattr("user.b", b"2".as_slice()),
                b"",
            )]))
            .unwrap();
        assert_eq!(
            (xattr(&path("d"), "user.a"), xattr(&path("d"), "user.b")),
            (None, Some(b"2".to_vec()))
        );
    }
    let strict = Stage::new(Way::Kernel).apply_with(&tar, &options().with_strict(true));
    assert_fails(strict, ErrorKind::Unsupported, "\"l\"");
}

#[test]
fn too_many_or_too_large_extended_attributes_are_refused() {
    let many = (0..65).fold(Member::file("many", 0).unwrap(), |member, n| {
        member.with_xattr(format!("user.{n}"), b"".as_slice())
    });
    let large = Member::file("large", 0)
        .unwrap()
        .with_xattr("user.large", vec![b'x'; (64 << 10) + 1]);
    for (member, words) in [(many, "more than 64"), (large, "at most 65536")] {
        let tar = layer(&[(member, b"")]);
        assert_fails(Stage::new(Way::Kernel).apply(&tar), ErrorKind::TooLarge, words);
    }
}

#[test]
fn devices_are_skipped_replaced_or_made_and_those_of_overlay_are_refused() {
    let character = |major, minor| Member::new("dev/c", Kind::CharacterDevice { major, minor }).unwrap();
    let block = Member::new("dev/b", Kind::BlockDevice { major: 7, minor: 0 }).unwrap();
    let tar = layer(&[(character(1, 3), b"".as_slice()), (block, b"")]);

    let stage = Stage::new(Way::Kernel);
    stage.apply(&layer(&[file("dev/c", "old")])).unwrap();
    let applied = stage.apply(&tar).unwrap();
    assert_eq!(stage.tree(), ["dev/"], "what the device replaces is gone");
    assert_eq!(
        applied
            .dropped
            .iter()
            .filter(|dropped| dropped.part == DroppedPart::Device)
            .count(),
        2
    );

    let stage = Stage::new(Way::Kernel);
    let applied = stage
        .apply_with(&tar, &options().with_devices(Devices::Placeholder))
        .unwrap();
    assert_eq!(stage.tree(), ["dev/", "dev/b = ", "dev/c = "]);
    assert_eq!(applied.dropped_total, 2);

    for devices in [Devices::Skip, Devices::Placeholder, Devices::Create] {
        let whiteout = layer(&[(character(0, 0), b"")]);
        let refused = Stage::new(Way::Kernel).apply_with(&whiteout, &options().with_devices(devices));
        assert_fails(refused, ErrorKind::Invalid, "0:0");
    }
    let created = stage.apply_with(&tar, &options().with_devices(Devices::Create));
    let made = fs::symlink_metadata(stage.root().join("dev/c"));
    match created {
        Ok(applied) => {
            let made = made.unwrap();
            assert!(made.file_type().is_char_device());
            assert_eq!(
                (made.rdev(), made.mode() & 0o7777, applied.dropped_total),
                (0x103, 0o644, 0)
            );
        }
        Err(error) => assert!(error.to_string().contains("\"dev/c\": cannot make it"), "{error}"),
    }
}

#[test]
fn times_beyond_those_of_the_file_system_are_the_nearest_and_listed() {
    let at = |name: &str, seconds| {
        (
            Member::file(name, 0)
                .unwrap()
                .with_modified(Time::new(seconds, 0)),
            b"".as_slice(),
        )
    };
    let stage = Stage::new(Way::Kernel);
    let members = [at("before", -86_400), at("now", 1), at("far", i64::MAX / 2)];
    let applied = stage.apply(&layer(&members)).unwrap();
    assert_eq!(modified(&stage.root().join("now")).seconds(), 1);
    assert_eq!(modified(&stage.root().join("before")).seconds(), -86_400);
    let far = modified(&stage.root().join("far")).seconds();
    let listed = applied
        .dropped
        .iter()
        .any(|dropped| dropped.member == b"far" && dropped.part == DroppedPart::Time);
    assert_eq!(listed, far != i64::MAX / 2, "{far}");
}

#[test]
fn symbolic_links_keep_nothing_of_what_they_lead_to() {
    let stage = Stage::new(Way::Walk);
    let target = stage.outside().join("canary");
    let before = fs::metadata(&target).unwrap();
    let link = Member::symlink("l", target.to_str().unwrap())
        .unwrap()
        .with_mode(0o777)
        .with_modified(Time::new(5, 0));
    stage
        .apply(&layer(&[
            (link, b"".as_slice()),
            directory("d"),
            symlink("d/m", "../../outside/canary"),
        ]))
        .unwrap();
    let after = fs::metadata(&target).unwrap();
    assert_eq!(
        (before.mode(), before.mtime(), before.ctime()),
        (after.mode(), after.mtime(), after.ctime())
    );
}
