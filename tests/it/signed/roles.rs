//! Indexes, their images, referrers, and images that look like something else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use wharf::{
    ErrorKind, IndexBuilder, MediaType, Options, Platform, Selection,
    content::{Gate, Manifest, Rejection, Role},
    copy::Referrers,
    store::Memory,
};
use wharf_testkit::hostile::Answer;

use super::{
    NONE,
    host::{Host, Image, REGISTRY},
    keys::{Cosign, Kit},
};

/// A host that wants everything of RHEL's registry signed by a key of cosign's.
async fn host(key: &Cosign) -> Host {
    let host = Host::new().await;
    host.write("etc/pki/cosign.pub", key.pem());
    let path = host.path("etc/pki/cosign.pub").display().to_string();
    host.demand(&format!(
        r#"[{{"type": "sigstoreSigned", "keyPath": {path:?}, "signedIdentity": {{"type": "matchRepository"}}}}]"#
    ));
    host.write(
        "etc/containers/registries.d/attachments.yaml",
        format!("docker:\n  {REGISTRY}/team:\n    use-sigstore-attachments: true\n"),
    );
    host
}

/// Publishes an index of two images, and signs those of its parts that are chosen: the index and the images.
async fn index(host: &Host, key: &Cosign, tag: &str, signed: [bool; 3]) -> [Manifest; 3] {
    let name = format!("{REGISTRY}/team/app:{tag}");
    let platforms = [Platform::new("linux", "amd64"), Platform::new("linux", "arm64")];
    let images = platforms.clone().map(|platform| {
        wharf::ImageBuilder::for_platform(platform)
            .with_tar(tag.as_bytes().to_vec())
            .build()
            .unwrap()
    });
    let built = images
        .iter()
        .fold(IndexBuilder::new(), IndexBuilder::with_image)
        .build()
        .unwrap();
    let publisher = host.publisher();
    publisher.push_image(&built, name.as_str()).await.unwrap();
    let parts = [
        built.root().clone(),
        images[0].root().clone(),
        images[1].root().clone(),
    ];
    for (part, signed) in parts.iter().zip(signed) {
        if signed {
            let signature = key.sign(part, &format!("{REGISTRY}/team/app"));
            host.attach(&name, part, signature).await;
        }
    }
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_index_each_image_that_is_copied_is_judged_and_the_index_is_not() {
    let key = Cosign::new();
    let host = host(&key).await;
    let amd64 = || Options::from(Platform::new("linux", "amd64"));
    let arm64 = || Options::from(Platform::new("linux", "arm64"));
    let all = || Options::from(Selection::All);
    for (tag, signed, options, accepted) in [
        ("all", [true, true, true], all(), 2),
        ("images", [false, true, true], all(), 2),
        ("one", [false, true, false], amd64(), 1),
        ("other", [false, true, false], arm64(), 0),
        ("half", [true, true, false], all(), 0),
        ("index", [true, false, false], all(), 0),
        ("index", [true, false, false], amd64(), 0),
    ] {
        let parts = index(&host, &key, tag, signed).await;
        let name = format!("{REGISTRY}/team/app:{tag}");
        let store = Memory::new();
        match host.client().pull_with(&name, &store, options).await {
            Ok(pulled) => {
                assert_eq!(pulled.verdicts().len(), accepted, "{tag}");
                let is_image = |digest| parts[1..].iter().any(|image| image.digest() == digest);
                assert!(pulled.verdicts().iter().all(|verdict| is_image(verdict.digest())));
            }
            Err(error) => {
                assert_eq!(
                    (error.kind(), accepted),
                    (ErrorKind::Rejected, 0),
                    "{tag}: {error}"
                );
                let text = error.to_string();
                let is_named =
                    |image: &Manifest| text.contains(&format!("the image {} of the index", image.digest()));
                assert!(parts[1..].iter().any(is_named), "{tag}: {text}");
                let index = format!("the index {} is signed", parts[0].digest());
                assert_eq!(text.contains(&index), signed[0], "{tag}: {text}");
            }
        }
    }
}

/// What an image says of itself is written by whoever made it.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_looks_like_a_signature_is_judged_when_it_is_asked_for() {
    let key = Cosign::new();
    let host = host(&key).await;
    let signed = Image::with_layer("signed");
    let name = format!("{REGISTRY}/team/app:signed");
    host.publish(&name, &signed).await;
    let signature = key.sign(&signed.manifest, &format!("{REGISTRY}/team/app"));
    host.attach(&name, &signed.manifest, signature).await;
    let dressed = |artifact_type: &str| {
        wharf::ImageBuilder::for_platform(Platform::host())
            .with_artifact_type(MediaType::parse(artifact_type).unwrap())
            .with_subject(signed.manifest.descriptor().clone())
            .with_tar(artifact_type.as_bytes().to_vec())
            .build()
            .unwrap()
    };
    let images = [
        dressed("application/vnd.dev.sigstore.bundle.v0.3+json"),
        dressed("application/vnd.dev.cosign.simplesigning.v1+json"),
        dressed("application/spdx+json"),
    ];
    for image in &images {
        let by_digest = format!("{REGISTRY}/team/app@{}", image.digest());
        host.publisher()
            .push_image(image, by_digest.as_str())
            .await
            .unwrap();
        let tag = format!("sha256-{}.sig", "0".repeat(64));
        let by_tag = format!("{REGISTRY}/team/app:{tag}");
        host.publisher().push_image(image, by_tag.as_str()).await.unwrap();
        for name in [by_digest, by_tag] {
            let error = host.pull(&name).await.unwrap_err();
            assert!(error.to_string().contains(NONE), "{name}: {error}");
        }
    }
    // As referrers of an image that was judged they come with it, without a name.
    let options = Options::default().with_referrers(Referrers::default());
    let store = Memory::new();
    let pulled = host.client().pull_with(&name, &store, options).await.unwrap();
    assert_eq!(pulled.verdicts().len(), 1);
    let moved: Vec<_> = pulled
        .report()
        .outcomes()
        .map(|(part, _)| part.digest().clone())
        .collect();
    assert!(
        images.iter().all(|image| moved.contains(image.digest())),
        "{moved:?}"
    );
}

/// An index may list anything, and what is no image cannot be signed.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_other_content_is_refused_where_a_signature_is_demanded() {
    let key = Cosign::new();
    let host = host(&key).await;
    let publisher = host.publisher();
    let name = format!("{REGISTRY}/team/app:cache");
    let reference = wharf::Reference::parse(&name).unwrap();
    let remote = publisher.distribution().remote(&reference.repository());
    let layer = wharf::content::Blob::of(MediaType::OCI_LAYER, b"unsigned".as_slice());
    let layer_descriptor = layer.descriptor().clone();
    remote.push_blob(layer).await.unwrap();
    for (entries, part) in [
        (vec![layer_descriptor], "which is no image that could be signed"),
        (vec![], "lists no image that could be signed"),
    ] {
        let index =
            serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
        let index = serde_json::to_vec(&index).unwrap();
        let index = Manifest::parse(index.into(), Some(&MediaType::OCI_INDEX)).unwrap();
        remote
            .push_manifest(&index, reference.tag().as_ref())
            .await
            .unwrap();
        let store = Memory::new();
        let pulled = host.client().pull_with(&name, &store, Selection::All).await;
        let error = pulled.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Counts what it is asked, and refuses images of more than so many layers.
struct FewLayers(usize, AtomicUsize);

#[async_trait]
impl Gate for FewLayers {
    async fn admit(&self, manifest: &Manifest, _: &Role) -> Result<(), Rejection> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if manifest.layers().len() > self.0 {
            return Err(Rejection::new("it has too many layers"));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_own_gate_and_the_policy_must_both_admit() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.publish(&kit.name(), &kit.image).await;
    let other = Image::with_layer("one layer");
    host.publish("registry.example/app:other", &other).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    for (name, most, accepted) in [
        ("registry.example/app:1", 0, true),
        ("registry.example/app:other", 0, false), // refused by both
        ("registry.example/app:other", 1, false), // refused by the policy
    ] {
        let gate = Arc::new(FewLayers(most, AtomicUsize::new(0)));
        let options = Options::default().with_gate(Arc::clone(&gate));
        let store = Memory::new();
        let pulled = host.client().pull_with(name, &store, options).await;
        assert_eq!(pulled.is_ok(), accepted, "{name} {pulled:?}");
        assert_eq!(gate.1.load(Ordering::Relaxed), 1, "{name}");
    }
}
