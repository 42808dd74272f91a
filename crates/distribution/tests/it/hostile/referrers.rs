use serde_json::{Value, json};
use wharf_content::{Descriptor, ErrorKind, MediaType};
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Rule},
};

use super::scene::Scene;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn list(entries: &[Value]) -> Answer {
    let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    Answer::json(&document).replace_header("Content-Type", INDEX)
}

fn entry(descriptor: &Descriptor, kind: &str) -> Value {
    let mut entry = serde_json::to_value(descriptor).unwrap();
    entry
        .as_object_mut()
        .unwrap()
        .insert("artifactType".to_owned(), kind.into());
    entry
}

fn note(subject: &Descriptor) -> Image {
    let kind = MediaType::parse("application/vnd.example.note").unwrap();
    Image::builder()
        .artifact_type(kind)
        .subject(subject)
        .files(&[("n", b"n")])
        .finish()
}

/// Whatever a list of referrers claims, only what really refers to the subject comes of it.
#[tokio::test]
async fn i10_referrers_are_hints() {
    let scene = Scene::new().await;
    let (image, other) = (Image::small("subject"), Image::small("another"));
    let (true_note, foreign_note) = (
        note(image.manifest().descriptor()),
        note(other.manifest().descriptor()),
    );
    for manifest in [true_note.manifest(), foreign_note.manifest(), other.manifest()] {
        scene.registry.serve_manifest("team/app", "unused", manifest);
    }
    let forged = Descriptor::new(MediaType::OCI_MANIFEST, wharf_testkit::sha256(b"forged"), 6).unwrap();
    scene
        .registry
        .on(Match::get("/manifests/"), Answer::ok("something else"));
    let kind = "application/vnd.example.note";
    let entries = [
        entry(true_note.manifest().descriptor(), kind),
        entry(foreign_note.manifest().descriptor(), kind),
        entry(other.manifest().descriptor(), kind),
        entry(&forged, kind),
        entry(true_note.manifest().descriptor(), "application/vnd.example.other"),
    ];
    scene
        .registry
        .first(Rule::new(Match::get("/referrers/"), list(&entries)));
    let remote = scene.anonymous();
    let subject = image.manifest().digest();
    let wanted = MediaType::parse(kind).unwrap();
    // The registry did not filter: that is done here.
    let found = remote.referrers(subject, Some(&wanted)).await.unwrap();
    assert_eq!(found.len(), 4);
    let mut real = 0;
    for entry in &found {
        match remote.referrer(entry, subject).await {
            Ok(manifest) => {
                assert_eq!(manifest, *true_note.manifest());
                real += 1;
            }
            Err(error) => assert_eq!(scene.stage.inspect(error).kind(), ErrorKind::Mismatch),
        }
    }
    assert_eq!(real, 1);
}

#[tokio::test]
async fn i10_lists_of_referrers_are_bounded_and_failures_are_failures() {
    let scene = Scene::new().await;
    let image = Image::small("subject");
    let subject = image.manifest().digest();
    let one = |number: u32| {
        let digest = wharf_testkit::sha256(&number.to_le_bytes());
        entry(
            &Descriptor::new(MediaType::OCI_MANIFEST, digest, 7).unwrap(),
            "a/b",
        )
    };
    let many: Vec<Value> = (0..20_000).map(one).collect();
    let circle = list(&[one(1)]).header(
        "Link",
        &format!("</v2/team/app/referrers/{subject}>; rel=\"next\""),
    );
    let away = list(&[one(1)]).header("Link", "<https://evil.test/next>; rel=\"next\"");
    let table = [
        (list(&[]), Ok(0)),
        (list(&[one(1), one(2), one(1)]), Ok(2)),
        (list(&many), Err(vec![ErrorKind::TooLarge])),
        (circle, Err(vec![ErrorKind::Server])),
        (away, Err(vec![ErrorKind::Server, ErrorKind::Blocked])),
        (
            Answer::error(401, "UNAUTHORIZED", "no"),
            Err(vec![ErrorKind::Unauthorized, ErrorKind::Unsupported]),
        ),
        (Answer::error(403, "DENIED", "no"), Err(vec![ErrorKind::Denied])),
        (
            Answer::error(429, "TOOMANYREQUESTS", "no"),
            Err(vec![ErrorKind::RateLimited]),
        ),
        (Answer::new(500), Err(vec![ErrorKind::Server])),
        (
            Answer::ok("{}").header("Content-Type", INDEX),
            Err(vec![ErrorKind::Server]),
        ),
        (
            Answer::ok("<html>").header("Content-Type", "text/html"),
            Err(vec![ErrorKind::Server]),
        ),
        // Not an index at all; and no API, with somebody's image at the tag that stands in for it.
        (
            Answer::ok(image.manifest().bytes().clone()).header("Content-Type", INDEX),
            Err(vec![ErrorKind::Server]),
        ),
        (Answer::error(404, "NOT_FOUND", "no"), Ok(0)),
    ];
    for (number, (answer, expected)) in table.into_iter().enumerate() {
        scene.registry.clear().on(Match::get("/referrers/"), answer);
        let fallback = subject.as_str().replace(':', "-");
        scene
            .registry
            .serve_manifest("team/app", &fallback, Image::small("somebody's").manifest());
        let got = scene.anonymous().referrers(subject, None).await;
        match expected {
            Ok(count) => assert_eq!(got.unwrap().len(), count, "{number}"),
            Err(kinds) => {
                let error = scene.failed(got);
                assert!(kinds.contains(&error.kind()), "{number}: {error}");
            }
        }
    }
    assert_eq!(scene.evil.traffic().connections, 0);
}
