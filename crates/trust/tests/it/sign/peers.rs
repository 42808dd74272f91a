//! Skopeo and GnuPG, in both directions.

use std::fs;

use wharf_content::Signature;
use wharf_testkit::{Output, Sandbox, require_peers};
use wharf_trust::{RefusalKind, Signer, verify_simple};

use super::{file, gpg::Home, openpgp::public_of, signed};
use crate::support::{MANIFEST, NAME, digest, manifest, manifest_of, reference};

/// A sandbox with the manifest of the image and an image in a directory, and Skopeo in it with the keys of a home.
struct Peer {
    sandbox: Sandbox,
    home: Home,
}

impl Peer {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let config = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        sandbox.write("image/version", "Directory Transport Version: 1.1\n");
        sandbox.write(&format!("image/{config}"), "{}");
        sandbox.write("image/manifest.json", MANIFEST);
        Self {
            sandbox,
            home: Home::new(),
        }
    }

    fn skopeo(&self, arguments: &[&str]) -> Output {
        let home = self.home.path().to_str().unwrap();
        self.sandbox.skopeo().env("GNUPGHOME", home).run(arguments)
    }

    fn text(&self, name: &str) -> String {
        self.sandbox.path(name).to_str().unwrap().to_owned()
    }

    fn import(&self, keys: &[u8]) {
        let path = self.home.path().join("imported");
        fs::write(&path, keys).unwrap();
        self.home.gpg(&["--import", path.to_str().unwrap()]);
    }

    /// Whether Skopeo accepts a signature, verified alone and as a policy demands it.
    fn accepts(&self, public: &[u8], key: &str, signature: &Signature) -> [Output; 2] {
        let blob = signature.to_blob().unwrap();
        let signature = self.sandbox.write("image/signature-1", blob);
        self.import(public);
        let manifest = self.text("image/manifest.json");
        let alone = self.skopeo(&[
            "standalone-verify",
            &manifest,
            NAME,
            key,
            signature.to_str().unwrap(),
        ]);
        let keys = self.sandbox.write("public.gpg", public);
        let policy = format!(
            r#"{{"default":[{{"type":"signedBy","keyType":"GPGKeys","keyPath":"{}","signedIdentity":{{"type":"exactReference","dockerReference":"{NAME}"}}}}]}}"#,
            keys.display()
        );
        self.sandbox.write("policy.json", policy);
        let place = |name: &str| format!("dir:{}", self.text(name));
        let by_policy = self.skopeo(&["copy", &place("image"), &place("copy")]);
        [alone, by_policy]
    }
}

fn fingerprint(home: &Home, public: &[u8]) -> String {
    let path = home.path().join("shown");
    fs::write(&path, public).unwrap();
    let listed = home.gpg(&["--with-colons", "--show-keys", path.to_str().unwrap()]);
    let listed = String::from_utf8(listed).unwrap();
    let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
    line.split(':').nth(9).unwrap().to_owned()
}

#[test]
fn skopeo_accepts_what_secret_key_files_sign() {
    require_peers!("skopeo", "gpg");
    let peer = Peer::new();
    for name in ["ed25519.gpg", "nistp256.gpg", "nistp384.gpg", "encrypting.gpg"] {
        let signature = signed(&Signer::openpgp(file(name)).unwrap()).unwrap();
        let public = public_of(name);
        let key = fingerprint(&peer.home, &public);
        for output in peer.accepts(&public, &key, &signature) {
            output.ok();
        }
        let other = public_of(
            "armored.gpg"
                .replace(
                    "armored",
                    if name == "ed25519.gpg" {
                        "nistp256"
                    } else {
                        "ed25519"
                    },
                )
                .as_str(),
        );
        let [_, by_policy] = peer.accepts(&other, &key, &signature);
        assert!(!by_policy.success, "{name}");
    }
}

#[test]
fn skopeo_accepts_what_gpg_signs_for_us() {
    require_peers!("skopeo", "gpg");
    let peer = Peer::new();
    for algorithm in ["ed25519", "nistp256", "nistp384", "rsa2048", "rsa4096"] {
        let key = peer.home.key(algorithm, algorithm, "");
        let signature = signed(&Signer::gpg(key.as_str(), peer.home.program())).unwrap();
        for output in peer.accepts(&peer.home.export(&key), &key, &signature) {
            output.ok();
        }
    }
}

#[test]
fn what_skopeo_signs_is_verified_alone() {
    require_peers!("skopeo", "gpg");
    let peer = Peer::new();
    let key = peer.home.key("ada", "rsa2048", "");
    let public = peer.home.export(&key);
    let out = peer.text("signature");
    let sign = |name: &str| {
        let manifest = peer.text("image/manifest.json");
        peer.skopeo(&["standalone-sign", &manifest, name, &key, "-o", &out])
            .ok();
        Signature::from_blob(fs::read(&out).unwrap().into())
    };
    let signature = sign(NAME);
    let verdict = verify_simple(&manifest(), &reference(NAME), &public, &signature).unwrap();
    assert_eq!(verdict.digest().to_string(), digest());
    assert_eq!(verdict.met()[0].signer().unwrap().to_string(), key);
    let refused =
        |name: &str, keys: &[u8]| verify_simple(&manifest(), &reference(name), keys, &signature).unwrap_err();
    assert_eq!(
        refused("registry.example/app:2", &public).kind(),
        RefusalKind::NoneAccepted
    );
    assert_eq!(
        refused(NAME, &public_of("ed25519.gpg")).kind(),
        RefusalKind::NoneAccepted
    );
    assert_eq!(refused(NAME, b"junk").kind(), RefusalKind::Keys);
    let other = manifest_of(&MANIFEST.replace('{', "{ "));
    verify_simple(&other, &reference(NAME), &public, &signature).unwrap_err();
    // A short name is normalised on both sides.
    let _ = verify_simple(
        &manifest(),
        &reference("docker.io/library/app:1"),
        &public,
        &sign("app:1"),
    )
    .unwrap();
    // Deviation: a name without tag and digest is for nothing.
    verify_simple(
        &manifest(),
        &reference("registry.example/app"),
        &public,
        &sign("registry.example/app"),
    )
    .unwrap_err();
}

#[test]
fn what_skopeo_signs_while_it_copies_is_accepted() {
    require_peers!("skopeo", "gpg");
    let peer = Peer::new();
    for algorithm in ["rsa2048", "ed25519"] {
        let key = peer.home.key(algorithm, algorithm, "");
        let copy = format!("copy-{algorithm}");
        let place = |name: &str| format!("dir:{}", peer.text(name));
        peer.skopeo(&[
            "copy",
            "--sign-by",
            &key,
            "--sign-identity",
            NAME,
            &place("image"),
            &place(&copy),
        ])
        .ok();
        let blob = fs::read(peer.sandbox.path(&copy).join("signature-1")).unwrap();
        let signature = Signature::from_blob(blob.into());
        let verdict = verify_simple(&manifest(), &reference(NAME), &peer.home.export(&key), &signature);
        assert!(verdict.unwrap().is_signed());
    }
}
