//! How much a signature that is demanded adds to a pull: requests and milliseconds, for 100 images of a registry on this
//! machine. Where nothing is demanded, no request may be added, which is asserted.
//!
//! The signatures are those of the golden data of `wharf-trust`: all images have one manifest, in repositories of their
//! own, and the policy names the repository that was signed.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench that cannot be set up has nothing to say, and what it has to say is printed"
)]

use std::{
    fs,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wharf::{
    Client, Name, Options,
    config::{Locations, Policy},
    copy::Signatures,
    store::{Layout, Memory},
};
use wharf_content::{Blob, Manifest, MediaType, Signature, Sink as _};
use wharf_registry::{Registry, Server};

const MANIFEST: &[u8] = include_bytes!("../crates/trust/tests/golden/manifest.json");
const GOLDEN: &str = include_str!("../crates/trust/tests/golden/attachments/answers.json");

const IMAGES: usize = 100;
/// The pulls of all images, of which the fastest counts.
const ROUNDS: usize = 5;

/// What is demanded, by the case of the golden data whose signature the images have.
const DEMANDS: [(&str, Option<&str>); 4] = [
    ("no policy", None),
    ("a policy that accepts anything", None),
    ("a signature by a key", Some("signatures: one good")),
    ("a certificate of Fulcio, logged in Rekor", Some("fulcio: good")),
];

fn main() {
    let golden = serde_json::from_str(GOLDEN).expect("golden data is JSON");
    let scene = Scene::new(golden);
    println!("{IMAGES} images, each pulled into a store in memory; the fastest of {ROUNDS} rounds");
    println!("| demanded | requests an image | ms an image | added |");
    println!("|---|---|---|---|");
    let mut first = None;
    for (demanded, case) in DEMANDS {
        let policy = match case {
            Some(case) => Some(scene.policy(case)),
            None if demanded == "no policy" => None,
            None => Some(json!({"default": [{"type": "insecureAcceptAnything"}]})),
        };
        let repositories = case.map_or("key", |case| {
            if case.starts_with("fulcio") {
                "fulcio"
            } else {
                "key"
            }
        });
        let (requests, time) = scene.pull(policy.as_ref(), repositories);
        let (least, fastest) = *first.get_or_insert((requests, time));
        assert!(
            case.is_some() || requests == least,
            "a request is added where nothing is demanded"
        );
        let (each, added) = (milliseconds(time), milliseconds(time.saturating_sub(fastest)));
        println!(
            "| {demanded} | {requests} | {each:.2} | {} requests, {added:.2} ms |",
            requests - least
        );
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0 / IMAGES as f64
}

struct Scene {
    runtime: Runtime,
    server: Server,
    root: tempfile::TempDir,
    golden: Value,
}

impl Scene {
    /// A registry with the images, once signed by a key and once with a certificate.
    fn new(golden: Value) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let root = tempfile::tempdir().expect("a temporary directory");
        let registries_d = root.path().join("etc/containers/registries.d");
        fs::create_dir_all(&registries_d).expect("a directory");
        let attachments = "default-docker:\n  use-sigstore-attachments: true\n";
        fs::write(registries_d.join("all.yaml"), attachments).expect("a file");
        let server = runtime.block_on(async { Registry::memory().serve().await.expect("a registry") });
        let scene = Self {
            runtime,
            server,
            root,
            golden,
        };
        for (repositories, case) in [("key", "signatures: one good"), ("fulcio", "fulcio: good")] {
            scene
                .runtime
                .block_on(scene.push(repositories, &scene.signature(case)));
        }
        scene
    }

    fn case(&self, name: &str) -> &Value {
        let cases = self.golden["cases"].as_array().expect("a list");
        let case = cases.iter().find(|case| case["name"] == name);
        case.unwrap_or_else(|| panic!("no case {name}"))
    }

    /// The text of a file of the golden data instead of `@name`.
    fn text(&self, text: &str) -> String {
        let name = text.strip_prefix('@');
        name.map_or(text, |name| {
            self.golden["files"][name].as_str().unwrap_or_default()
        })
        .to_owned()
    }

    fn signature(&self, case: &str) -> Signature {
        let name = self.case(case)["attachments"][0].as_str().expect("a name");
        let attachment = &self.golden["attachments"][name];
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let annotations = attachment["annotations"].as_object().expect("an object");
        Signature::Attachment {
            media_type: MediaType::parse(&text(&attachment["mimeType"])).expect("a media type"),
            payload: STANDARD
                .decode(text(&attachment["payload"]))
                .expect("base64")
                .into(),
            annotations: annotations
                .iter()
                .map(|(name, value)| (name.clone(), self.text(&text(value))))
                .collect(),
        }
    }

    /// The policy of a case, for the repository that was signed.
    fn policy(&self, case: &str) -> Value {
        let mut requirement = self.case(case)["policy"]["default"][0].clone();
        requirement["signedIdentity"] =
            json!({"type": "exactRepository", "dockerRepository": "127.0.0.1:5599/n/app"});
        self.fill_in(&mut requirement);
        json!({"default": [requirement]})
    }

    fn fill_in(&self, value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(|member| self.fill_in(member)),
            Value::String(text) if text.starts_with('@') => *text = STANDARD.encode(self.text(text)),
            _ => {}
        }
    }

    fn client(&self, policy: Option<&Value>) -> Client {
        let builder = Client::builder()
            .with_locations(Locations::rooted(self.root.path()))
            .with_plain_http(self.server.registry());
        let builder = match policy {
            Some(policy) => builder.with_policy(Policy::parse(&policy.to_string()).expect("a policy")),
            None => builder,
        };
        builder.build().expect("a client")
    }

    fn image(&self, repositories: &str, number: usize) -> String {
        format!("{}/{repositories}/app{number}:1", self.server.registry())
    }

    async fn push(&self, repositories: &str, signature: &Signature) {
        let store = Layout::create(self.root.path().join(repositories))
            .await
            .expect("a store");
        let config = Blob::of(MediaType::OCI_CONFIG, b"{}".as_slice());
        store.push_blob(config).await.expect("a config");
        let manifest = Manifest::parse(MANIFEST.into(), None).expect("a manifest");
        let name = Name::parse("app").expect("a name");
        store
            .push_manifest(&manifest, Some(&name))
            .await
            .expect("an image");
        let signatures = std::slice::from_ref(signature);
        let pushed = store
            .push_signatures(manifest.descriptor(), None, signatures)
            .await;
        pushed.expect("a store keeps attachments");
        let client = self.client(None);
        for number in 0..IMAGES {
            let options = Options::default().with_signatures(Signatures::Carry);
            let to = self.image(repositories, number);
            client
                .push_with(&store, &name, &to, options)
                .await
                .expect("a signed image");
        }
    }

    /// The requests of one image, and the time of the fastest round.
    fn pull(&self, policy: Option<&Value>, repositories: &str) -> (usize, Duration) {
        let client = self.client(policy);
        let (mut requests, mut fastest) = (0, Duration::MAX);
        for _ in 0..ROUNDS {
            let (before, began) = (self.server.requests().len(), Instant::now());
            self.runtime.block_on(async {
                for number in 0..IMAGES {
                    let pulled = client
                        .pull(&self.image(repositories, number), &Memory::new())
                        .await;
                    pulled.expect("an image that is accepted");
                }
            });
            fastest = fastest.min(began.elapsed());
            requests = (self.server.requests().len() - before).div_ceil(IMAGES);
        }
        (requests, fastest)
    }
}
