//! Requirements of keys, with logs and without.

use rcgen::KeyPair;
use wharf_trust::ReasonKind;

use super::{
    kit::{By, DAY, DEFAULT_IDENTITY, Log, Making, TIME, bundle, trust, trusted_root},
    world::{ENTRY, World, assert_judged, edited, never, without},
};

#[test]
fn keys_accept_the_bundles_of_one_of_them() {
    let world: &'static World = Box::leak(Box::new(World::new()));
    // A root changes nothing where the requirement names no log.
    let trust = trust(&world.keys(), DEFAULT_IDENTITY).bundles_name_nothing_but_a_digest();
    for trust in [trust.clone(), trust.with_root(world.root())] {
        let good = world.by_key().make();
        for (what, json, expected) in [
            ("good", good.clone(), Ok("sha256:")),
            (
                "in a log that nobody knows",
                world.by_key().in_log(&Log::new("x")).make(),
                Ok("sha256:"),
            ),
            (
                "by another key",
                Making::by(By::Key(&KeyPair::generate().unwrap())).make(),
                Err((ReasonKind::UnknownKey, "any of the keys")),
            ),
            (
                "with a certificate",
                world.by_ada().in_log(&world.log).make(),
                Err((ReasonKind::UnknownKey, "signed with a certificate")),
            ),
        ] {
            assert_judged(what, &trust, &bundle(&json), expected);
        }
        for (what, json, kind, part) in never(&good, &|| world.by_key()) {
            let kind = if kind == ReasonKind::Forged {
                ReasonKind::UnknownKey
            } else {
                kind
            };
            assert_judged(what, &trust, &bundle(&json), Err((kind, part)));
        }
    }
}

#[test]
fn keys_with_logs_accept_what_a_log_of_root_and_requirement_has() {
    let world: &'static World = Box::leak(Box::new(World::new()));
    let accepting = trust(&world.logged_keys(), DEFAULT_IDENTITY).bundles_name_nothing_but_a_digest();
    let trust = accepting.clone().with_root(world.root());
    let good = world.by_key().in_log(&world.log).make();
    let logged = |json| (ReasonKind::Log, json);
    for (what, json, expected) in [
        ("good", good.clone(), Ok("sha256:")),
        (
            "in no log",
            world.by_key().make(),
            Err(logged("no log of the trusted root")),
        ),
        (
            "in a log of the root alone",
            world.by_key().in_log(&world.roots_log).make(),
            Err(logged("no log")),
        ),
        (
            "in a log of the requirement alone",
            world.by_key().in_log(&world.named_log).make(),
            Err(logged("no log")),
        ),
        (
            "without a proof",
            without(good.clone(), &format!("{ENTRY}/inclusionProof")),
            Err(logged("proof")),
        ),
        (
            "before the log's key counts",
            world.by_key().in_log_at(&world.log, TIME - 11 * DAY).make(),
            Err(logged("not valid at the time")),
        ),
        (
            "in the future",
            world.by_key().in_log_at(&world.log, TIME + 1000 * DAY).make(),
            Err(logged("future")),
        ),
        (
            "by another key",
            Making::by(By::Key(&KeyPair::generate().unwrap()))
                .in_log(&world.log)
                .make(),
            Err(logged("another key")),
        ),
        (
            "with a certificate",
            world.by_ada().in_log(&world.log).make(),
            Err((ReasonKind::UnknownKey, "signed with a certificate")),
        ),
        // The entry is in the log, and no time is known.
        (
            "without a promise",
            without(good.clone(), &format!("{ENTRY}/inclusionPromise")),
            Ok("sha256:"),
        ),
        (
            "with the entry of another bundle",
            edited(good.clone(), |bundle| {
                let other = world.by_key().in_log(&world.log).make();
                *bundle.pointer_mut(ENTRY).unwrap() = other.pointer(ENTRY).unwrap().clone();
            }),
            Err(logged("the log entry is for")),
        ),
    ] {
        assert_judged(what, &trust, &bundle(&json), expected);
    }
    for (what, json, kind, part) in never(&good, &|| world.by_key().in_log(&world.log)) {
        let kind = if kind == ReasonKind::Forged {
            ReasonKind::UnknownKey
        } else {
            kind
        };
        assert_judged(what, &trust, &bundle(&json), Err((kind, part)));
    }
    // The logs of a root that are none of the requirement's are none at all.
    let other = trusted_root(&[world.roots_log.listed(TIME - DAY, None)], &[]);
    let rootless = accepting.clone();
    assert_judged(
        "no root",
        &rootless,
        &bundle(&good),
        Err(logged("trusted_root.json, and the program has none")),
    );
    let trust = accepting.clone().with_root(other);
    assert_judged(
        "other logs",
        &trust,
        &bundle(&good),
        Err(logged("no log in the trusted_root.json")),
    );
    // A key that ended, and one that has not begun.
    for (from, to, is_good) in [
        (TIME - DAY, Some(TIME), true),
        (TIME - DAY, Some(TIME - 1), false),
        (TIME, None, true),
        (TIME + 1, None, false),
    ] {
        let trust = accepting
            .clone()
            .with_root(trusted_root(&[world.log.listed(from, to)], &[]));
        let expected = if is_good {
            Ok("sha256:")
        } else {
            Err(logged("not valid at the time"))
        };
        assert_judged("a key with an end", &trust, &bundle(&good), expected);
    }
}
