//! Signatures that are carried and made.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use wharf_content::{Error, ErrorKind, Hasher, Manifest, MediaType, Name, Platform, Sign, Signature, Wanted};
use wharf_copy::{Options, Report, Selection, SignatureCounts, Signatures, copy, plan};
use wharf_reference::{Algorithm, Digest, Reference};

use crate::test_store::{Done, TestStore, target};

const REPOSITORY: &str = "registry.example/team/app";

fn simple(text: &str) -> Signature {
    Signature::Simple(format!("\u{90}{text}").into_bytes().into())
}

fn attachment(text: &str) -> Signature {
    Signature::Attachment {
        media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
        payload: text.as_bytes().to_vec().into(),
        annotations: [("sig".to_owned(), text.to_owned())].into(),
    }
}

fn bundle(text: &str) -> Signature {
    Signature::Bundle(format!("{{\"x\":{text:?}}}").into())
}

/// One signature of each kind.
fn each_kind(text: &str) -> [Signature; 3] {
    [simple(text), attachment(text), bundle(text)]
}

fn everything() -> Wanted {
    Wanted::SIMPLE.or(Wanted::ATTACHMENTS).or(Wanted::BUNDLES)
}

fn sink(keeps: Wanted) -> Arc<TestStore> {
    Arc::new(TestStore {
        keeps,
        ..TestStore::repository(REPOSITORY)
    })
}

fn options() -> Options {
    Options::default().with_name(Name::parse("1.0").unwrap())
}

/// An index of two images, with signatures of all three manifests.
fn index(source: &TestStore) -> [Manifest; 3] {
    let images = [source.image("a", &["1"]), source.image("b", &["2"])];
    let [first, second] = [("amd64", &images[0]), ("arm64", &images[1])].map(|(architecture, image)| {
        image
            .descriptor()
            .clone()
            .with_platform(Platform::new("linux", architecture))
    });
    let root = source.index(&[first, second]);
    source.name("x", &root);
    let [one, two] = images;
    for (manifest, text) in [(&root, "index"), (&one, "one"), (&two, "two")] {
        source.sign(manifest, &each_kind(text));
    }
    [root, one, two]
}

fn image(source: &TestStore, signatures: &[Signature]) -> Manifest {
    let image = source.image("a", &["1", "2"]);
    source.name("x", &image);
    source.sign(&image, signatures);
    image
}

async fn copied(source: &Arc<TestStore>, sink: &Arc<TestStore>, options: Options) -> Result<Report, Error> {
    copy(source.clone(), sink.clone(), &target("x"), options).await
}

fn counts(carried: usize, made: usize, dropped: usize) -> SignatureCounts {
    let mut counts = SignatureCounts::default();
    (counts.carried, counts.made, counts.dropped) = (carried, made, dropped);
    counts
}

/// A signer that writes down what it signs.
#[derive(Clone)]
struct Pen {
    kind: Wanted,
    signed: Arc<Mutex<Vec<(Digest, String)>>>,
    /// The call, counted from 0, that fails.
    fails_at: Option<usize>,
}

impl Pen {
    fn of(kind: Wanted) -> Self {
        Self {
            kind,
            signed: Arc::default(),
            fails_at: None,
        }
    }

    fn signed(&self) -> Vec<(Digest, String)> {
        self.signed.lock().unwrap().clone()
    }
}

impl Sign for Pen {
    fn kind(&self) -> Wanted {
        self.kind
    }

    fn sign(&self, manifest: &Digest, identity: &Reference) -> Result<Signature, Error> {
        let mut signed = self.signed.lock().unwrap();
        if self.fails_at == Some(signed.len()) {
            return Err(Error::new(ErrorKind::Denied, "the key is locked"));
        }
        signed.push((manifest.clone(), identity.as_str().to_owned()));
        let text = format!("made {manifest}");
        Ok(match self.kind {
            Wanted::SIMPLE => simple(&text),
            Wanted::BUNDLES => bundle(&text),
            _ => attachment(&text),
        })
    }
}

#[tokio::test]
async fn signatures_are_not_asked_for_unless_they_are_carried() {
    let source = Arc::new(TestStore::new());
    let image = image(&source, &each_kind("a"));
    let sink = sink(everything());
    let report = copied(&source, &sink, options()).await.unwrap();
    assert_eq!(report.signatures(), SignatureCounts::default());
    assert_eq!(source.count(|done| matches!(done, Done::ReadSignatures(_))), 0);
    assert_eq!(sink.count(|done| matches!(done, Done::Signed(_))), 0);
    assert!(sink.signatures_of(image.digest()).is_empty());
}

#[tokio::test]
async fn signatures_of_every_copied_manifest_are_carried_after_the_image_is_complete() {
    for of_index in [true, false] {
        let source = Arc::new(TestStore::new());
        let [root, one, two] = index(&source);
        let sink = sink(everything());
        let options = options()
            .with_selection(Selection::All)
            .with_signatures(Signatures::Carry)
            .with_index_signatures(of_index);
        let report = copied(&source, &sink, options).await.unwrap();
        let of_root = if of_index {
            each_kind("index").to_vec()
        } else {
            vec![]
        };
        assert_eq!(sink.signatures_of(root.digest()), of_root);
        assert_eq!(sink.signatures_of(one.digest()), each_kind("one"));
        assert_eq!(sink.signatures_of(two.digest()), each_kind("two"));
        assert_eq!(report.signatures(), counts(6 + of_root.len(), 0, 0));
        let log = sink.log();
        let named = log
            .iter()
            .position(|done| matches!(done, Done::Manifest(_, Some(_))));
        let signed: Vec<usize> = (0..log.len())
            .filter(|at| matches!(log[*at], Done::Signed(_)))
            .collect();
        assert!(signed.iter().all(|at| Some(*at) > named), "{log:?}");
        if of_index {
            assert_eq!(
                log.last(),
                Some(&Done::Signed(root.digest().clone())),
                "that of the root is the last"
            );
        }
    }
}

#[tokio::test]
async fn one_image_of_an_index_has_its_own_signatures() {
    let source = Arc::new(TestStore::new());
    let [root, one, two] = index(&source);
    let sink = sink(everything());
    let options = options()
        .with_selection(Platform::new("linux", "arm64"))
        .with_signatures(Signatures::Carry);
    copied(&source, &sink, options).await.unwrap();
    assert!(sink.signatures_of(root.digest()).is_empty());
    assert!(sink.signatures_of(one.digest()).is_empty());
    assert_eq!(sink.signatures_of(two.digest()), each_kind("two"));
    assert_eq!(source.count(|done| matches!(done, Done::ReadSignatures(_))), 1);
}

/// Which kinds the sink keeps, whether the copy succeeds under `Carry`, and what is left out under `CarryWhatFits`.
#[tokio::test]
async fn what_does_not_fit_fails_the_copy_or_is_left_out_and_told() {
    for (keeps, carried, dropped) in [
        (everything(), 3, 0),
        (Wanted::ATTACHMENTS.or(Wanted::BUNDLES), 2, 1),
        (Wanted::SIMPLE, 1, 2),
        (Wanted::BUNDLES, 1, 2),
        (Wanted::NOTHING, 0, 3),
    ] {
        let source = Arc::new(TestStore::new());
        let image = image(&source, &each_kind("a"));
        let strict = sink(keeps);
        let carry = options().with_signatures(Signatures::Carry);
        let result = copied(&source, &strict, carry.clone()).await;
        if dropped == 0 {
            assert_eq!(result.unwrap().signatures(), counts(3, 0, 0));
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(
                error
                    .to_string()
                    .contains("cannot be carried to registry.example/team/app"),
                "{error}"
            );
            let written = |done: &Done| matches!(done, Done::Blob(_) | Done::Manifest(..) | Done::Signed(_));
            assert_eq!(
                strict.count(written),
                0,
                "nothing is written before it is refused"
            );
            let planned = plan(source.clone(), strict.clone(), &target("x"), carry).await;
            assert_eq!(planned.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let lax = sink(keeps);
        let report = copied(
            &source,
            &lax,
            options().with_signatures(Signatures::CarryWhatFits),
        )
        .await
        .unwrap();
        assert_eq!(report.signatures(), counts(carried, 0, dropped));
        assert_eq!(report.warnings().len(), dropped, "{:?}", report.warnings());
        assert!(
            report
                .warnings()
                .iter()
                .all(|warning| warning.contains("are not kept"))
        );
        assert_eq!(lax.signatures_of(image.digest()).len(), carried);
    }
}

#[tokio::test]
async fn an_image_without_signatures_is_carried_anywhere() {
    let source = Arc::new(TestStore::new());
    image(&source, &[]);
    for signatures in [Signatures::Carry, Signatures::CarryWhatFits] {
        let sink = sink(Wanted::NOTHING);
        let report = copied(&source, &sink, options().with_signatures(signatures))
            .await
            .unwrap();
        assert_eq!(report.signatures(), SignatureCounts::default());
    }
}

#[tokio::test]
async fn blobs_that_are_no_signatures_are_left_out() {
    let source = Arc::new(TestStore::new());
    let page = Signature::from_blob("<html>".into());
    let image = image(&source, &[page, simple("a"), attachment("")]);
    for signatures in [Signatures::Carry, Signatures::CarryWhatFits] {
        let sink = sink(everything());
        let report = copied(&source, &sink, options().with_signatures(signatures))
            .await
            .unwrap();
        assert_eq!(report.signatures(), counts(1, 0, 2));
        assert_eq!(report.warnings().len(), 1, "{:?}", report.warnings());
        assert_eq!(sink.signatures_of(image.digest()), [simple("a")]);
    }
}

/// A sink that keeps blobs and manifests together would have an image that no gate was asked for.
#[tokio::test]
async fn t174_manifests_in_the_place_of_signatures_are_left_out() {
    let source = Arc::new(TestStore::new());
    let image = source.image("a", &["1"]);
    let unsigned = source.image("unsigned", &["2"]);
    let list = source.index(&[unsigned.descriptor().clone()]);
    source.name("x", &image);
    let [good, smuggled] = ["good", "smuggled"].map(attachment);
    let with = |payload: &Manifest| match &smuggled {
        Signature::Attachment {
            media_type,
            annotations,
            ..
        } => Signature::Attachment {
            media_type: media_type.clone(),
            payload: payload.bytes().clone(),
            annotations: annotations.clone(),
        },
        other => panic!("{other:?}"),
    };
    let bundle = Signature::Bundle(unsigned.bytes().clone());
    source.sign(&image, &[with(&unsigned), good.clone(), with(&list), bundle]);
    let sink = sink(everything());
    let options = options().with_signatures(Signatures::Carry);
    let report = copied(&source, &sink, options).await.unwrap();
    assert_eq!(report.signatures(), counts(1, 0, 3));
    assert_eq!(sink.signatures_of(image.digest()), [good]);
}

#[tokio::test]
async fn a_source_that_cannot_tell_its_signatures_fails_the_copy_before_anything_is_written() {
    for signatures in [Signatures::Carry, Signatures::CarryWhatFits] {
        let source = Arc::new(TestStore {
            failures: HashMap::from([(1, false)]),
            ..TestStore::new()
        });
        image(&source, &each_kind("a"));
        let sink = sink(everything());
        let error = copied(&source, &sink, options().with_signatures(signatures))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert_eq!(
            sink.count(|done| matches!(done, Done::Blob(_) | Done::Manifest(..))),
            0
        );
    }
}

#[tokio::test]
async fn x7_the_signatures_of_a_copy_are_bounded() {
    let large = bytes::Bytes::from(vec![b'x'; 4 << 20]);
    for (count, is_refused) in [(16, false), (17, true)] {
        let source = Arc::new(TestStore::new());
        image(&source, &vec![Signature::Simple(large.clone()); count]);
        let sink = sink(everything());
        let result = copied(&source, &sink, options().with_signatures(Signatures::Carry)).await;
        assert_eq!(
            result.as_ref().err().map(Error::kind),
            is_refused.then_some(ErrorKind::TooLarge)
        );
        let is_written = sink.count(|done| matches!(done, Done::Manifest(..))) > 0;
        assert_eq!(is_written, !is_refused);
    }
}

#[tokio::test]
async fn signatures_are_added_to_an_image_that_is_there_already() {
    let source = Arc::new(TestStore::new());
    let image = image(&source, &[]);
    let sink = sink(everything());
    let carry = options().with_signatures(Signatures::Carry);
    copied(&source, &sink, carry.clone()).await.unwrap();
    source.sign(&image, &each_kind("a"));
    for _ in 0..2 {
        let report = copied(&source, &sink, carry.clone()).await.unwrap();
        assert_eq!(report.signatures(), counts(3, 0, 0));
        assert_eq!(sink.signatures_of(image.digest()), each_kind("a"));
    }
}

#[tokio::test]
async fn every_copied_manifest_is_signed_behind_the_signatures_that_it_has() {
    let source = Arc::new(TestStore::new());
    let [root, one, two] = index(&source);
    let sink = sink(everything());
    let pens = [Pen::of(Wanted::SIMPLE), Pen::of(Wanted::ATTACHMENTS)];
    let options = options()
        .with_selection(Selection::All)
        .with_signatures(Signatures::Carry)
        .with_signers(pens.clone());
    let report = copied(&source, &sink, options).await.unwrap();
    assert_eq!(report.signatures(), counts(9, 6, 0));
    for (manifest, text) in [(&root, "index"), (&one, "one"), (&two, "two")] {
        let made = format!("made {}", manifest.digest());
        let expected = [&each_kind(text)[..], &[simple(&made), attachment(&made)]].concat();
        assert_eq!(sink.signatures_of(manifest.digest()), expected);
    }
    for pen in pens {
        let identities: Vec<String> = pen.signed().into_iter().map(|(_, identity)| identity).collect();
        assert_eq!(identities, vec![format!("{REPOSITORY}:1.0"); 3]);
    }
}

/// Where an image goes, under which name, for which name it should be signed, and for which it is.
#[tokio::test]
async fn an_image_is_signed_for_its_name_in_the_registry_or_the_one_that_was_given() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let pinned = format!("other.example/x@{digest}");
    for (location, name, identity, expected) in [
        (
            Some(REPOSITORY),
            Some("1.0"),
            None,
            Some("registry.example/team/app:1.0"),
        ),
        (
            Some(REPOSITORY),
            None,
            None,
            Some("registry.example/team/app@DIGEST"),
        ),
        (
            Some(REPOSITORY),
            Some("1.0"),
            Some("other.example/x:2"),
            Some("other.example/x:2"),
        ),
        (Some(REPOSITORY), Some("1.0"), Some(&*pinned), Some(&*pinned)),
        (Some(REPOSITORY), Some("1.0"), Some("other.example/x"), None),
        // A name in a store is none of a registry, whatever it looks like.
        (None, Some("registry.example/team/app:1.0"), None, None),
        (None, None, None, None),
        (
            None,
            Some("1.0"),
            Some("other.example/x:2"),
            Some("other.example/x:2"),
        ),
    ] {
        let source = Arc::new(TestStore::new());
        let image = image(&source, &[]);
        let sink = Arc::new(TestStore {
            keeps: everything(),
            ..location.map_or_else(TestStore::new, TestStore::repository)
        });
        let pen = Pen::of(Wanted::BUNDLES);
        let mut options = Options::default().with_signers([pen.clone()]);
        if let Some(name) = name {
            options = options.with_name(Name::parse(name).unwrap());
        }
        if let Some(identity) = identity {
            options = options.with_sign_identity(Reference::parse(identity).unwrap());
        }
        let result = copied(&source, &sink, options).await;
        if let Some(expected) = expected {
            assert_eq!(result.unwrap().signatures(), counts(0, 1, 0));
            let expected = expected.replace("DIGEST", image.digest().as_str());
            assert_eq!(pen.signed(), [(image.digest().clone(), expected)]);
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().starts_with("cannot sign"), "{error}");
            let written = |done: &Done| matches!(done, Done::Blob(_) | Done::Manifest(..));
            assert_eq!(sink.count(written), 0);
            assert!(pen.signed().is_empty());
        }
    }
}

#[tokio::test]
async fn a_sink_that_keeps_no_signatures_of_a_signer_s_kind_fails_the_copy_before_the_first_byte() {
    for kind in everything().each() {
        let source = Arc::new(TestStore::new());
        image(&source, &[]);
        let others = everything().each().filter(|other| *other != kind);
        let sink = sink(others.fold(Wanted::NOTHING, Wanted::or));
        let pen = Pen::of(kind);
        let error = copied(&source, &sink, options().with_signers([pen.clone()]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            sink.count(|done| matches!(done, Done::Blob(_) | Done::Manifest(..))),
            0
        );
        assert!(pen.signed().is_empty());
    }
}

#[tokio::test]
async fn a_failure_of_signing_leaves_the_image_complete_and_unsigned() {
    for fails_at in [0, 2] {
        let source = Arc::new(TestStore::new());
        let [root, ..] = index(&source);
        let sink = sink(everything());
        let pen = Pen {
            fails_at: Some(fails_at),
            ..Pen::of(Wanted::SIMPLE)
        };
        let all = options().with_selection(Selection::All);
        let error = copied(&source, &sink, all.clone().with_signers([pen]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        let shown = error.to_string();
        let expected = format!(
            "{} is complete in {REPOSITORY} as 1.0, but its signatures are not; the same copy adds them",
            root.digest()
        );
        assert_eq!(shown, expected);
        let cause = error.inner().unwrap().to_string();
        assert_eq!(cause, "the key is locked");
        assert_eq!(sink.named("1.0").as_ref(), Some(root.digest()));
        assert!(sink.is_whole(&root));
        assert_eq!(
            sink.count(|done| matches!(done, Done::Signed(_))),
            0,
            "none is written unless all are made"
        );
        let report = copied(&source, &sink, all.with_signers([Pen::of(Wanted::SIMPLE)]))
            .await
            .unwrap();
        assert_eq!(report.signatures(), counts(0, 3, 0));
    }
}

/// Such a copy moves nothing, so that it left nothing complete.
#[tokio::test]
async fn a_copy_onto_itself_that_fails_says_that_the_image_was_not_signed() {
    let store = sink(everything());
    let root = image(&store, &[]);
    let signers = |name: Option<Name>| {
        let pen = Pen {
            fails_at: Some(0),
            ..Pen::of(Wanted::SIMPLE)
        };
        let identity = Reference::parse(&format!("{REPOSITORY}:x")).unwrap();
        let options = name.map_or_else(Options::default, |name| Options::default().with_name(name));
        options.with_signers([pen]).with_sign_identity(identity)
    };
    for (name, expected) in [
        (None, format!("{REPOSITORY}@{} was not signed", root.digest())),
        (
            Some("1.0"),
            format!(
                "{} is complete in {REPOSITORY} as 1.0, but its signatures are not; the same copy adds them",
                root.digest()
            ),
        ),
    ] {
        let name = name.map(|name| Name::parse(name).unwrap());
        let error = copied(&store, &store, signers(name)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.inner().unwrap().to_string(), "the key is locked");
    }
}

/// The copy is dropped at each of its await points: signatures are there only for a complete and named image.
#[tokio::test]
async fn a_copy_given_up_at_any_point_has_no_signature_without_its_image() {
    let mut points = 0;
    loop {
        let source = Arc::new(TestStore::new());
        let [root, one, two] = index(&source);
        let sink = sink(everything());
        let options = options()
            .with_selection(Selection::All)
            .with_signatures(Signatures::Carry);
        let mut copying = Box::pin(copied(&source, &sink, options));
        let mut ended = false;
        for _ in 0..points {
            let poll = std::future::poll_fn(|context| {
                std::task::Poll::Ready(copying.as_mut().poll(context).is_ready())
            });
            ended = poll.await;
            if ended {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(copying);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let signed = [&root, &one, &two].map(|manifest| sink.signatures_of(manifest.digest()).len());
        if signed != [0; 3] {
            assert_eq!(
                sink.named("1.0").as_ref(),
                Some(root.digest()),
                "after {points} polls: {signed:?}"
            );
            assert!(sink.is_whole(&root));
        }
        if ended {
            assert_eq!(signed, [3; 3]);
            break;
        }
        points += 1;
    }
    assert!(points > 20, "{points} await points");
}

/// A signer that ends when nobody waits for it any more, such as one that waits for a person.
struct Patient {
    started: mpsc::Sender<()>,
    ended: mpsc::Sender<()>,
}

impl Sign for Patient {
    fn kind(&self) -> Wanted {
        Wanted::SIMPLE
    }

    fn sign(&self, _: &Digest, _: &Reference) -> Result<Signature, Error> {
        Err(Error::new(ErrorKind::Other, "a copy cannot be cancelled"))
    }

    fn sign_cancellable(
        &self,
        _: &Digest,
        _: &Reference,
        cancelled: &AtomicBool,
    ) -> Result<Signature, Error> {
        self.started.send(()).unwrap();
        while !cancelled.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        self.ended.send(()).unwrap();
        Ok(simple("late"))
    }
}

/// The signer ends, and no signature is written.
#[tokio::test]
async fn a_signer_is_cancelled_with_its_copy() {
    let source = Arc::new(TestStore::new());
    let image = image(&source, &[]);
    let sink = sink(everything());
    let (started, is_started) = mpsc::channel();
    let (ended, is_ended) = mpsc::channel();
    let signer: Arc<dyn Sign> = Arc::new(Patient { started, ended });
    let copying = {
        let (source, sink) = (source.clone(), sink.clone());
        tokio::spawn(async move { copied(&source, &sink, options().with_signers([signer])).await })
    };
    tokio::task::spawn_blocking(move || is_started.recv().unwrap())
        .await
        .unwrap();
    copying.abort();
    assert!(copying.await.unwrap_err().is_cancelled());
    tokio::task::spawn_blocking(move || is_ended.recv().unwrap())
        .await
        .unwrap();
    assert!(sink.signatures_of(image.digest()).is_empty());
    assert_eq!(sink.named("1.0").as_ref(), Some(image.digest()));
}

#[tokio::test]
async fn payloads_of_attachments_are_mounted_where_blobs_are() {
    let source = Arc::new(TestStore::repository("registry.example/from"));
    image(&source, &[attachment("payload"), simple("x")]);
    let payload = source.add(MediaType::OCTET_STREAM, b"payload");
    let sink = Arc::new(TestStore {
        keeps: everything(),
        mounts_from: Some(source.clone()),
        ..TestStore::repository(REPOSITORY)
    });
    copied(&source, &sink, options().with_signatures(Signatures::Carry))
        .await
        .unwrap();
    assert!(sink.log().contains(&Done::Mounted(payload.digest().clone())));
}

/// Signatures are of the sha256 digest of a manifest, by whatever digest it is known.
#[tokio::test]
async fn a_manifest_of_another_digest_is_signed_by_its_sha256() {
    let source = Arc::new(TestStore::new());
    let config = source.add_as(Algorithm::Sha512, MediaType::OCI_CONFIG, b"{}");
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":2}},"layers":[]}}"#,
        MediaType::OCI_MANIFEST,
        MediaType::OCI_CONFIG,
        config.digest()
    );
    let digest = Hasher::digest(Algorithm::Sha512, text.as_bytes()).unwrap();
    let manifest =
        Manifest::parse_pinned(text.clone().into(), Some(&MediaType::OCI_MANIFEST), &digest).unwrap();
    let sha256 = Hasher::sha256(text.as_bytes());
    {
        let mut content = source.content.lock().unwrap();
        content.manifests.insert(digest.clone(), manifest);
        content.names.insert("x".to_owned(), digest);
        content.signatures.insert(sha256.clone(), vec![simple("a")]);
    }
    let sink = sink(everything());
    let pen = Pen::of(Wanted::BUNDLES);
    let options = options()
        .with_signatures(Signatures::Carry)
        .with_signers([pen.clone()]);
    copied(&source, &sink, options).await.unwrap();
    assert_eq!(sink.signatures_of(&sha256).len(), 2);
    assert_eq!(pen.signed()[0].0, sha256);
}
