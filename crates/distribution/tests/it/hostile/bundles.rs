//! Sigstore bundles: referrers that lists and registries lie about.

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{BuiltImage, Descriptor, ErrorKind, ImageBuilder, MediaType, Signature, Wanted, bundles};
use wharf_distribution::Remote;
use wharf_http::RetryPolicy;
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Origin},
};

use super::scene::Scene;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const OLD: &str = "application/vnd.dev.sigstore.bundle+json";
const SBOM: &str = "application/spdx+json";

fn remote(scene: &Scene) -> Remote {
    let builder = scene.builder().with_retry(RetryPolicy::never());
    scene.remote_of(&builder.build().unwrap())
}

fn kind(text: &str) -> MediaType {
    MediaType::parse(text).unwrap()
}

/// A referrer with this artifact type and one layer.
fn referrer(subject: &Descriptor, artifact_type: &str, layer_type: &str, content: &str) -> BuiltImage {
    ImageBuilder::new()
        .with_artifact_type(kind(artifact_type))
        .with_layer_bytes(kind(layer_type), content.to_owned())
        .with_subject(subject.clone())
        .build()
        .unwrap()
}

fn serve(origin: &Origin, referrer: &BuiltImage) {
    let manifest = referrer.root();
    origin.serve_manifest("team/app", "unused", manifest);
    let path = format!("/v2/team/app/manifests/{}", manifest.digest());
    origin.on(
        Match::get(&path),
        Answer::ok(manifest.bytes().clone()).header("Content-Type", manifest.media_type().as_str()),
    );
    for (descriptor, bytes) in referrer.blobs() {
        origin.serve_blob("team/app", descriptor.digest().as_str(), bytes);
    }
}

/// An entry of a list of referrers; without an artifact type if that is empty.
fn entry(referrer: &BuiltImage, artifact_type: &str) -> Value {
    let mut entry = serde_json::to_value(referrer.root().descriptor()).unwrap();
    let members = entry.as_object_mut().unwrap();
    members.remove("artifactType");
    if !artifact_type.is_empty() {
        members.insert("artifactType".to_owned(), artifact_type.into());
    }
    entry
}

fn list(entries: &[Value]) -> Answer {
    let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    Answer::json(&document).replace_header("Content-Type", INDEX)
}

fn shown(signatures: &[Signature]) -> Vec<String> {
    let one = |signature: &Signature| match signature {
        Signature::Bundle(json) => String::from_utf8_lossy(json).into_owned(),
        Signature::Unknown { reason, .. } => format!("no bundle: {reason}"),
        _ => "?".to_owned(),
    };
    signatures.iter().map(one).collect()
}

fn image() -> Descriptor {
    Image::small("x").manifest().descriptor().clone()
}

/// How a bundle is listed, which types it has, and whether it is read.
#[tokio::test]
async fn a_bundle_is_read_however_it_is_listed() {
    for (listed, artifact_type, layer_type, is_bundle) in [
        (BUNDLE, BUNDLE, BUNDLE, true),
        ("", BUNDLE, BUNDLE, true),
        // What old writers put into the list at the fallback tag.
        ("application/vnd.oci.empty.v1+json", BUNDLE, BUNDLE, true),
        (SBOM, BUNDLE, BUNDLE, true),
        ("", SBOM, BUNDLE, true),
        (OLD, OLD, OLD, true),
        (SBOM, SBOM, SBOM, false),
        ("", SBOM, SBOM, false),
    ] {
        let scene = Scene::new().await;
        let image = image();
        let built = referrer(&image, artifact_type, layer_type, "{}");
        serve(&scene.registry, &built);
        scene.registry.on(
            Match::get("/v2/team/app/referrers/"),
            list(&[entry(&built, listed)]),
        );
        let found = remote(&scene)
            .signatures(image.digest(), Wanted::BUNDLES)
            .await
            .unwrap();
        let expected: &[&str] = if is_bundle { &["{}"] } else { &[] };
        assert_eq!(shown(&found), expected, "{listed:?} {artifact_type} {layer_type}");
    }
}

#[tokio::test]
async fn bundles_are_read_from_the_fallback_tag_too_and_none_is_no_error() {
    for (has_list, expected) in [(true, 1), (false, 0)] {
        let scene = Scene::new().await;
        let image = image();
        let built = referrer(&image, BUNDLE, BUNDLE, "{}");
        serve(&scene.registry, &built);
        if has_list {
            let tag = image.digest().as_str().replace(':', "-");
            scene.registry.on(
                Match::get(&format!("/manifests/{tag}")),
                list(&[entry(&built, "")]),
            );
        }
        scene.registry.on(Match::any(), Answer::new(404));
        let found = remote(&scene)
            .signatures(image.digest(), Wanted::BUNDLES)
            .await
            .unwrap();
        assert_eq!(found.len(), expected);
    }
}

/// What is listed as a bundle and is none is told as a signature that cannot be accepted; it fails nothing.
#[tokio::test]
async fn t192_a_listed_bundle_that_is_none_is_a_rejected_signature() {
    let image = image();
    let other = Image::small("y").manifest().descriptor().clone();
    let foreign = referrer(&other, BUNDLE, BUNDLE, "foreign");
    let good = referrer(&image, BUNDLE, BUNDLE, "good");
    let absent = referrer(&image, BUNDLE, BUNDLE, "absent");
    let lost = referrer(&image, BUNDLE, BUNDLE, "lost");
    let large = Descriptor::new(kind(BUNDLE), wharf_testkit::sha256(b"large"), (4 << 20) + 1).unwrap();
    let large = ImageBuilder::new()
        .with_artifact_type(kind(BUNDLE))
        .with_layer(large)
        .with_subject(image.clone())
        .build()
        .unwrap();
    let mut blob = entry(&absent, BUNDLE);
    blob.as_object_mut()
        .unwrap()
        .insert("mediaType".to_owned(), SBOM.into());
    for (what, listed, expected) in [
        (
            "another subject",
            entry(&foreign, BUNDLE),
            "refers to another manifest",
        ),
        ("no such manifest", entry(&absent, BUNDLE), "not found"),
        ("no such blob", entry(&lost, BUNDLE), "not found"),
        ("too large", entry(&large, BUNDLE), "larger than the limit"),
        ("no manifest", blob, "it is no manifest"),
    ] {
        let scene = Scene::new().await;
        serve(&scene.registry, &foreign);
        serve(&scene.registry, &good);
        serve(&scene.registry, &large);
        let path = format!("/v2/team/app/manifests/{}", lost.digest());
        scene.registry.on(
            Match::get(&path),
            Answer::ok(lost.root().bytes().clone()).header("Content-Type", lost.root().media_type().as_str()),
        );
        scene.registry.on(
            Match::get("/v2/team/app/referrers/"),
            list(&[listed, entry(&good, BUNDLE)]),
        );
        scene.registry.on(Match::any(), Answer::new(404));
        let found = remote(&scene)
            .signatures(image.digest(), Wanted::BUNDLES)
            .await
            .unwrap();
        let found = shown(&found);
        let [rejected, good] = found.as_slice() else {
            panic!("{what}: {found:?}");
        };
        assert!(
            rejected.starts_with("no bundle: ") && rejected.contains(expected),
            "{what}: {rejected}"
        );
        assert_eq!(good, "good");
    }
}

#[tokio::test]
async fn t192_failures_of_the_registry_are_no_empty_list() {
    let image = image();
    let good = referrer(&image, BUNDLE, BUNDLE, "good");
    for (status, expected) in [
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Denied),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Server),
        (503, ErrorKind::Server),
    ] {
        for fails in ["/referrers/", "/manifests/sha256:", "/blobs/"] {
            let scene = Scene::new().await;
            scene.registry.on(Match::get(fails), Answer::new(status));
            serve(&scene.registry, &good);
            scene.registry.on(
                Match::get("/v2/team/app/referrers/"),
                list(&[entry(&good, BUNDLE)]),
            );
            let read = remote(&scene).signatures(image.digest(), Wanted::BUNDLES).await;
            let error = scene.failed(read);
            assert_eq!(error.kind(), expected, "{status} {fails}: {error}");
            assert!(error.to_string().contains("read the signatures of"), "{error}");
        }
    }
}

#[tokio::test]
async fn t192_bundles_are_bounded_in_number_and_size() {
    let image = image();
    let many: Vec<BuiltImage> = (0..101)
        .map(|number| referrer(&image, BUNDLE, BUNDLE, &number.to_string()))
        .collect();
    let rest = " ".repeat((4 << 20) - 1);
    let heavy: Vec<BuiltImage> = (0..9)
        .map(|number| referrer(&image, BUNDLE, BUNDLE, &format!("{number}{rest}")))
        .collect();
    for (what, served, requests, words) in [
        ("100 bundles", &many[..100], 201, None),
        ("101 bundles", &many[..], 203, Some("more than 100 bundles")),
        ("32 MiB", &heavy[..7], 15, None),
        ("more than 32 MiB", &heavy[..], 17, Some("more than 32 MiB")),
    ] {
        let scene = Scene::new().await;
        for one in served {
            serve(&scene.registry, one);
        }
        let entries: Vec<Value> = served.iter().map(|one| entry(one, BUNDLE)).collect();
        scene
            .registry
            .on(Match::get("/v2/team/app/referrers/"), list(&entries));
        let read = remote(&scene).signatures(image.digest(), Wanted::BUNDLES).await;
        match words {
            None => assert_eq!(read.unwrap().len(), served.len(), "{what}"),
            Some(words) => {
                let error = scene.failed(read);
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{what}: {error}");
                assert!(error.to_string().contains(words), "{error}");
            }
        }
        let lines = scene.registry.lines().len();
        assert!(lines <= requests, "{what}: {lines}");
    }
}

#[tokio::test]
async fn t192_a_hundred_thousand_referrers_are_refused_unread() {
    let image = image();
    let one = entry(&referrer(&image, BUNDLE, BUNDLE, "x"), BUNDLE);
    for count in [1_001, 100_000] {
        let scene = Scene::new().await;
        scene.registry.on(
            Match::get("/v2/team/app/referrers/"),
            list(&vec![one.clone(); count]),
        );
        let read = remote(&scene).signatures(image.digest(), Wanted::BUNDLES).await;
        let error = scene.failed(read);
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{count}: {error}");
        assert_eq!(scene.registry.lines().len(), 1, "{count}");
    }
}

#[tokio::test]
async fn bundles_are_read_where_the_manifest_came_from() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    let subject = image.manifest().descriptor();
    let mirror = scene.stage.origin("mirror.test").await;
    mirror.serve_manifest("cache/team/app", "v1", image.manifest());
    let built = bundles::artifact(&Bytes::from_static(b"{\"at\":\"mirror\"}"), subject).unwrap();
    let path = format!("/v2/cache/team/app/manifests/{}", built.digest());
    mirror.on(
        Match::get(&path),
        Answer::ok(built.root().bytes().clone()).header("Content-Type", built.root().media_type().as_str()),
    );
    for (descriptor, bytes) in built.blobs() {
        mirror.serve_blob("cache/team/app", descriptor.digest().as_str(), bytes);
    }
    mirror.on(
        Match::get("/v2/cache/team/app/referrers/"),
        list(&[entry(&built, BUNDLE)]),
    );
    scene
        .registry
        .on(Match::get("/v2/team/app/referrers/"), list(&[]));
    let registries = wharf_config::Registries::parse(
        "[[registry]]\nlocation = 'registry.example.test'\n\
         [[registry.mirror]]\nlocation = 'mirror.test/cache'\n",
    )
    .unwrap();
    let client = scene
        .builder()
        .with_resolve(std::sync::Arc::new(registries))
        .build()
        .unwrap();
    let remote = scene.remote_of(&client);
    let before = remote
        .signatures(subject.digest(), Wanted::BUNDLES)
        .await
        .unwrap();
    assert!(before.is_empty(), "nothing was read yet: the registry itself");
    remote.manifest(&super::scene::tag("v1")).await.unwrap();
    let asked = scene.registry.lines().len();
    let found = remote
        .signatures(subject.digest(), Wanted::BUNDLES)
        .await
        .unwrap();
    assert_eq!(shown(&found), ["{\"at\":\"mirror\"}"]);
    assert_eq!(remote.referrers(subject.digest(), None).await.unwrap().len(), 1);
    let source: &dyn wharf_content::Source = &remote;
    assert_eq!(source.referrers(subject.digest()).await.unwrap().len(), 1);
    assert_eq!(scene.registry.lines().len(), asked, "the registry is not asked");
}
