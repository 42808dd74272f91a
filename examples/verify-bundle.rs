//! Verifies a sigstore bundle, offline, called as sigstore's conformance suite calls a client.
//!
//!     cargo run --release --example verify-bundle -- --bundle a.sigstore.json --trusted-root trusted_root.json \
//!         --certificate-identity ada@example.com --certificate-oidc-issuer https://accounts.example.com a.txt

#![allow(clippy::print_stderr, reason = "an example prints")]

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use wharf_reference::Digest;
use wharf_trust::{BundlePolicy, CertificateIdentity, PublicKey, TrustedRoot, VerifiedBundle};

/// The most bytes of a bundle, a key or a trusted root.
const MAX_DOCUMENT: u64 = 4 << 20;
/// The most bytes of an artifact.
const MAX_ARTIFACT: u64 = 64 << 20;

/// Verify a sigstore bundle for a file, or for a digest.
///
/// Contacts nothing: the logs and authorities to trust come from --trusted-root. Bundles of the versions 0.1,
/// 0.2 and 0.3 are accepted.
///
/// Exits with 0 if the bundle is by the signer that is demanded and for this artifact, and with 1 otherwise.
#[derive(Parser)]
struct Arguments {
    /// The bundle is of sigstore's staging instance; its root is to be given with --trusted-root
    #[arg(long)]
    staging: bool,
    /// The bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The subject alternative name of the signer's certificate: an email or a URI, compared exactly
    #[arg(long, value_name = "NAME", requires = "certificate_oidc_issuer")]
    certificate_identity: Option<String>,
    /// The URL of the signer's OIDC issuer, compared exactly
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
    /// The signer's public key (PEM), instead of an identity
    #[arg(long, value_name = "FILE", required_unless_present = "certificate_identity",
          conflicts_with_all = ["certificate_identity", "certificate_oidc_issuer"])]
    key: Option<PathBuf>,
    /// The logs and authorities to trust (`trusted_root.json`); with --key, a log of it must have the signature
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// The artifact, or `sha256:…`, which suffices where the bundle has an envelope (DSSE)
    #[arg(value_name = "FILE_OR_DIGEST")]
    artifact: String,
}

fn main() -> ExitCode {
    match verify(&Arguments::parse()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn verify(arguments: &Arguments) -> anyhow::Result<VerifiedBundle> {
    let policy = policy(arguments)?.with_old_versions(true);
    let file = &arguments.bundle;
    let bundle = read(file, MAX_DOCUMENT)?;
    let now = SystemTime::now();
    let verified = if let Some(digest) = sha256(&arguments.artifact)? {
        policy.verify_digest(&bundle, &digest, now)
    } else {
        let artifact = read(Path::new(&arguments.artifact), MAX_ARTIFACT)?;
        policy.verify_blob(&bundle, &artifact, now)
    };
    verified.with_context(|| format!("{} is not accepted for {}", file.display(), arguments.artifact))
}

/// The signer that the flags demand.
fn policy(arguments: &Arguments) -> anyhow::Result<BundlePolicy> {
    let root = arguments.trusted_root.as_deref().map(root).transpose()?;
    if let Some(file) = &arguments.key {
        let key =
            PublicKey::from_pem(&read(file, MAX_DOCUMENT)?).with_context(|| unusable("the key", file))?;
        let policy = BundlePolicy::key(key);
        return Ok(match root {
            Some(root) => policy.with_root(root),
            None => policy,
        });
    }
    let (Some(name), Some(issuer)) = (
        &arguments.certificate_identity,
        &arguments.certificate_oidc_issuer,
    ) else {
        bail!("neither a key nor an identity is given");
    };
    let Some(root) = root else {
        let instance = if arguments.staging {
            "sigstore's staging instance"
        } else {
            "the instance that signed"
        };
        bail!(
            "a certificate is trusted by a root alone; give the trusted_root.json of {instance} with --trusted-root"
        );
    };
    Ok(BundlePolicy::identity(
        CertificateIdentity::new(name, issuer),
        root,
    ))
}

fn root(file: &Path) -> anyhow::Result<TrustedRoot> {
    TrustedRoot::parse(&read(file, MAX_DOCUMENT)?).with_context(|| unusable("the trusted root", file))
}

fn unusable(what: &str, file: &Path) -> String {
    format!("{what} {} cannot be used", file.display())
}

/// The digits of the digest that stands in the artifact's place, if one does.
fn sha256(artifact: &str) -> anyhow::Result<Option<String>> {
    if !artifact.starts_with("sha256:") {
        return Ok(None);
    }
    let digest = Digest::parse(artifact)
        .with_context(|| format!("{artifact} is no digest; a file of this name is written ./{artifact}"))?;
    Ok(digest.as_str().strip_prefix("sha256:").map(str::to_owned))
}

/// Reads a file of at most so many bytes.
fn read(file: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("{} cannot be read", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(unreadable)?;
    opened
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(unreadable)?;
    if bytes.len() as u64 > limit {
        bail!("{} is larger than {} MiB", file.display(), limit >> 20);
    }
    Ok(bytes)
}
