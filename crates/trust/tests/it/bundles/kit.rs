use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use wharf_trust::{BundlePolicy, CertificateIdentity, Problem, PublicKey, TrustedRoot, VerifiedBundle};

pub(super) const SAN: &str = "https://example.com/ada";
pub(super) const ISSUER: &str = "https://accounts.example";

pub(super) fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bundles");
    fs::read(folder.join(name)).unwrap()
}

pub(super) fn json(name: &str) -> Value {
    serde_json::from_slice(&golden(&format!("{name}.json"))).unwrap()
}

pub(super) fn root_json() -> Value {
    json("trusted_root")
}

pub(super) fn root_of(value: &Value) -> Result<TrustedRoot, Problem> {
    TrustedRoot::parse(value.to_string().as_bytes())
}

pub(super) fn root() -> TrustedRoot {
    root_of(&root_json()).unwrap()
}

/// The SHA-256 of the manifest of image `a` or `b`.
pub(super) fn image(name: &str) -> String {
    json("images")[name].as_str().unwrap().to_owned()
}

pub(super) fn identity() -> BundlePolicy {
    BundlePolicy::identity(CertificateIdentity::new(SAN, ISSUER), root())
}

pub(super) fn key() -> PublicKey {
    PublicKey::from_pem(&golden("key.pub")).unwrap()
}

/// Long after the bundles were made.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

pub(super) fn judge(policy: &BundlePolicy, bundle: &Value) -> Result<VerifiedBundle, Problem> {
    policy.verify_image(bundle.to_string().as_bytes(), &image("a"), now())
}

pub(super) fn changed(bundle: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = bundle.clone();
    change(&mut bundle);
    bundle
}

/// When the log recorded the bundle, in seconds.
pub(super) fn logged(bundle: &Value) -> i64 {
    let time = &bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"];
    time.as_str().unwrap().parse().unwrap()
}
