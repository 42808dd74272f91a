use std::{
    error, fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use wharf_content::{Descriptor, Error, ErrorKind, Manifest, MediaType, Name, Platform};
use wharf_copy::{Gate, Options, Referrers, Rejection, Role, Selection, copy};
use wharf_reference::Digest;

use crate::test_store::{Done, TestStore, pair, target};

#[derive(Default)]
struct Refuse {
    which: Option<Digest>,
    seen: Mutex<Vec<(Digest, Role)>>,
}

#[async_trait]
impl Gate for Refuse {
    async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Rejection> {
        let seen = (manifest.digest().clone(), role.clone());
        self.seen.lock().unwrap().push(seen);
        if Some(manifest.digest()) == self.which.as_ref() {
            Err(Rejection::new("it is not signed"))
        } else {
            Ok(())
        }
    }
}

/// An index of two images with a signature of the second, all of them in order.
fn sample(source: &TestStore) -> [Manifest; 4] {
    let images = [source.image("a", &["1"]), source.image("b", &["2"])];
    let index = source.index(&images.clone().map(|image| image.descriptor().clone()));
    source.name("x", &index);
    let signature = source.referrer(&images[1], "application/x-signature", "good");
    let [first, second] = images;
    [index, first, second, signature]
}

fn options(gate: &Arc<Refuse>) -> Options {
    Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
        .with_referrers(Referrers::default())
        .with_gate(gate.clone())
}

#[tokio::test]
async fn a_gate_sees_every_manifest_before_a_byte_is_written() {
    for refused in 0..4 {
        let (source, sink) = pair();
        let gate = Arc::new(Refuse {
            which: Some(sample(&source)[refused].digest().clone()),
            ..Refuse::default()
        });
        let error = copy(source, sink.clone(), &target("x"), options(&gate))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("it is not signed"), "{error}");
        assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    }
}

#[tokio::test]
async fn what_the_destination_has_must_be_admitted_too() {
    for reads_itself in [true, false] {
        let source = Arc::new(TestStore::new());
        let manifests = sample(&source);
        let sink = Arc::new(TestStore {
            reads_itself,
            ..TestStore::new()
        });
        let open = Arc::new(Refuse::default());
        copy(source.clone(), sink.clone(), &target("x"), options(&open))
            .await
            .unwrap();
        assert_eq!(open.seen.lock().unwrap().len(), 4);
        sink.forget();
        for manifest in &manifests {
            let gate = Arc::new(Refuse {
                which: Some(manifest.digest().clone()),
                ..Refuse::default()
            });
            let error = copy(source.clone(), sink.clone(), &target("x"), options(&gate))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        }
        assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    }
}

/// The roles in which a gate has seen manifests of a copy, by digest.
async fn roles(source: Arc<TestStore>, options: Options) -> Vec<(Digest, Role)> {
    let gate = Arc::new(Refuse::default());
    copy(
        source,
        Arc::new(TestStore::new()),
        &target("x"),
        options.with_gate(gate.clone()),
    )
    .await
    .unwrap();
    std::mem::take(&mut *gate.seen.lock().unwrap())
}

fn sorted(mut roles: Vec<(Digest, Role)>) -> Vec<(Digest, Role)> {
    roles.sort_by(|(one, _), (other, _)| one.cmp(other));
    roles
}

#[tokio::test]
async fn a_gate_is_told_how_the_copy_came_to_a_manifest() {
    let source = Arc::new(TestStore::new());
    let [index, first, second, signature] = sample(&source);
    let instance = |image: &Manifest| {
        let index = index.digest().clone();
        (image.digest().clone(), Role::Instance { index })
    };
    let all = Options::default()
        .with_selection(Selection::All)
        .with_referrers(Referrers::default());
    let expected = vec![
        (index.digest().clone(), Role::Index),
        instance(&first),
        instance(&second),
        (signature.digest().clone(), Role::Referrer),
    ];
    assert_eq!(sorted(roles(source.clone(), all).await), sorted(expected));
    let one = Options::from(Platform::new("linux", "amd64"));
    assert_eq!(roles(source.clone(), one).await, [instance(&first)]);

    // An index in an index, whose images are that one's.
    let outer = source.index(&[index.descriptor().clone()]);
    source.name("x", &outer);
    let expected = vec![
        (outer.digest().clone(), Role::Index),
        (index.digest().clone(), Role::Index),
        instance(&first),
        instance(&second),
    ];
    let all = Options::from(Selection::All);
    assert_eq!(sorted(roles(source.clone(), all).await), sorted(expected));
}

/// Refuses an image, and no referrer, as a trust policy does.
struct RefuseImage(Digest);

#[async_trait]
impl Gate for RefuseImage {
    async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Rejection> {
        match role {
            Role::Referrer => Ok(()),
            _ if *manifest.digest() == self.0 => Err(Rejection::new("it is not signed")),
            _ => Ok(()),
        }
    }
}

/// A selection leaves an image out, and whoever wrote the index brings it back as a referrer of another one, as what a
/// referrer lists, or as a blob of one. The name of the index would lead to it.
#[tokio::test]
async fn t174_what_a_copied_index_lists_is_judged_whatever_brings_it() {
    let signed = TestStore::new().image("signed", &["1"]);
    let on = |image: &Descriptor, architecture: &str| {
        image.clone().with_platform(Platform::new("linux", architecture))
    };
    let disguises: [&dyn Fn(&TestStore) -> Manifest; 3] = [
        &|source| source.referrer(&signed, "application/x-signature", "unsigned"),
        &|source| {
            let image = source.image("unsigned", &["2"]);
            let list = source.manifest_of(&json!({
                "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [image.descriptor()],
                "subject": signed.descriptor(),
            }));
            source.list(signed.digest(), list.descriptor().clone());
            image
        },
        &|source| {
            let image = source.image("unsigned", &["3"]);
            let mut artifact: Value = serde_json::from_slice(
                source
                    .artifact(Some(signed.descriptor()), "application/x", "x")
                    .bytes(),
            )
            .unwrap();
            artifact["layers"] = json!([{
                "mediaType": "application/octet-stream",
                "digest": image.digest(), "size": image.bytes().len(),
            }]);
            let artifact = source.manifest_of(&artifact);
            source.list(signed.digest(), artifact.descriptor().clone());
            image
        },
    ];
    for disguise in disguises {
        let source = Arc::new(TestStore::new());
        let signed = source.image("signed", &["1"]);
        let unsigned = disguise(&source);
        let index = source.index(&[
            on(signed.descriptor(), "amd64"),
            on(unsigned.descriptor(), "arm64"),
        ]);
        source.name("x", &index);
        let options = || {
            Options::default()
                .with_name(Name::parse("x").unwrap())
                .with_selection(Selection::Platforms(vec![Platform::new("linux", "amd64")]))
                .with_gate(RefuseImage(unsigned.digest().clone()))
        };
        let sink = Arc::new(TestStore::new());
        let without = copy(source.clone(), sink, &target("x"), options()).await;
        assert!(without.is_ok(), "{without:?}");
        let sink = Arc::new(TestStore::new());
        let with = options().with_referrers(Referrers::default());
        let error = copy(source, sink.clone(), &target("x"), with).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        assert_eq!(sink.named("x"), None);
    }
}

/// What a manifest states of itself does not change why it is copied: an attacker writes it.
#[tokio::test]
async fn an_image_that_was_asked_for_is_the_target_whatever_it_looks_like() {
    let source = Arc::new(TestStore::new());
    let image = source.image("a", &["1"]);
    let dressed = [
        image.clone(),
        source.referrer(&image, "application/vnd.dev.sigstore.bundle.v0.3+json", "bundle"),
        source.referrer(
            &image,
            "application/vnd.dev.cosign.artifact.sig.v1+json",
            "signature",
        ),
        source.referrer(&image, "application/spdx+json", "list"),
        source.referrer(&image, MediaType::OCI_INDEX.as_str(), "index"),
    ];
    for manifest in dressed {
        source.name("x", &manifest);
        for selection in [Selection::default(), Selection::All] {
            let seen = roles(source.clone(), Options::from(selection)).await;
            assert_eq!(seen, [(manifest.digest().clone(), Role::Target)]);
        }
    }
    // A referrer that is an index brings what it lists.
    let listed = source.image("b", &["2"]);
    let list = source.manifest_of(&serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX.as_str(),
        "artifactType": "application/x-list",
        "subject": image.descriptor(),
        "manifests": [listed.descriptor()],
    }));
    source.list(image.digest(), list.descriptor().clone());
    source.name("x", &image);
    let options = Options::default().with_referrers(Referrers::default());
    let seen = roles(source, options).await;
    assert_eq!(seen[0], (image.digest().clone(), Role::Target));
    for below in [list, listed] {
        assert!(
            seen.contains(&(below.digest().clone(), Role::Referrer)),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn every_gate_must_admit() {
    for refusing in 0..3 {
        let (source, sink) = pair();
        let image = source.image("a", &["1"]);
        source.name("x", &image);
        let gates: Vec<_> = (0..3)
            .map(|number| {
                Arc::new(Refuse {
                    which: (number == refusing).then(|| image.digest().clone()),
                    ..Refuse::default()
                })
            })
            .collect();
        let options = gates.iter().fold(Options::default(), |options, gate| {
            options.with_gate(gate.clone())
        });
        let error = copy(source, sink, &target("x"), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let asked: Vec<bool> = gates
            .iter()
            .map(|gate| !gate.seen.lock().unwrap().is_empty())
            .collect();
        assert_eq!(asked, [true, refusing >= 1, refusing >= 2]);
    }
}

#[derive(Debug)]
struct Why(u8);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the image is of class {}", self.0)
    }
}

impl error::Error for Why {}

struct Ends(fn() -> Rejection);

#[async_trait]
impl Gate for Ends {
    async fn admit(&self, _: &Manifest, _: &Role) -> Result<(), Rejection> {
        Err((self.0)())
    }
}

/// A rejection, its kind, whether it is a failure, the text of the copy's error, and whether that has the gate's own reason.
type Ended = (fn() -> Rejection, ErrorKind, bool, &'static str, bool);

#[tokio::test]
async fn the_reason_of_a_gate_arrives_whole() {
    let table: [Ended; 4] = [
        (
            || Rejection::new("it is old"),
            ErrorKind::Rejected,
            false,
            " was refused: it is old",
            false,
        ),
        (
            || Rejection::because(Why(7)),
            ErrorKind::Rejected,
            false,
            "the image is of class 7",
            true,
        ),
        (
            || Rejection::failed(Error::new(ErrorKind::Server, "the store answers 500")),
            ErrorKind::Server,
            true,
            "the store answers 500",
            false,
        ),
        (
            || Rejection::failed(Error::new(ErrorKind::Timeout, "slow").with_source(Why(3))),
            ErrorKind::Timeout,
            true,
            "slow",
            true,
        ),
    ];
    for (rejection, kind, is_failure, text, has_reason) in table {
        assert_eq!(rejection().is_failure(), is_failure);
        let (source, sink) = pair();
        source.name("x", &source.image("a", &["1"]));
        let options = Options::default().with_gate(Ends(rejection));
        let error = copy(source, sink.clone(), &target("x"), options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().ends_with(text), "{error}");
        let source = error::Error::source(&error);
        assert_eq!(
            source.and_then(|source| source.downcast_ref::<Why>()).is_some(),
            has_reason,
            "{error}"
        );
        assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    }
}

/// The images of an index that is copied alone are not there to be judged, whatever the gate would say of the index. An
/// image that is in no index is judged as ever.
#[tokio::test]
async fn an_index_is_not_copied_alone_past_a_gate() {
    let (source, sink) = pair();
    let [_, image, ..] = sample(&source);
    source.name("y", &image);
    let alone = |gate: &Arc<Refuse>| options(gate).with_selection(Selection::IndexOnly);
    let open = Arc::new(Refuse::default());
    let error = copy(source.clone(), sink.clone(), &target("x"), alone(&open))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(error.to_string().contains("only the index"), "{error}");
    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);

    for (which, copied) in [(None, true), (Some(image.digest().clone()), false)] {
        let gate = Arc::new(Refuse {
            which,
            ..Refuse::default()
        });
        let result = copy(source.clone(), sink.clone(), &target("y"), alone(&gate)).await;
        assert_eq!(result.is_ok(), copied);
        assert_eq!(gate.seen.lock().unwrap()[0].0, *image.digest());
    }
}
