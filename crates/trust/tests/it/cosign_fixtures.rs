//! The containers image library's own signatures of cosign's kind: each must end as it does there.

use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use wharf_config::{
    Fulcio, Identity, KeySource, Pki, PkiSubject, Requirement, SigstoreSigned, SigstoreSigner,
};
use wharf_content::{Manifest, Signature};
use wharf_reference::Reference;
use wharf_testkit::corpora;
use wharf_trust::{SignedTime, Subject, Trust, Verdict};

/// 2026-06-01, when the certificates that count by the clock are valid.
const NOW: u64 = 1_780_000_000;

/// Judges one of the folders, as an image of this name.
fn judge(folder: &Path, name: &str, signer: SigstoreSigner, identity: Identity) -> Result<Verdict, String> {
    let manifest = fs::read(folder.join("manifest.json")).map_err(|error| error.to_string())?;
    let manifest = Manifest::parse(manifest.into(), None).map_err(|error| error.to_string())?;
    let signatures: Vec<Signature> = (1..)
        .map_while(|number| fs::read(folder.join(format!("signature-{number}"))).ok())
        .map(|blob| Signature::from_blob(blob.into()))
        .collect();
    assert!(!signatures.is_empty());
    let requirement = SigstoreSigned::new(signer).with_identity(identity);
    let trust =
        Trust::of([Requirement::from(requirement)]).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW));
    let name = Reference::parse(name).unwrap();
    trust
        .judge(&Subject::new(&manifest, &name), &signatures)
        .map_err(|refusal| refusal.to_string())
}

/// Folder, image, signer, identity, verdict. A signer is the file of a key, perhaps with that of a log's; or `fulcio` or
/// `pki` with subjects.
const CASES: &str = "
valid | cosign-signed-single-sample | cosign.pub | repository | good
valid-2 | cosign-signed-single-sample | cosign.pub | repository | good
mixed | cosign-signed-single-sample | cosign.pub | repository | good
valid | cosign-signed-single-sample | cosign2.pub | repository | not made by
valid | cosign-signed-single-sample | some-rsa-key.pub | repository | not made by
valid | cosign-signed-single-sample | cosign.pub | exact | Signature for identity
valid | cosign-signed-single-sample | cosign.pub | default | Signature for identity
valid | other | cosign.pub | repository | Signature for identity
valid | cosign-signed-single-sample | cosign.pub rekor.pub | repository | no annotation dev.sigstore.cosign/bundle
valid-with-tag | skopeo-signed:tag | cosign.pub | exact | good
valid-with-tag | skopeo-signed:othertag | cosign.pub | exact | Signature for identity
valid-with-tag | skopeo-signed:othertag | cosign.pub | repository | good
key-rekor-valid | cosign-signed/key-1 | cosign2.pub rekor.pub | repository | good
key-rekor-valid | cosign-signed/key-1 | cosign2.pub | repository | good
key-rekor-valid | cosign-signed/key-1 | cosign.pub rekor.pub | repository | another key
key-rekor-valid | cosign-signed/key-1 | cosign2.pub cosign.pub | repository | not signed by a trusted log
fulcio-rekor-valid | cosign-signed/fulcio-rekor-1 | fulcio mitr@redhat.com | repository | good
fulcio-rekor-valid | cosign-signed/fulcio-rekor-1 | fulcio other@redhat.com | repository | not for the email
fulcio-rekor-valid | cosign-signed/fulcio-rekor-1 | fulcio mitr@redhat.com / | repository | issued by
fulcio-rekor-valid | cosign-signed/key-1 | fulcio mitr@redhat.com | repository | Signature for identity
fulcio-rekor-valid | cosign-signed/fulcio-rekor-1 | cosign.pub | repository | not made by
pki-valid | localhost:5000/test | pki qiwan@redhat.com myhost.example.com | repository | good
pki-valid | localhost:5000/test | pki qiwan@redhat.com - | repository | good
pki-valid | localhost:5000/test | pki - myhost.example.com | repository | good
pki-valid | localhost:5000/test | pki other@redhat.com myhost.example.com | repository | not for the email
pki-valid | localhost:5000/test | pki qiwan@redhat.com other.example.com | repository | not for the host
modified-manifest | cosign-signed-single-sample | cosign.pub | repository | Signature for digest
other-attachment | cosign-signed-single-sample | cosign.pub | repository | no signature exists
no-manifest | cosign-signed-single-sample | cosign.pub | repository | No such file
manifest-digest-error | cosign-signed-single-sample | cosign.pub | repository |
";

fn signer(corpus: &Path, text: &str) -> SigstoreSigner {
    let source = |name: &str| KeySource::file(corpus.join(name));
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["fulcio", email, ref more @ ..] => {
            let issuer = format!("https://github.com/login/oauth{}", more.concat());
            SigstoreSigner::Fulcio {
                fulcio: Fulcio::new(source("fulcio_v1.crt.pem"), issuer, email),
                rekor: source("rekor.pub"),
            }
        }
        ["pki", email, hostname] => {
            let (email, hostname) = (email.to_owned(), hostname.to_owned());
            let subject = match (email.as_str(), hostname.as_str()) {
                (_, "-") => PkiSubject::Email(email),
                ("-", _) => PkiSubject::Hostname(hostname),
                _ => PkiSubject::Both { email, hostname },
            };
            let mut pki = Pki::new(source("pki_root_crts.pem"), subject);
            pki.intermediates = Some(source("pki_intermediate_crts.pem"));
            SigstoreSigner::Pki(pki)
        }
        [key, ref rekor @ ..] => SigstoreSigner::Keys {
            keys: source(key),
            rekor: rekor.first().map(|name| source(name)),
        },
        [] => panic!("a signer"),
    }
}

#[test]
fn every_fixture_ends_as_in_the_image_library() {
    let Some(corpus) = corpora::folder("signature-fixtures") else {
        return;
    };
    let corpus = fs::canonicalize(corpus).unwrap();
    let mut count = 0;
    for case in CASES.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = case.split('|').map(str::trim).collect();
        let [folder, image, by, identity, expected] = columns[..] else {
            panic!("{case}");
        };
        let name = if image.contains("localhost") {
            image.to_owned()
        } else {
            format!("192.168.64.2:5000/{image}")
        };
        let identity = match identity {
            "exact" => Identity::MatchExact,
            "repository" => Identity::MatchRepository,
            _ => Identity::default(),
        };
        let folder = corpus.join(format!("dir-img-cosign-{folder}"));
        match judge(&folder, &name, signer(&corpus, by), identity) {
            Ok(_) => assert_eq!(expected, "good", "{case}"),
            Err(refusal) => assert!(
                expected != "good" && refusal.contains(expected),
                "{case}: {refusal}"
            ),
        }
        count += 1;
    }
    assert_eq!(count, 30);
}

#[test]
fn the_time_of_a_fixture_is_that_of_the_log() {
    let Some(corpus) = corpora::folder("signature-fixtures") else {
        return;
    };
    let corpus = fs::canonicalize(corpus).unwrap();
    let folder = corpus.join("dir-img-cosign-fulcio-rekor-valid");
    let by = signer(&corpus, "fulcio mitr@redhat.com");
    let name = "192.168.64.2:5000/cosign-signed/fulcio-rekor-1";
    let verdict = judge(&folder, name, by, Identity::MatchRepository).unwrap();
    let [met] = verdict.met() else {
        panic!("one requirement")
    };
    assert_eq!(
        met.signer().unwrap().to_string(),
        "mitr@redhat.com (https://github.com/login/oauth)"
    );
    assert!(matches!(met.time(), Some(SignedTime::Log(_))));
}
