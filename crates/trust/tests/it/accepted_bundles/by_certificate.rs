//! Requirements of certificates of Fulcio's.

use rcgen::SanType;
use wharf_trust::ReasonKind;

use super::{
    kit::{
        By, DAY, DEFAULT_IDENTITY, EMAIL, ISSUER, Making, TIME, ada, authority, below, bundle, fulcio,
        listed, subject, trust, trusted_root,
    },
    world::{ENTRY, World, assert_judged, judged, never, without},
};

#[test]
fn fulcio_accepts_its_subject_by_authorities_of_root_and_requirement() {
    let world: &'static World = Box::leak(Box::new(World::new()));
    let accepting = trust(&world.fulcio(), DEFAULT_IDENTITY).bundles_name_nothing_but_a_digest();
    let trust = accepting.clone().with_root(world.root());
    let good = world.by_ada().in_log(&world.log).make();
    let (log, certificate) = (ReasonKind::Log, ReasonKind::Certificate);
    let of = |authority, params| {
        Making::by(By::Certificate(authority, params))
            .in_log(&world.log)
            .make()
    };
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    for (what, json, expected) in [
        (
            "good",
            good.clone(),
            Ok("ada@example.com (https://accounts.example.com)"),
        ),
        (
            "by an authority of the root alone",
            of(&world.roots_authority, ada()),
            Err((certificate, "no path")),
        ),
        (
            "by an authority of the requirement alone",
            of(&world.named_authority, ada()),
            Err((certificate, "no path")),
        ),
        (
            "of another email",
            of(&world.authority, subject(email("eve@example.com"), ISSUER)),
            Err((
                certificate,
                "not for the email \"ada@example.com\"; it is for the email \"eve@example.com\"",
            )),
        ),
        (
            "of an email in another case",
            of(&world.authority, subject(email("Ada@example.com"), ISSUER)),
            Err((certificate, "not for the email")),
        ),
        (
            "of a URI with the text of the email",
            of(&world.authority, subject(uri(EMAIL), ISSUER)),
            Err((certificate, "which no policy.json can name")),
        ),
        (
            "of another issuer",
            of(
                &world.authority,
                subject(email(EMAIL), "https://accounts.example.com/"),
            ),
            Err((certificate, "the identity was issued by")),
        ),
        (
            "in no log",
            world.by_ada().make(),
            Err((log, "no log of the trusted root")),
        ),
        (
            "in a log of the root alone",
            world.by_ada().in_log(&world.roots_log).make(),
            Err((log, "no log")),
        ),
        (
            "in a log of the requirement alone",
            world.by_ada().in_log(&world.named_log).make(),
            Err((log, "no log")),
        ),
        (
            "without a promise, and no timestamp",
            without(good.clone(), &format!("{ENTRY}/inclusionPromise")),
            Err((log, "says when the signature was made")),
        ),
        (
            "without a proof",
            without(good.clone(), &format!("{ENTRY}/inclusionProof")),
            Err((log, "proof")),
        ),
        (
            "expired when it was logged",
            world.by_ada().in_log_at(&world.log, TIME + 6 * DAY).make(),
            Err((certificate, "")),
        ),
        (
            "not yet valid when it was logged",
            world.by_ada().in_log_at(&world.log, TIME - 6 * DAY).make(),
            Err((certificate, "")),
        ),
        (
            "by a key",
            world.by_key().in_log(&world.log).make(),
            Err((certificate, "signed with a key")),
        ),
    ] {
        assert_judged(what, &trust, &bundle(&json), expected);
    }
    for (what, json, kind, part) in never(&good, &|| world.by_ada().in_log(&world.log)) {
        assert_judged(what, &trust, &bundle(&json), Err((kind, part)));
    }
    let log_alone = [world.log.listed(TIME - DAY, None)];
    let other_log = [world.roots_log.listed(TIME - DAY, None)];
    let (own, other) = ([listed(&[&world.authority])], [listed(&[&world.roots_authority])]);
    for (what, root, kind, part) in [
        (
            "other logs",
            trusted_root(&other_log, &own),
            log,
            "no log in the trusted_root.json",
        ),
        (
            "no logs",
            trusted_root(&[], &own),
            log,
            "no log in the trusted_root.json",
        ),
        (
            "other authorities",
            trusted_root(&log_alone, &other),
            certificate,
            "no authority in the trusted_root.json",
        ),
        (
            "no authorities",
            trusted_root(&log_alone, &[]),
            certificate,
            "no authority in the trusted_root.json",
        ),
    ] {
        let trust = accepting.clone().with_root(root);
        assert_judged(what, &trust, &bundle(&good), Err((kind, part)));
    }
    assert_judged(
        "no root",
        &accepting,
        &bundle(&good),
        Err((log, "the program has none")),
    );
}

/// The file of a requirement has the authority that it trusts, and no more of a root's chain counts.
#[test]
fn an_authority_counts_from_the_highest_certificate_that_the_requirement_names() {
    let world = World::new();
    let top = authority("top");
    let (middle, other_middle) = (below("middle", &top), below("other middle", &top));
    let issuing = below("issuing", &middle);
    let root = || {
        trusted_root(
            &[world.log.listed(TIME - DAY, None)],
            &[listed(&[&issuing, &middle, &top])],
        )
    };
    let by = |issuer| {
        bundle(
            &Making::by(By::Certificate(issuer, ada()))
                .in_log(&world.log)
                .make(),
        )
    };
    for (what, named, issuer, accepted) in [
        ("the top", vec![&top], &issuing, true),
        ("the top and what is below", vec![&issuing, &top], &issuing, true),
        ("the middle", vec![&middle], &issuing, true),
        ("the issuing one", vec![&issuing], &issuing, true),
        (
            "the issuing one, for a bundle by the middle",
            vec![&issuing],
            &middle,
            false,
        ),
        ("the middle, for a bundle by the top", vec![&middle], &top, false),
        (
            "another middle, which the root does not know",
            vec![&other_middle],
            &issuing,
            false,
        ),
        (
            "another one, for a bundle by it",
            vec![&other_middle],
            &other_middle,
            false,
        ),
    ] {
        let requirement = fulcio(&named, &[&world.log]);
        let trust = trust(&requirement, DEFAULT_IDENTITY)
            .bundles_name_nothing_but_a_digest()
            .with_root(root());
        let result = judged(&trust, &[by(issuer)]);
        assert_eq!(result.is_ok(), accepted, "{what}: {result:?}");
    }
}
