//! A registry that serves what a test likes, and a host that wants everything signed.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use wharf::{
    Client, Digest, Error, ErrorKind, Options, Platform,
    config::{Locations, Policy},
    store::Layout,
};
use wharf_testkit::{
    hostile::{Answer, Match, Origin, OriginOptions, Rule, Stage},
    sha256,
};

pub(super) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// A key that the policy demands.
pub(super) struct Key(EcdsaKeyPair);

impl Key {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random);
        Self(key.unwrap())
    }

    pub(super) fn pem(&self) -> String {
        const PREFIX: &[u8] = &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let spki = STANDARD.encode([PREFIX, self.0.public_key().as_ref()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n")
    }

    /// The payload and the signature of an attachment for a manifest.
    pub(super) fn sign(&self, manifest: &Digest, name: &str) -> (String, String) {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": manifest.to_string()},
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = payload.to_string();
        let signature = self.0.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        (payload, STANDARD.encode(signature))
    }
}

/// What a registry serves: of each manifest the answers in order, of which the last one stays.
#[derive(Default)]
pub(super) struct Served {
    pub(super) manifests: BTreeMap<String, (AtomicUsize, Vec<(String, String)>)>,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
}

impl Served {
    pub(super) fn answer(&self, path: &str) -> Answer {
        if let Some((_, digest)) = path.split_once("/blobs/") {
            return self.blobs.get(digest).map_or_else(
                || Answer::error(404, "BLOB_UNKNOWN", "no such blob"),
                |blob| Answer::ok(blob.clone()),
            );
        }
        let named = path
            .split_once("/manifests/")
            .and_then(|(_, name)| self.manifests.get(name));
        match named {
            None => Answer::error(404, "MANIFEST_UNKNOWN", "no such manifest"),
            Some((asked, answers)) => {
                let number = asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
                let (media_type, text) = &answers[number];
                Answer::ok(text.clone()).header("Content-Type", media_type)
            }
        }
    }
}

/// A registry, a host whose policy demands a signature for everything, and a store.
pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) registry: Origin,
    pub(super) served: Arc<Mutex<Served>>,
    pub(super) key: Key,
    pub(super) root: tempfile::TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let (stage, key) = (Stage::new(), Key::new());
        let root = tempfile::tempdir().unwrap();
        let registries_d = root.path().join("etc/containers/registries.d");
        fs::create_dir_all(&registries_d).unwrap();
        fs::write(
            registries_d.join("all.yaml"),
            "default-docker:\n  use-sigstore-attachments: true\n",
        )
        .unwrap();
        let (registry, served) = Self::serve(&stage).await;
        let world = Self {
            stage,
            registry,
            served,
            key,
            root,
        };
        world.host("policy.json", &world.policy());
        world
    }

    pub(super) async fn serve(stage: &Stage) -> (Origin, Arc<Mutex<Served>>) {
        let registry = stage
            .origin_with("localhost", OriginOptions::default().with_port())
            .await;
        let served = Arc::new(Mutex::new(Served::default()));
        let content = Arc::clone(&served);
        registry
            .on(Match::when(|request| request.path() == "/v2/"), Answer::ok("{}"))
            .rule(Rule::call(Match::any(), move |request| {
                content.lock().unwrap().answer(request.path())
            }));
        (registry, served)
    }

    /// Every image must be signed for its repository.
    pub(super) fn policy(&self) -> String {
        let key = STANDARD.encode(self.key.pem());
        json!({"default": [{"type": "sigstoreSigned", "keyData": key, "signedIdentity": {"type": "matchRepository"}}]})
            .to_string()
    }

    pub(super) fn host(&self, file: &str, text: &str) {
        fs::write(self.root.path().join("etc/containers").join(file), text).unwrap();
    }

    pub(super) fn client(&self) -> Client {
        Client::builder()
            .with_locations(Locations::rooted(self.root.path()))
            .with_root_pem(self.stage.ca().pem().to_owned())
            .build()
            .unwrap()
    }

    /// A client whose policy accepts anything.
    pub(super) fn careless(&self) -> Client {
        let accept = Policy::parse(r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
        Client::builder()
            .with_locations(Locations::rooted(self.root.path()))
            .with_root_pem(self.stage.ca().pem().to_owned())
            .with_policy(accept)
            .build()
            .unwrap()
    }

    pub(super) fn repository(&self) -> String {
        format!("{}/app", self.registry.name())
    }

    pub(super) fn named(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository())
    }

    pub(super) fn blob(&self, content: &[u8]) -> Value {
        let digest = sha256(content).to_string();
        self.served
            .lock()
            .unwrap()
            .blobs
            .insert(digest.clone(), content.to_vec());
        json!({"digest": digest, "size": content.len()})
    }

    /// An image with a layer of its own, and these members beside.
    pub(super) fn image(&self, content: &str, more: &Value) -> String {
        let host = Platform::host();
        let config = json!({
            "architecture": host.architecture, "os": host.os,
            "rootfs": {"type": "layers", "diff_ids": [sha256(content.as_bytes()).to_string()]},
        });
        let (mut config, mut layer) = (
            self.blob(config.to_string().as_bytes()),
            self.blob(content.as_bytes()),
        );
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [layer]});
        for (name, value) in more.as_object().into_iter().flatten() {
            manifest[name] = value.clone();
        }
        let text = manifest.to_string();
        self.put(IMAGE, &text, &[]);
        text
    }

    /// Serves a manifest by its digest, and under these tags.
    pub(super) fn put(&self, media_type: &str, text: &str, tags: &[&str]) -> Digest {
        let digest = sha256(text.as_bytes());
        let name = digest.to_string();
        for name in tags.iter().copied().chain([name.as_str()]) {
            self.answers(name, &[(media_type, text)]);
        }
        digest
    }

    pub(super) fn answers(&self, name: &str, answers: &[(&str, &str)]) {
        let owned = |(media_type, text): &(&str, &str)| ((*media_type).to_owned(), (*text).to_owned());
        let answers = (AtomicUsize::new(0), answers.iter().map(owned).collect());
        self.served
            .lock()
            .unwrap()
            .manifests
            .insert(name.to_owned(), answers);
    }

    /// Attaches the signature of one manifest to another, or to itself.
    pub(super) fn attach(&self, signed: &str, to: &str) -> String {
        let (payload, signature) = self.key.sign(&sha256(signed.as_bytes()), &self.repository());
        let mut layer = self.blob(payload.as_bytes());
        layer["mediaType"] = json!(SIMPLE_SIGNING);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        let mut config = self.blob(b"{}");
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let manifest =
            json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [layer]}).to_string();
        let tag = sha256(to.as_bytes()).to_string().replace(':', "-") + ".sig";
        self.put(IMAGE, &manifest, &[&tag]);
        manifest
    }

    pub(super) async fn store(&self, name: &str) -> Layout {
        Layout::create(self.root.path().join(name)).await.unwrap()
    }

    /// Pulls with the host's policy, into a store of its own. If it is refused, the store has nothing.
    pub(super) async fn pull(&self, name: &str, options: impl Into<Options>) -> Result<Digest, Error> {
        let directory = tempfile::tempdir_in(self.root.path()).unwrap();
        let store = Layout::create(directory.path().join("store")).await.unwrap();
        let pulled = self.client().pull_with(name, &store, options.into()).await;
        if pulled.is_err() {
            assert!(store.images().await.unwrap().is_empty());
        }
        pulled.map(|pulled| pulled.digest().clone())
    }

    pub(super) async fn refused(&self, name: &str, options: impl Into<Options>, attempt: &str) {
        match self.pull(name, options).await {
            Ok(digest) => panic!("{attempt}: accepted {digest}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Rejected, "{attempt}: {error}"),
        }
    }
}

/// An entry of an index for the host's platform.
pub(super) fn entry(media_type: &str, text: &str) -> Value {
    let host = Platform::host();
    json!({
        "mediaType": media_type, "digest": sha256(text.as_bytes()).to_string(), "size": text.len(),
        "platform": {"architecture": host.architecture, "os": host.os},
    })
}

pub(super) fn index(entries: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
}
