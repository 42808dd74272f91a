//! Subjects, referrers, several tags, deleting.

use wharf_config::SignatureStore;
use wharf_content::{Blob, ErrorKind, Manifest, MediaType, Signature, Target, Wanted};
use wharf_distribution::Remote;
use wharf_reference::Tag;
use wharf_testkit::{
    DockerRegistry, Image,
    hostile::{Answer, Match, Rule, Stage},
    peers_present,
};

use crate::support::{on_stage, plain, push_image, remote};

fn artifact(name: &str, subject: &Manifest) -> Image {
    Image::builder()
        .files(&[("x", name.as_bytes())])
        .subject(subject.descriptor())
        .artifact_type(MediaType::parse("application/vnd.example.sbom").unwrap())
        .annotation("org.example.name", name)
        .finish()
}

async fn push_artifact(remote: &Remote, image: &Image) {
    for (descriptor, bytes) in image.blobs() {
        remote
            .push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
            .await
            .unwrap();
    }
    remote.push_manifest(image.manifest(), None).await.unwrap();
}

/// docker-registry 2.8 has no referrers API.
#[tokio::test]
async fn referrers_of_a_registry_without_the_api() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let client = plain(&server.name()).build().unwrap();
    let app = remote(&client, &server.name(), "app");
    let image = Image::small("subject");
    push_image(&app, &image, "v1").await.unwrap();
    let subject = image.manifest().digest();
    assert!(app.referrers(subject, None).await.unwrap().is_empty());

    let artifacts: Vec<Image> = (0..8)
        .map(|n| artifact(&format!("a{n}"), image.manifest()))
        .collect();
    let pushes = artifacts.iter().map(|image| push_artifact(&app, image));
    futures_util::future::join_all(pushes).await;
    push_artifact(&app, &artifacts[0]).await;

    let listed = app.referrers(subject, None).await.unwrap();
    assert_eq!(listed.len(), 8, "no update is lost, nothing is listed twice");
    let first = listed
        .iter()
        .find(|entry| entry.digest() == artifacts[0].manifest().digest())
        .unwrap();
    assert_eq!(
        first.artifact_type().unwrap().as_str(),
        "application/vnd.example.sbom"
    );
    assert_eq!(first.annotations()["org.example.name"], "a0");
    assert_eq!(
        app.referrer(first, subject).await.unwrap(),
        *artifacts[0].manifest()
    );
    let other = MediaType::parse("application/vnd.example.other").unwrap();
    assert!(app.referrers(subject, Some(&other)).await.unwrap().is_empty());

    app.delete_referrer(artifacts[0].manifest()).await.unwrap();
    assert_eq!(app.referrers(subject, None).await.unwrap().len(), 7);
    let gone = Target::Digest(artifacts[0].manifest().digest().clone());
    assert_eq!(app.manifest(&gone).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Signatures of sigstore at a registry that knows neither referrers nor signatures.
#[tokio::test]
async fn signatures_are_kept_by_a_registry_without_the_api() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let store = SignatureStore::default().with_attachments(true);
    let client = plain(&server.name())
        .with_signature_locations(store)
        .build()
        .unwrap();
    let app = remote(&client, &server.name(), "app");
    let image = Image::small("subject");
    push_image(&app, &image, "v1").await.unwrap();
    let signatures: Vec<[Signature; 2]> = (0..8)
        .map(|number| {
            let attachment = Signature::Attachment {
                media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
                payload: "payload".into(),
                annotations: [("sig".to_owned(), number.to_string())].into(),
            };
            [attachment, Signature::Bundle(number.to_string().into())]
        })
        .collect();
    let subject = image.manifest().descriptor();
    for added in [2, 0] {
        let pushes = signatures
            .iter()
            .map(|signatures| app.push_signatures(subject, None, signatures));
        for pushed in futures_util::future::join_all(pushes).await {
            assert_eq!(pushed.unwrap(), added);
        }
    }
    let found = app
        .signatures(subject.digest(), Wanted::EVERYTHING)
        .await
        .unwrap();
    assert_eq!(found.len(), 16);
    assert!(
        signatures
            .iter()
            .flatten()
            .all(|signature| found.contains(signature))
    );
}

#[tokio::test]
async fn something_else_at_the_fallback_tag_is_left_alone() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let client = plain(&server.name()).build().unwrap();
    let app = remote(&client, &server.name(), "app");
    let image = Image::small("subject");
    let tag = image.manifest().digest().as_str().replace(':', "-");
    let other = Image::small("somebody's");
    push_image(&app, &image, "v1").await.unwrap();
    push_image(&app, &other, &tag).await.unwrap();
    assert!(
        app.referrers(image.manifest().digest(), None)
            .await
            .unwrap()
            .is_empty()
    );
    let artifact = artifact("a", image.manifest());
    for (descriptor, bytes) in artifact.blobs() {
        app.push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
            .await
            .unwrap();
    }
    let error = app.push_manifest(artifact.manifest(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let kept = app
        .manifest(&Target::Name(Tag::parse(&tag).unwrap().into()))
        .await
        .unwrap();
    assert_eq!(kept, *other.manifest());
}

#[tokio::test]
async fn a_failure_is_no_empty_list() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    let image = Image::small("x");
    for status in [400, 403, 429, 500] {
        registry.clear();
        registry.on(Match::any(), Answer::new(status));
        assert!(
            app.referrers(image.manifest().digest(), None).await.is_err(),
            "{status}"
        );
    }
    registry.clear();
    registry.on(
        Match::any(),
        Answer::ok(image.manifest().bytes().clone()).header("Content-Type", "application/json"),
    );
    assert!(app.referrers(image.manifest().digest(), None).await.is_err());
}

#[tokio::test]
async fn several_tags_go_with_one_manifest_where_they_can() {
    let image = Image::small("x");
    let tags = ["a", "b", "c"].map(|tag| Tag::parse(tag).unwrap());
    for (offered, requests) in [("a,b", 2), ("", 4), ("a, b, c", 1)] {
        let stage = Stage::new();
        let registry = stage.origin("reg.test").await;
        let client = on_stage(&stage).build().unwrap();
        registry.rule(Rule::call(Match::on("PUT", "/manifests/"), move |request| {
            if request.query("tag").is_empty() {
                Answer::new(201)
            } else {
                Answer::new(201).header("OCI-Tag", offered)
            }
        }));
        let app = remote(&client, "reg.test", "app");
        app.push_manifest_tags(image.manifest(), &tags).await.unwrap();
        assert_eq!(
            registry.requests().len(),
            requests,
            "{offered:?} {:?}",
            registry.lines()
        );
    }
}

#[tokio::test]
async fn deleting() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let client = plain(&server.name()).build().unwrap();
    let app = remote(&client, &server.name(), "app");
    let image = Image::small("x");
    push_image(&app, &image, "v1").await.unwrap();
    let digest = image.manifest().digest();
    app.delete_manifest(digest).await.unwrap();
    let again = app.delete_manifest(digest).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound, "{again}");
    let (blob, _) = &image.blobs()[0];
    app.delete_blob(blob.digest()).await.unwrap();
    assert!(!app.has_blob(blob).await.unwrap());
    let tag = app.delete_tag(&Tag::latest()).await.unwrap_err();
    assert_eq!(tag.kind(), ErrorKind::Unsupported, "{tag:?}");
}
