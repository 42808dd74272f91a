//! What a source of signatures is asked, and what its answers change.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
    thread,
};

use async_trait::async_trait;
use wharf_config::{KeySource, Requirement, SigstoreSigned, SigstoreSigner};
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Hasher, Location, Manifest, MediaType, Rejection, Signature, Source,
    Target, Wanted,
};
use wharf_reference::{Algorithm, Digest};
use wharf_trust::{ImageName, Refusal, RefusalKind, Subject, Trust, Verdict};

use crate::{
    images::{by, good, key, other},
    support::{NAME, digest, manifest, manifest_of, reference, trust, trust_policy},
};

/// A source of signatures that writes down what it is asked.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) signatures: Vec<Signature>,
    /// What is listed as bundles, and is none.
    pub(crate) no_bundles: Vec<Signature>,
    pub(crate) fails: Option<ErrorKind>,
    /// The signatures are counted so, by digest and kind.
    pub(crate) counts: Vec<(String, Wanted, Result<usize, ErrorKind>)>,
    pub(crate) unread: Option<&'static str>,
    /// Answers when so many questions are open.
    pub(crate) waits_for: usize,
    pub(crate) log: Mutex<Vec<(&'static str, String, Wanted)>>,
}

impl Scripted {
    fn note(&self, question: &'static str, digest: &Digest, wanted: Wanted) {
        let mut log = self.log.lock().unwrap();
        log.push((question, digest.to_string(), wanted));
    }

    pub(crate) fn asked(&self, question: &str) -> Vec<Wanted> {
        let log = self.log.lock().unwrap();
        let asked = log.iter().filter(|(asked, ..)| *asked == question);
        asked.map(|(.., wanted)| *wanted).collect()
    }
}

fn kind_of(signature: &Signature) -> Wanted {
    match signature {
        Signature::Attachment { .. } => Wanted::ATTACHMENTS,
        Signature::Bundle(_) => Wanted::BUNDLES,
        _ => Wanted::SIMPLE,
    }
}

#[async_trait]
impl Source for Scripted {
    async fn resolve(&self, _: &Target) -> Result<Descriptor, Error> {
        panic!("the judgement reads no manifest")
    }

    async fn manifest(&self, _: &Target) -> Result<Manifest, Error> {
        panic!("the judgement reads no manifest")
    }

    async fn blob(&self, _: &Descriptor) -> Result<Blob, Error> {
        panic!("the judgement reads no blob")
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        self.note("signatures", manifest, wanted);
        poll_fn(|_| {
            if self.asked("signatures").len() >= self.waits_for {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        if let Some(kind) = self.fails {
            return Err(Error::new(kind, "the store answers 500"));
        }
        let none = self.no_bundles.iter().filter(|_| wanted == Wanted::BUNDLES);
        let wanted = |signature: &&Signature| kind_of(signature) == wanted;
        Ok(none
            .chain(self.signatures.iter().filter(wanted))
            .cloned()
            .collect())
    }

    async fn count_signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<usize, Error> {
        self.note("count", manifest, wanted);
        let found = self
            .counts
            .iter()
            .find(|(digest, kind, _)| *digest == manifest.to_string() && *kind == wanted);
        let count = found.map_or(Ok(0), |(.., count)| *count);
        count.map_err(|kind| Error::new(kind, "no answer"))
    }

    fn unread_signatures(&self, _: &Digest, _: Wanted) -> Option<String> {
        self.unread.map(str::to_owned)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

/// Runs a future that no other thread wakes.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("it waits for something that never happens")
}

pub(crate) fn judged(trust: &Trust, source: &Scripted) -> Result<Verdict, Rejection> {
    let manifest = manifest();
    run(trust.judge_from(&Subject::new(&manifest, &reference(NAME)), source))
}

pub(crate) fn refusal(rejection: &Rejection) -> &Refusal {
    assert!(!rejection.is_failure(), "{rejection}");
    rejection.source().unwrap().downcast_ref().unwrap()
}

fn sigstore() -> Requirement {
    let keys = KeySource::data(rcgen::KeyPair::generate().unwrap().public_key_pem());
    SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None }).into()
}

fn simple(blob: Vec<u8>) -> Signature {
    Signature::Simple(blob.into())
}

#[test]
fn only_what_a_rule_looks_at_is_asked_for() {
    let (accept, reject) = (Requirement::InsecureAcceptAnything, Requirement::Reject);
    let both = [Wanted::SIMPLE, Wanted::ATTACHMENTS];
    for (requirements, asked) in [
        (vec![accept.clone()], &[][..]),
        (vec![accept.clone(), accept.clone()], &[]),
        (vec![reject.clone()], &[]),
        (vec![by(&key()), reject.clone()], &[]),
        (vec![sigstore(), reject], &[]),
        (vec![], &[]),
        (vec![by(&key())], &both[..1]),
        (vec![by(&key()), by(&other())], &both[..1]),
        (vec![accept.clone(), by(&key())], &both[..1]),
        (vec![sigstore()], &both[1..]),
        (vec![by(&key()), sigstore()], &both),
        (vec![sigstore(), accept, by(&key())], &both),
    ] {
        let source = Scripted::default();
        let accepted = judged(&trust(requirements.clone()), &source).is_ok();
        assert_eq!(source.asked("signatures"), asked, "{requirements:?}");
        let is_free = requirements
            .iter()
            .all(|one| *one == Requirement::InsecureAcceptAnything);
        assert_eq!(accepted, is_free && !requirements.is_empty(), "{requirements:?}");
        let counts = match asked {
            [] => 0,
            [Wanted::SIMPLE] => 2, // attachments and bundles
            _ => 1,
        };
        assert_eq!(source.asked("count").len(), counts, "{requirements:?}");
    }
    let strict = trust([Requirement::InsecureAcceptAnything]).require_signed();
    let source = Scripted::default();
    let rejection = judged(&strict, &source).unwrap_err();
    assert_eq!(refusal(&rejection).kind(), RefusalKind::NothingVerified);
    assert!(source.log.lock().unwrap().is_empty());
    // Without a policy and requirements there is nobody who could verify anything.
    let rejection = judged(&trust([]).require_signed(), &Scripted::default()).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "Source image rejected: registry.example/app:1: there is no trust policy and no requirement by which a \
         signature could be verified"
    );
}

#[test]
fn kinds_are_asked_for_side_by_side_and_by_the_sha256_digest() {
    let source = Scripted {
        signatures: vec![simple(good(&key()))],
        waits_for: 2,
        ..Scripted::default()
    };
    let rejection = judged(&trust([by(&key()), sigstore()]), &source).unwrap_err();
    assert_eq!(refusal(&rejection).kind(), RefusalKind::NoSignature);
    let log = source.log.lock().unwrap();
    assert!(log.iter().all(|(_, asked, _)| *asked == digest()), "{log:?}");
}

/// Signatures are of the sha256 digest of a manifest, by whatever digest it was asked for.
#[test]
fn a_manifest_of_another_digest_is_asked_about_by_its_sha256() {
    let bytes = manifest().bytes().clone();
    let sha512 = Hasher::digest(Algorithm::Sha512, &bytes).unwrap();
    let pinned = Manifest::parse_pinned(bytes, Some(&MediaType::OCI_MANIFEST), &sha512).unwrap();
    assert_eq!(*pinned.digest(), sha512);
    let name = reference(&format!("registry.example/app@{sha512}"));
    for (signatures, asked) in [(vec![simple(good(&key()))], 1), (vec![], 3)] {
        let is_signed = !signatures.is_empty();
        let source = Scripted {
            signatures,
            ..Scripted::default()
        };
        let judged = run(trust([by(&key())]).judge_from(&Subject::new(&pinned, &name), &source));
        assert_eq!(judged.is_ok(), is_signed);
        let log = source.log.lock().unwrap();
        assert_eq!(log.len(), asked, "{log:?}");
        assert!(log.iter().all(|(_, asked, _)| *asked == digest()), "{log:?}");
    }
}

#[test]
fn a_source_that_fails_is_a_failure_and_no_refusal() {
    for kind in [
        ErrorKind::Server,
        ErrorKind::Timeout,
        ErrorKind::Denied,
        ErrorKind::TooLarge,
    ] {
        let source = Scripted {
            signatures: vec![simple(good(&key()))],
            fails: Some(kind),
            ..Scripted::default()
        };
        let rejection = judged(&trust([by(&key())]), &source).unwrap_err();
        assert!(rejection.is_failure());
        let error = rejection.into_error(manifest().digest());
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (kind, "the store answers 500")
        );
        assert!(source.asked("count").is_empty());
    }
    // One blob that is no signature is none: the others count.
    let page = || Signature::from_blob("<html>Not found</html>".into());
    for (signatures, accepted) in [
        (vec![page(), simple(good(&key()))], true),
        (vec![simple(good(&key())), page()], true),
        (vec![page()], false),
    ] {
        let source = Scripted {
            signatures,
            ..Scripted::default()
        };
        let result = judged(&trust([by(&key())]), &source);
        match result {
            Ok(verdict) => assert!(accepted && verdict.is_signed()),
            Err(rejection) => {
                let text = rejection.to_string();
                assert!(
                    !accepted
                        && text.ends_with("the signature is in no known format; it seems to be a web page"),
                    "{text}"
                );
            }
        }
    }
}

const NONE: &str = "A signature was required, but no signature exists";

/// A case of what a refusal says beyond its reason.
struct Explained {
    signatures: Vec<Signature>,
    unread: Option<&'static str>,
    /// How many signatures the index has, and how many bundles the image has.
    index: Option<Result<usize, ErrorKind>>,
    bundles: Result<usize, ErrorKind>,
    attachments: Result<usize, ErrorKind>,
    ends: String,
    counted: usize,
}

impl Default for Explained {
    fn default() -> Self {
        Self {
            signatures: Vec::new(),
            unread: None,
            index: None,
            bundles: Ok(0),
            attachments: Ok(0),
            ends: NONE.to_owned(),
            counted: 2,
        }
    }
}

#[test]
fn a_refusal_says_what_may_have_been_overlooked() {
    let index = manifest_of(
        r#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#,
    );
    let index = index.digest();
    let signed_index = format!(
        "{NONE}; the index {index} is signed, but of an index each image is judged, by signatures of its own: sign them \
         too, as `cosign sign --recursive` does"
    );
    let bundles = |count| {
        format!(
            "{NONE}; {count} of it {} not count: signedBy looks at simple signatures alone",
            if count == "1 sigstore bundle" {
                "does"
            } else {
                "do"
            }
        )
    };
    let attachments = |count| format!("{NONE}; {count} not count: signedBy looks at simple signatures alone");
    let forged = simple(good(&other()));
    for case in [
        Explained::default(),
        Explained {
            index: Some(Ok(0)),
            counted: 2,
            ..Explained::default()
        },
        Explained {
            index: Some(Ok(3)),
            ends: signed_index.clone(),
            counted: 2,
            ..Explained::default()
        },
        Explained {
            index: Some(Err(ErrorKind::Server)),
            bundles: Err(ErrorKind::Timeout),
            counted: 2,
            ..Explained::default()
        },
        Explained {
            index: Some(Err(ErrorKind::Server)),
            bundles: Ok(2),
            ends: bundles("2 sigstore bundles"),
            counted: 2,
            ..Explained::default()
        },
        Explained {
            bundles: Ok(1),
            ends: bundles("1 sigstore bundle"),
            ..Explained::default()
        },
        Explained {
            attachments: Ok(1),
            ends: attachments("1 sigstore attachment of it does"),
            ..Explained::default()
        },
        Explained {
            attachments: Ok(3),
            bundles: Err(ErrorKind::Server),
            ends: attachments("3 sigstore attachments of it do"),
            ..Explained::default()
        },
        Explained {
            attachments: Err(ErrorKind::Timeout),
            ..Explained::default()
        },
        Explained {
            unread: Some("attachments are not read: FILE"),
            ends: format!("{NONE}; attachments are not read: FILE"),
            ..Explained::default()
        },
        Explained {
            unread: Some("they are not read"),
            index: Some(Ok(1)),
            bundles: Ok(4),
            ends: format!(
                "{NONE}; they are not read{}{}",
                &signed_index[NONE.len()..],
                &bundles("4 sigstore bundles")[NONE.len()..]
            ),
            counted: 2,
            ..Explained::default()
        },
        Explained {
            // It has signatures, so that no others were overlooked.
            signatures: vec![forged],
            unread: Some("they are not read"),
            index: Some(Ok(1)),
            ends: format!("the signing key is not in the keyring (key {})", other().name()),
            counted: 1,
            ..Explained::default()
        },
    ] {
        let Explained {
            signatures,
            unread,
            index: of_index,
            bundles,
            attachments,
            ends,
            counted,
        } = case;
        let mut counts = vec![
            (digest(), Wanted::BUNDLES, bundles),
            (digest(), Wanted::ATTACHMENTS, attachments),
        ];
        counts.extend(of_index.map(|count| (index.to_string(), Wanted::SIMPLE, count)));
        let source = Scripted {
            signatures,
            counts,
            unread,
            ..Scripted::default()
        };
        let manifest = manifest();
        let subject = Subject::new(&manifest, &reference(NAME));
        let subject = match of_index {
            Some(_) => subject.with_index(index),
            None => subject,
        };
        let rejection = run(trust([by(&key())]).judge_from(&subject, &source)).unwrap_err();
        let said = rejection.to_string();
        assert!(said.ends_with(&ends), "{said}\n{ends}");
        let image = format!("{NAME}: the image {} of the index: the program demands", digest());
        assert_eq!(said.contains(&image), of_index.is_some(), "{said}");
        assert_eq!(source.asked("count").len(), counted, "{ends}");
    }
}

#[test]
fn images_without_a_name_have_a_rule_too() {
    let layout = ImageName::Layout(Path::new("/srv/images").to_owned());
    let line = r#"; to accept the images of this directory, add "oci": {"/srv/images": [{"type": "insecureAcceptAnything"}]} to "transports""#;
    let reject =
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"insecureAcceptAnything"}]}}}"#;
    let manifest = manifest();
    for (name, said) in [
        (
            layout.clone(),
            format!(
                "Source image rejected: /srv/images: the default of the trust policy is to reject: Running image \
                 /srv/images is rejected by policy.{line}"
            ),
        ),
        (
            ImageName::Unnamed,
            "Source image rejected: the image: the default of the trust policy is to reject: Running image the image is \
             rejected by policy."
                .to_owned(),
        ),
    ] {
        let subject = Subject::new(&manifest, name);
        let rejection = run(trust_policy(reject).judge_from(&subject, &Scripted::default())).unwrap_err();
        assert_eq!(rejection.to_string(), said);
    }
    // What can be met without a name is: an identity that the policy writes out.
    let source = || Scripted {
        signatures: vec![simple(good(&key()))],
        ..Scripted::default()
    };
    let exact = wharf_config::Identity::ExactReference(reference(NAME));
    for (requirement, accepted) in [
        (by(&key()), false),
        (
            crate::support::signed_by_as(&crate::forge::certificate(&key()), exact),
            true,
        ),
    ] {
        for name in [layout.clone(), ImageName::Unnamed] {
            let subject = Subject::new(&manifest, name);
            let trust = trust([requirement.clone()]);
            assert_eq!(run(trust.judge_from(&subject, &source())).is_ok(), accepted);
        }
    }
}

#[test]
fn what_blocks_runs_where_the_program_says() {
    let source = || Scripted {
        signatures: vec![simple(good(&key()))],
        ..Scripted::default()
    };
    let on_a_thread = trust([by(&key())]).with_blocking(|work| async move {
        thread::spawn(work).join().unwrap();
    });
    assert!(judged(&on_a_thread, &source()).unwrap().is_signed());
    // Work that nobody did has verified nothing.
    let dropped = trust([by(&key())]).with_blocking(|work| async move { drop(work) });
    let rejection = judged(&dropped, &source()).unwrap_err();
    assert_eq!(refusal(&rejection).kind(), RefusalKind::Failed);
    assert!(rejection.to_string().contains(NAME), "{rejection}");
}
