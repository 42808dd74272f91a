//! The fixtures of the containers' image library (`signature/fixtures`), which are not part of this repository. They are
//! read from the corpus `signature-fixtures`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use wharf_config::{Identity, KeySource, SignedBy};
use wharf_content::{Manifest, Signature};
use wharf_testkit::corpora;
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _, ReasonKind, Subject, Trust, UntrustedSummary};

use crate::support::reference;

const KEY: &str = "08CD26E446E2E95249B7A405E932F44B23E8DD43";
const NAME: &str = "testing/manifest:latest";

/// What is said of an image in a directory, with keys of these files.
fn said(directory: &Path, keys: &[PathBuf], name: &str) -> Result<String, String> {
    let read = |name: &str| fs::read(directory.join(name)).map_err(|error| error.to_string());
    let manifest = Manifest::parse(read("manifest.json")?.into(), None).map_err(|error| error.to_string())?;
    let blobs = (1..).map_while(|number| read(&format!("signature-{number}")).ok());
    let signatures: Vec<_> = blobs.map(|blob| Signature::from_blob(blob.into())).collect();
    let identity = Identity::ExactReference(reference(name));
    let requirement = SignedBy::new(KeySource::Files(keys.to_vec())).with_identity(identity);
    let verdict = Trust::of([requirement.into()]).judge(&Subject::new(&manifest, directory), &signatures);
    let verdict = verdict.map_err(|refusal| refusal.to_string())?;
    Ok(verdict.met()[0].signer().unwrap().to_string())
}

#[test]
fn images_of_the_image_library_are_judged_as_it_judges_them() {
    let Some(fixtures) = corpora::folder("signature-fixtures") else {
        return;
    };
    let keys = |names: &[&str]| names.iter().map(|name| fixtures.join(name)).collect::<Vec<_>>();
    let main = keys(&["public-key.gpg"]);
    let subkey = keys(&["public-key-with-subkey.gpg"]);
    for (directory, keys, name, expected) in [
        ("dir-img-valid", &main, NAME, Ok(KEY)),
        ("dir-img-valid", &keys(&["public-key-1.gpg"]), NAME, Ok(KEY)),
        (
            "dir-img-valid",
            &keys(&["public-key-2.gpg", "public-key-1.gpg"]),
            NAME,
            Ok(KEY),
        ),
        ("dir-img-valid", &keys(&["pubring.gpg"]), NAME, Ok(KEY)),
        (
            "dir-img-valid",
            &keys(&["public-key-2.gpg"]),
            NAME,
            Err("not in the keyring"),
        ),
        (
            "dir-img-valid",
            &main,
            "testing/manifest:other",
            Err("Signature for identity"),
        ),
        ("dir-img-valid-2", &main, NAME, Ok(KEY)),
        ("dir-img-mixed", &main, NAME, Ok(KEY)),
        (
            "dir-img-valid-subkey",
            &subkey,
            NAME,
            Ok("B9F4CDB9FD8C475BFA340AC38D54A947EE396F36"),
        ),
        ("dir-img-valid-subkey", &main, NAME, Err("not in the keyring")),
        (
            "dir-img-modified-manifest",
            &main,
            NAME,
            Err("Signature for digest"),
        ),
        ("dir-img-unsigned", &main, NAME, Err("no signature exists")),
        ("dir-img-no-manifest", &main, NAME, Err("No such file")),
        ("dir-img-manifest-digest-error", &main, NAME, Err("")),
    ] {
        match (said(&fixtures.join(directory), keys, name), expected) {
            (Ok(signer), Ok(expected)) => assert_eq!(signer, expected, "{directory}"),
            (Err(said), Err(words)) => assert!(said.contains(words), "{directory}: {said}"),
            (said, _) => panic!("{directory}: {said:?}"),
        }
    }
}

#[test]
fn signatures_of_the_image_library_are_judged_as_it_judges_them() {
    let Some(fixtures) = corpora::folder("signature-fixtures") else {
        return;
    };
    let names = ["pubring.gpg", "public-key-with-revoked-subkey.gpg"];
    let files = names.map(|name| KeyFile::new(name, fs::read(fixtures.join(name)).unwrap()));
    let ring = NativeOpenPgp.open(&files, SystemTime::now()).unwrap();
    let mut judged = 0;
    for (name, expected) in [
        ("image.signature", None),
        ("no-optional-fields.signature", None),
        ("subkey.signature", None),
        ("subkey.signature-v3", None),
        // Good signatures of payloads that are no simple-signing documents.
        ("invalid-blob.signature", Some(ReasonKind::Payload)),
        ("invalid-blob.signature-v3", Some(ReasonKind::Payload)),
        ("invalid-reference.signature", Some(ReasonKind::Identity)),
        ("corrupt.signature", Some(ReasonKind::Format)),
        ("corrupt.signature-v3", Some(ReasonKind::Format)),
        ("expired.signature", Some(ReasonKind::Time)),
        ("unknown-key.signature", Some(ReasonKind::UnknownKey)),
        ("unknown-key.signature-v3", Some(ReasonKind::UnknownKey)),
        ("unsigned-literal.signature", Some(ReasonKind::Format)),
        ("unsigned-encrypted.signature", Some(ReasonKind::Format)),
        ("invalid-cleartext.signature", Some(ReasonKind::Format)),
        ("subkey-revoked.signature", Some(ReasonKind::Key)),
        ("subkey-revoked.signature-v3", Some(ReasonKind::Key)),
    ] {
        let blob = Bytes::from(fs::read(fixtures.join(name)).unwrap());
        let result = ring.verify(&blob);
        match expected {
            None | Some(ReasonKind::Payload | ReasonKind::Identity) => {
                result.unwrap_or_else(|reason| panic!("{name}: {reason}"));
            }
            Some(kind) => {
                let reason = result.unwrap_err();
                assert_eq!(reason.kind(), kind, "{name}: {reason}");
            }
        }
        let summary = UntrustedSummary::read_without_verifying(&Signature::Simple(blob));
        if expected == Some(ReasonKind::Payload) {
            assert_eq!(summary.unwrap_err().kind(), ReasonKind::Payload, "{name}");
        } else if name == "image.signature" {
            let manifest = fs::read(fixtures.join("image.manifest.json")).unwrap();
            let digest = wharf_content::Hasher::sha256(&manifest);
            let summary = summary.unwrap();
            assert_eq!(
                (summary.key.as_deref(), summary.digest.as_str()),
                (Some(KEY), digest.as_str())
            );
        }
        judged += 1;
    }
    assert_eq!(judged, 17);
}
