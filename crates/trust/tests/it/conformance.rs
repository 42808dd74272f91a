//! The cases of sigstore's conformance suite: whoever verifies bundles must agree with each.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use wharf_content::Hasher;
use wharf_trust::{BundlePolicy, CertificateIdentity, Problem, PublicKey, TrustedRoot, VerifiedBundle};

use crate::corpora;

/// Cases of the suite that the corpus has; the others are not in it.
const CASES: usize = 53;

/// The suite's own identity, for cases that name none.
const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// A time after all cases were made.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_788_000_000)
}

struct Case {
    bundle: Vec<u8>,
    artifact: Vec<u8>,
    policy: Result<BundlePolicy, Problem>,
}

fn case(folder: &Path) -> Case {
    let corpus = folder.parent().unwrap();
    let own = |name: &str| fs::read(folder.join(name)).ok();
    let text = |name: &str| own(name).map(|bytes| String::from_utf8(bytes).unwrap().trim().to_owned());
    let artifact = own("artifact").unwrap_or_else(|| fs::read(corpus.join("a.txt")).unwrap());
    let root = own("trusted_root.json");
    let root = root.unwrap_or_else(|| fs::read(corpus.join("public-good-root.json")).unwrap());
    let policy = TrustedRoot::parse(&root).and_then(|root| {
        let policy = match own("key.pub") {
            None => {
                let san = text("identity").unwrap_or_else(|| IDENTITY.to_owned());
                let issuer = text("issuer").unwrap_or_else(|| ISSUER.to_owned());
                BundlePolicy::identity(CertificateIdentity::new(san, issuer), root)
            }
            Some(key) => BundlePolicy::key(PublicKey::from_pem(&key)?).with_root(root),
        };
        Ok(policy.with_old_versions(true))
    });
    Case {
        bundle: own("bundle.sigstore.json").unwrap(),
        artifact,
        policy,
    }
}

impl Case {
    fn verify(&self) -> Result<VerifiedBundle, Problem> {
        let policy = self.policy.clone()?;
        policy.verify_blob(&self.bundle, &self.artifact, now())
    }

    fn verify_digest(&self) -> Result<VerifiedBundle, Problem> {
        let policy = self.policy.clone()?;
        let digest = Hasher::sha256(&self.artifact).to_string();
        let sha256 = digest.strip_prefix("sha256:").unwrap();
        policy.verify_digest(&self.bundle, sha256, now())
    }
}

#[test]
fn every_case_of_the_conformance_suite_ends_as_it_must() {
    let Some(corpus) = corpora::folder("sigstore-conformance") else {
        return;
    };
    let mut count = 0;
    let mut wrong = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let expected = !name.ends_with("_fail");
        let case = case(&folder);
        let verified = case.verify();
        println!(
            "{name}: {}",
            verified
                .as_ref()
                .map_or_else(ToString::to_string, |_| "good".to_owned())
        );
        if verified.is_ok() != expected {
            wrong.push(name.clone());
        }
        // A digest in the artifact's place is enough for an envelope, and for nothing else.
        let is_envelope = String::from_utf8_lossy(&case.bundle).contains("dsseEnvelope");
        if case.verify_digest().is_ok() != (expected && is_envelope) {
            wrong.push(format!("{name} by digest"));
        }
        count += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(count, CASES);
}
