//! Registries that answer one thing and another while an image is signed.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use wharf::{
    Client, Digest, Error, ErrorKind, Reference,
    config::SignatureStore,
    content::{MediaType, Sign, Signature, Wanted},
    copy::Report,
    http::{ReqwestConnector, RetryPolicy},
};
use wharf_registry::{Quirk, Registry};
use wharf_testkit::{
    Image,
    hostile::{Answer, Fault, Match, Origin, Rule, Stage},
};

pub(super) const REGISTRY: &str = "registry.example";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Signs with a text, and remembers which digests.
#[derive(Clone)]
pub(super) struct Pen {
    kind: Wanted,
    signed: Arc<Mutex<Vec<Digest>>>,
}

impl Pen {
    pub(super) fn of(kind: Wanted) -> Self {
        let signed = Arc::default();
        Self { kind, signed }
    }

    fn signed(&self) -> Vec<Digest> {
        self.signed.lock().unwrap().clone()
    }
}

impl Sign for Pen {
    fn kind(&self) -> Wanted {
        self.kind
    }

    fn sign(&self, manifest: &Digest, _: &Reference) -> Result<Signature, Error> {
        self.signed.lock().unwrap().push(manifest.clone());
        let text = format!("of {manifest}");
        if self.kind == Wanted::BUNDLES {
            return Ok(Signature::Bundle(
                format!(r#"{{"messageSignature":{text:?}}}"#).into(),
            ));
        }
        Ok(Signature::Attachment {
            media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json")?,
            payload: text.into(),
            annotations: [("dev.cosignproject.cosign/signature".to_owned(), "x".to_owned())].into(),
        })
    }
}

pub(super) struct Scene {
    _stage: Stage,
    pub(super) origin: Origin,
    pub(super) client: Client,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let stage = Stage::new();
        let origin = stage.origin(REGISTRY).await;
        let registry = Registry::memory().with_quirk(Quirk::NoReferrers);
        origin.serve_registry(&registry);
        let client = Client::builder()
            .with_root_pem(stage.ca().pem())
            .with_retry(RetryPolicy::never())
            .with_signature_locations(SignatureStore::default().with_attachments(true))
            .with_connect(ReqwestConnector::new().with_dns_resolver(Arc::new(stage.names())))
            .build()
            .unwrap();
        Self {
            _stage: stage,
            origin,
            client,
        }
    }

    pub(super) async fn push(&self, image: &Image, tag: &str) {
        let directory = tempfile::tempdir().unwrap();
        image.write_layout(directory.path(), "x");
        let from = format!("oci:{}:x", directory.path().display());
        let to = format!("docker://{REGISTRY}/app:{tag}");
        self.client.copy(from.as_str(), to.as_str()).await.unwrap();
    }

    pub(super) async fn sign(&self, pen: &Pen) -> Result<Report, Error> {
        self.client.sign("registry.example/app:1", [pen.clone()]).await
    }

    /// The signatures that the registry has of a manifest.
    pub(super) async fn signatures(&self, manifest: &Digest, kind: Wanted) -> usize {
        let repository = Reference::parse(&format!("{REGISTRY}/app")).unwrap().repository();
        let remote = self.client.distribution().remote(&repository);
        remote.signatures(manifest, kind).await.unwrap().len()
    }

    /// The requests that write something, after the first ones.
    pub(super) fn writes(&self, after: usize) -> Vec<String> {
        let reads = |line: &String| line.starts_with("GET") || line.starts_with("HEAD");
        let lines = self.origin.lines();
        lines
            .into_iter()
            .skip(after)
            .filter(|line| !reads(line))
            .collect()
    }
}

pub(super) fn served(image: &Image) -> Answer {
    Answer::ok(image.manifest().bytes().clone()).header("Content-Type", MANIFEST)
}

pub(super) fn hex(number: u32) -> String {
    format!("sha256:{number:064x}")
}

/// The causes of an error, in one text.
pub(super) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    assert!(text.len() < 2_000, "{text}");
    text
}

/// The tag leads to another image with every answer: the first one is signed, and it alone.
#[tokio::test(flavor = "multi_thread")]
async fn t170_what_was_read_first_is_what_is_signed() {
    for kind in [Wanted::ATTACHMENTS, Wanted::BUNDLES] {
        let scene = Scene::new().await;
        let images = ["one", "two", "three"].map(Image::small);
        for image in &images {
            scene.push(image, "x").await;
        }
        let count = AtomicUsize::new(0);
        let answers: Vec<Answer> = images.iter().map(served).collect();
        let alternating = Rule::call(Match::on("GET", "/v2/app/manifests/1"), move |_| {
            answers[count.fetch_add(1, Ordering::Relaxed) % answers.len()].clone()
        });
        scene.origin.first(alternating);
        let pen = Pen::of(kind);
        let report = scene.sign(&pen).await.unwrap();
        let [first, second, third] = images.map(|image| image.manifest().digest().clone());
        assert_eq!(*report.digest(), first);
        assert_eq!(pen.signed(), std::slice::from_ref(&first));
        assert_eq!(scene.signatures(&first, kind).await, 1);
        for other in [second, third] {
            assert_eq!(scene.signatures(&other, kind).await, 0);
        }
    }
}

/// Bytes of another digest than the one that was asked for, or than the registry itself states, are signed by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn t170_an_image_of_another_digest_is_not_signed() {
    let (image, other) = (Image::small("one"), Image::small("another"));
    let digest = image.manifest().digest().clone();
    let pinned = format!("{REGISTRY}/app@{digest}");
    for (name, wrong) in [
        (pinned.clone(), served(&other)),
        (format!("{REGISTRY}/app:1@{digest}"), served(&other)),
        (
            format!("{REGISTRY}/app:1"),
            served(&other).header("Docker-Content-Digest", digest.as_str()),
        ),
        (
            format!("{REGISTRY}/app:1"),
            served(&image).header("Docker-Content-Digest", &hex(1)),
        ),
        (pinned, served(&image).fault(Fault::Flip(20))),
    ] {
        let scene = Scene::new().await;
        scene.push(&image, "1").await;
        scene
            .origin
            .first(Rule::new(Match::get("/v2/app/manifests/"), wrong));
        let before = scene.origin.lines().len();
        let pen = Pen::of(Wanted::ATTACHMENTS);
        let error = scene.client.sign(name.as_str(), [pen.clone()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{name}: {error}");
        assert!(pen.signed().is_empty(), "{name}");
        assert_eq!(scene.writes(before), [""; 0], "{name}");
    }
}

/// Of two signers the second one fails: nothing is written. If it is the store of the second one, that is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signer_that_fails_leaves_nothing_of_the_first() {
    let image = Image::small("one");
    let scene = Scene::new().await;
    scene.push(&image, "1").await;
    let good = Pen::of(Wanted::ATTACHMENTS);
    let broken = Arc::new(Broken);
    let before = scene.origin.lines().len();
    let signers: [Arc<dyn Sign>; 2] = [Arc::new(good.clone()), broken];
    let error = scene
        .client
        .sign("registry.example/app:1", signers)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let expected = format!(
        "registry.example/app@{} was not signed",
        image.manifest().digest()
    );
    assert!(told(&error).starts_with(&expected), "{}", told(&error));
    assert_eq!(scene.writes(before), [""; 0]);
    assert_eq!(good.signed().len(), 1);

    let referrers = format!("/v2/app/referrers/{}", image.manifest().digest());
    scene
        .origin
        .first(Rule::new(Match::get(&referrers), Answer::new(500)));
    let both: [Arc<dyn Sign>; 2] = [Arc::new(Pen::of(Wanted::BUNDLES)), Arc::new(good)];
    let error = scene
        .client
        .sign("registry.example/app:1", both)
        .await
        .unwrap_err();
    assert!(
        told(&error).starts_with("not all signatures of "),
        "{}",
        told(&error)
    );
    let digest = image.manifest().digest();
    assert_eq!(scene.signatures(digest, Wanted::ATTACHMENTS).await, 1);
}

/// A signer that has no key, and panics.
struct Broken;

impl Sign for Broken {
    fn kind(&self) -> Wanted {
        Wanted::BUNDLES
    }

    fn sign(&self, _: &Digest, _: &Reference) -> Result<Signature, Error> {
        panic!("no key")
    }
}
