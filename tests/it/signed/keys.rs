//! Signatures by GnuPG, by keys that are kept beside the tests, and as cosign makes them.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use wharf::{
    MediaType,
    content::{Manifest, Signature},
};

use super::host::Image;

/// The payload of a simple signature.
pub(super) fn payload(manifest: &Manifest, name: &str, kind: &str) -> Vec<u8> {
    let digest = manifest.digest();
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}},"optional":{{}}}}"#
    )
    .into_bytes()
}

/// An image under a name, the keys that are trusted, a signature by one of them, and one by another key.
pub(super) struct Kit {
    pub(super) registry: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) image: Image,
    pub(super) keyring: Vec<u8>,
    pub(super) good: Vec<u8>,
    pub(super) by_stranger: Vec<u8>,
}

impl Kit {
    pub(super) fn name(&self) -> String {
        format!("{}/{}:{}", self.registry, self.path, self.tag)
    }

    /// Made by GnuPG long ago.
    pub(super) fn golden() -> Self {
        let read = |name: &str| {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/trust/tests/golden");
            std::fs::read(golden.join(name)).unwrap()
        };
        let manifest = read("manifest.json");
        let manifest = Manifest::parse(manifest.into(), Some(&MediaType::OCI_MANIFEST)).unwrap();
        Self {
            registry: "registry.example",
            path: "app",
            tag: "1",
            image: Image {
                blobs: vec![(manifest.config().unwrap().clone(), b"{}".to_vec())],
                manifest,
            },
            keyring: read("keys/rsa2048.gpg"),
            good: read("signatures/rsa2048"),
            by_stranger: read("signatures/rsa3072"),
        }
    }

    /// Made by GnuPG now.
    pub(super) fn fresh() -> Self {
        let (release, stranger) = (Gpg::new("release"), Gpg::new("stranger"));
        let image = Image::with_layer("signed");
        let signed = payload(
            &image.manifest,
            "registry.access.redhat.com/ubi9/ubi:latest",
            "atomic container signature",
        );
        Self {
            registry: super::host::REGISTRY,
            path: "ubi9/ubi",
            tag: "latest",
            keyring: release.run(&["--armor", "--export"], b""),
            good: release.run(&["--sign"], &signed),
            by_stranger: stranger.run(&["--sign"], &signed),
            image,
        }
    }
}

/// A home directory of GnuPG with one key.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new(name: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let user = format!("{name} <{name}@example.com>");
        home.run(
            &["--quick-generate-key", &user, "rsa2048", "cert,sign", "never"],
            b"",
        );
        home
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gpg")
            .args([
                "--batch",
                "--quiet",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .arg("--homedir")
            .arg(self.0.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let home = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--kill", "all"])
            .output();
        drop(home);
    }
}

/// A key pair of cosign's.
pub(super) struct Cosign(EcdsaKeyPair);

impl Cosign {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
        Self(pair.unwrap())
    }

    /// The public key, as `cosign.pub` has it.
    pub(super) fn pem(&self) -> String {
        // SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING }
        const HEAD: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let key = [&HEAD, self.0.public_key().as_ref()].concat();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64(&key)
        )
    }

    /// Signs a manifest under a repository, as cosign does.
    pub(super) fn sign(&self, manifest: &Manifest, repository: &str) -> Signature {
        let payload = payload(manifest, repository, "cosign container image signature");
        let signature = self.0.sign(&SystemRandom::new(), &payload).unwrap();
        Signature::Attachment {
            media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
            payload: payload.into(),
            annotations: [(
                "dev.cosignproject.cosign/signature".to_owned(),
                base64(signature.as_ref()),
            )]
            .into(),
        }
    }
}

impl Cosign {
    /// Signs a manifest in a bundle, as cosign does since version 3.
    pub(super) fn bundle(&self, manifest: &Manifest) -> Signature {
        let digest = manifest.digest().encoded();
        let statement = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{digest}"}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#
        );
        let kind = "application/vnd.in-toto+json";
        let signed = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let (payload, signature) = (base64(statement.as_bytes()), base64(signature.as_ref()));
        let json = format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{kind}","signatures":[{{"sig":"{signature}"}}]}}}}"#
        );
        Signature::Bundle(json.into())
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
