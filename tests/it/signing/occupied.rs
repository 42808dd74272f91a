//! What is in the way where signatures are stored in a registry.

use serde_json::json;
use wharf::{
    ErrorKind, Reference,
    content::{Manifest, Name, Target, Wanted},
    reference::Tag,
};
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Rule},
};

use super::hostile::{MANIFEST, Pen, REGISTRY, Scene, hex, served, told};

/// The content that a registry has in the place of attachments, and its answer when they are written.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_that_cannot_be_added_to_are_left_and_the_image_stays() {
    let image = Image::small("one");
    let tag = format!(
        "/v2/app/manifests/sha256-{}.sig",
        image.manifest().digest().encoded()
    );
    let read = |body: &str| Answer::ok(body.to_owned()).header("Content-Type", MANIFEST);
    let layer = |number: u32| {
        json!({
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": hex(number),
            "size": 1
        })
    };
    let attached = |layers: u32, config: &str, size: u64| {
        let config = json!({ "mediaType": config, "digest": hex(7), "size": size });
        let layers: Vec<_> = (0..layers).map(layer).collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        read(&manifest.to_string())
    };
    let config = "application/vnd.oci.image.config.v1+json";
    let put = |status: u16, code: &str| Answer::error(status, code, "no");
    for (what, method, answer, kind, wrote) in [
        ("5 MiB", "GET", read(&" ".repeat(5 << 20)), ErrorKind::TooLarge, 0),
        (
            "100,000 layers",
            "GET",
            attached(100_000, config, 2),
            ErrorKind::TooLarge,
            0,
        ),
        (
            "101 layers",
            "GET",
            attached(101, "application/x", 2),
            ErrorKind::TooLarge,
            0,
        ),
        (
            "100 layers",
            "GET",
            attached(100, "application/x", 2),
            ErrorKind::TooLarge,
            0,
        ),
        (
            "a large config",
            "GET",
            attached(1, config, 1 << 40),
            ErrorKind::TooLarge,
            0,
        ),
        ("no config", "GET", attached(1, config, 2), ErrorKind::Other, 0),
        ("a web page", "GET", read("<html>"), ErrorKind::Server, 0),
        (
            "another digest",
            "GET",
            attached(1, config, 2).header("Docker-Content-Digest", &hex(1)),
            ErrorKind::Mismatch,
            0,
        ),
        ("403", "GET", put(403, "DENIED"), ErrorKind::Denied, 0),
        ("409", "PUT", put(409, "CONFLICT"), ErrorKind::Conflict, 1),
        ("412", "PUT", put(412, "PRECONDITION"), ErrorKind::Conflict, 1),
        ("immutable", "PUT", put(400, "TAG_INVALID"), ErrorKind::Invalid, 1),
        ("404", "PUT", put(404, "NAME_UNKNOWN"), ErrorKind::Other, 1),
        (
            "stored as another",
            "PUT",
            Answer::new(201).header("Docker-Content-Digest", &hex(1)),
            ErrorKind::Mismatch,
            1,
        ),
        ("never stored", "PUT", Answer::new(201), ErrorKind::Conflict, 5),
    ] {
        let scene = Scene::new().await;
        scene.push(&image, "1").await;
        scene.origin.first(Rule::new(Match::on(method, &tag), answer));
        let before = scene.origin.lines().len();
        let error = scene.sign(&Pen::of(Wanted::ATTACHMENTS)).await.unwrap_err();
        let text = told(&error);
        assert_eq!(error.kind(), kind, "{what}: {text}");
        assert!(
            text.starts_with("not all signatures of registry.example/app@sha256:"),
            "{what}: {text}"
        );
        let writes = scene.writes(before);
        let manifests: Vec<_> = writes
            .iter()
            .filter(|line| line.contains("/manifests/"))
            .collect();
        assert_eq!(manifests.len(), wrote, "{what}: {writes:?}");
        assert!(
            manifests.iter().all(|line| line.ends_with(&tag)),
            "{what}: {writes:?}"
        );
        let held = scene.client.manifest("registry.example/app:1").await.unwrap();
        assert_eq!(held.digest(), image.manifest().digest(), "{what}");
    }
}

/// A config of another type stays as it is, and is not read.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_with_a_config_of_another_type_are_added_to_without_it() {
    let scene = Scene::new().await;
    let image = Image::small("one");
    scene.push(&image, "1").await;
    let blob = image
        .blobs()
        .iter()
        .find(|(descriptor, _)| descriptor.size() > 2)
        .unwrap();
    let tag = format!("sha256-{}.sig", image.manifest().digest().encoded());
    let config = json!({ "mediaType": "application/x", "digest": blob.0.digest(), "size": blob.0.size() });
    let attached = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [] });
    let manifest = Manifest::parse(attached.to_string().into(), None).unwrap();
    let repository = Reference::parse(&format!("{REGISTRY}/app")).unwrap().repository();
    let remote = scene.client.distribution().remote(&repository);
    remote
        .push_manifest(&manifest, Some(&Tag::parse(&tag).unwrap()))
        .await
        .unwrap();
    let missing = Match::get(&format!("/blobs/{}", blob.0.digest()));
    scene.origin.first(Rule::new(missing, Answer::new(404)));
    scene.sign(&Pen::of(Wanted::ATTACHMENTS)).await.unwrap();
    assert_eq!(
        scene
            .signatures(image.manifest().digest(), Wanted::ATTACHMENTS)
            .await,
        1
    );
    let after = remote
        .manifest(&Target::Name(Name::parse(&tag).unwrap()))
        .await
        .unwrap();
    assert_eq!(after.config().unwrap().digest(), blob.0.digest());
}

/// Lists of referrers that lie, by the API and at the fallback tag, where a bundle is to be added.
#[tokio::test(flavor = "multi_thread")]
async fn lists_of_referrers_that_cannot_be_added_to_are_left_and_the_image_stays() {
    let image = Image::small("one");
    let digest = image.manifest().digest();
    let fallback = format!("/v2/app/manifests/sha256-{}", digest.encoded());
    let index = "application/vnd.oci.image.index.v1+json";
    let list = |count: u32| {
        let entry = |number: u32| {
            json!({
                "mediaType": MANIFEST,
                "digest": hex(number),
                "size": 2,
                "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"
            })
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        let list = json!({ "schemaVersion": 2, "mediaType": index, "manifests": entries });
        Answer::ok(list.to_string()).header("Content-Type", index)
    };
    let api = format!("/v2/app/referrers/{digest}");
    for (what, method, path, answer, kind) in [
        ("20,000 entries", "GET", &api, list(20_000), ErrorKind::TooLarge),
        ("101 entries", "GET", &api, list(101), ErrorKind::TooLarge),
        ("500", "GET", &api, Answer::new(500), ErrorKind::Server),
        ("a web page", "GET", &api, Answer::ok("<html>"), ErrorKind::Server),
        (
            "101 entries at the tag",
            "GET",
            &fallback,
            list(101),
            ErrorKind::TooLarge,
        ),
        (
            "an image at the tag",
            "GET",
            &fallback,
            served(&image),
            ErrorKind::Conflict,
        ),
        (
            "a web page at the tag",
            "GET",
            &fallback,
            Answer::ok("<html>"),
            ErrorKind::Server,
        ),
        (
            "403 at the tag",
            "GET",
            &fallback,
            Answer::new(403),
            ErrorKind::Denied,
        ),
        (
            "412 at the tag",
            "PUT",
            &fallback,
            Answer::new(412),
            ErrorKind::Conflict,
        ),
        (
            "a tag that is never stored",
            "PUT",
            &fallback,
            Answer::new(201),
            ErrorKind::Conflict,
        ),
    ] {
        let scene = Scene::new().await;
        scene.push(&image, "1").await;
        scene.origin.first(Rule::new(Match::on(method, path), answer));
        let error = scene.sign(&Pen::of(Wanted::BUNDLES)).await.unwrap_err();
        let text = told(&error);
        assert_eq!(error.kind(), kind, "{what}: {text}");
        assert!(
            text.starts_with("not all signatures of registry.example/app@sha256:"),
            "{what}: {text}"
        );
        let held = scene.client.manifest("registry.example/app:1").await.unwrap();
        assert_eq!(held.digest(), digest, "{what}");
    }
}
