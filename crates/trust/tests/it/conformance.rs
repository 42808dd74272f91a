//! The cases of sigstore's conformance suite: whoever verifies bundles must agree with each.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use wharf_content::Hasher;
use wharf_testkit::corpora::{self, ConformanceCase};
use wharf_trust::{BundlePolicy, CertificateIdentity, Problem, PublicKey, TrustedRoot, VerifiedBundle};

/// Cases of the suite that the corpus has; the others are not in it.
const CASES: usize = 53;

/// A time after all cases were made.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_788_000_000)
}

fn policy(case: &ConformanceCase) -> Result<BundlePolicy, Problem> {
    let root = TrustedRoot::parse(&fs::read(&case.root).unwrap())?;
    let policy = match &case.key {
        None => BundlePolicy::identity(CertificateIdentity::new(&case.identity, &case.issuer), root),
        Some(key) => BundlePolicy::key(PublicKey::from_pem(&fs::read(key).unwrap())?).with_root(root),
    };
    Ok(policy.with_old_versions(true))
}

fn verify(case: &ConformanceCase) -> Result<VerifiedBundle, Problem> {
    let (bundle, artifact) = (fs::read(&case.bundle).unwrap(), fs::read(&case.artifact).unwrap());
    policy(case)?.verify_blob(&bundle, &artifact, now())
}

fn verify_digest(case: &ConformanceCase) -> Result<VerifiedBundle, Problem> {
    let digest = Hasher::sha256(&fs::read(&case.artifact).unwrap()).to_string();
    let sha256 = digest.strip_prefix("sha256:").unwrap();
    policy(case)?.verify_digest(&fs::read(&case.bundle).unwrap(), sha256, now())
}

#[test]
fn every_case_of_the_conformance_suite_ends_as_it_must() {
    let Some(cases) = corpora::conformance() else {
        return;
    };
    let mut wrong = Vec::new();
    for case in &cases {
        let name = &case.name;
        let verified = verify(case);
        println!(
            "{name}: {}",
            verified
                .as_ref()
                .map_or_else(ToString::to_string, |_| "good".to_owned())
        );
        if verified.is_ok() != case.is_good {
            wrong.push(name.clone());
        }
        if verify_digest(case).is_ok() != (case.is_good && case.is_envelope()) {
            wrong.push(format!("{name} by digest"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(cases.len(), CASES);
}
