//! A host made like one of RHEL 9, with a registry, a mirror and a store of signatures.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use wharf::{
    Client, ClientBuilder, Error, Pulled, Reference, Selection,
    config::{Locations, SignatureStore},
    content::{Blob, Descriptor, Manifest, Signature},
    http::{ReqwestConnector, RetryPolicy},
    store::Memory,
};
use wharf_registry::{Registry, Server};
use wharf_testkit::hostile::{Answer, Match, Origin, Rule, Stage};

pub(super) const REGISTRY: &str = "registry.access.redhat.com";
pub(super) const MIRROR: &str = "mirror.example.com";
/// The path of the lookaside store that RHEL's registries.d names.
const STORE: &str = "/webassets/docker/content/sigstore";

/// A web server of signatures.
pub(super) struct Store {
    pub(super) origin: Origin,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
}

impl Store {
    async fn at(stage: &Stage, host: &str) -> Self {
        let origin = stage.origin(host).await;
        let answers = Arc::new(Mutex::new(BTreeMap::<String, Answer>::new()));
        let known = Arc::clone(&answers);
        origin.rule(Rule::call(Match::any(), move |request| {
            let found = known.lock().unwrap().get(request.path()).cloned();
            found.unwrap_or_else(|| Answer::new(404))
        }));
        Self { origin, answers }
    }

    /// Answers for the signature of this number of a manifest of a repository.
    pub(super) fn put(&self, repository: &str, manifest: &Manifest, number: usize, answer: Answer) {
        let digest = manifest.digest().to_string().replace(':', "=");
        let path = format!("{STORE}/{repository}@{digest}/signature-{number}");
        self.answers.lock().unwrap().insert(path, answer);
    }

    pub(super) fn clear(&self) {
        self.answers.lock().unwrap().clear();
    }
}

pub(super) struct Host {
    pub(super) root: tempfile::TempDir,
    pub(super) stage: Stage,
    pub(super) server: Server,
    pub(super) store: Store,
    pub(super) mirrors_store: Store,
}

impl Host {
    /// A host whose policy demands nothing yet. Its registry is reached under the names of RHEL's and of a mirror.
    pub(super) async fn new() -> Self {
        let stage = Stage::new();
        let server = Registry::memory().serve().await.unwrap();
        let address = server.registry().as_str().parse().unwrap();
        for name in [REGISTRY, MIRROR, "registry.example"] {
            stage.name(name, &[address]);
        }
        let host = Self {
            root: tempfile::tempdir().unwrap(),
            store: Store::at(&stage, "access.redhat.com").await,
            mirrors_store: Store::at(&stage, "signatures.example.com").await,
            stage,
            server,
        };
        host.write(
            "etc/containers/registries.d/default.yaml",
            "default-docker:\n  lookaside-staging: file:///var/lib/containers/sigstore\n",
        );
        for registry in [REGISTRY, "registry.redhat.io", "registry.example"] {
            host.write(
                &format!("etc/containers/registries.d/{registry}.yaml"),
                format!("docker:\n     {registry}:\n         lookaside: https://access.redhat.com{STORE}\n"),
            );
        }
        host.write(
            "etc/containers/registries.d/mirror.yaml",
            format!("docker:\n  {MIRROR}:\n    lookaside: https://signatures.example.com{STORE}\n"),
        );
        host
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// policy.json as RHEL 9 has it: its registries are signed by the keys in two files, all others accepted.
    pub(super) fn demand_keys(&self, keyring: &[u8]) {
        self.write("etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release", keyring);
        self.write("etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-beta", keyring);
        let [release, beta] = ["release", "beta"].map(|name| {
            self.path(&format!("etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-{name}"))
                .display()
                .to_string()
        });
        let rule =
            format!(r#"[{{"type": "signedBy", "keyType": "GPGKeys", "keyPaths": [{release:?}, {beta:?}]}}]"#);
        self.demand(&rule);
    }

    /// policy.json with this rule for RHEL's registries.
    pub(super) fn demand(&self, rule: &str) {
        let policy = format!(
            r#"{{
    "default": [{{"type": "insecureAcceptAnything"}}],
    "transports": {{
        "docker": {{
            "{REGISTRY}": {rule},
            "registry.example": {rule},
            "registry.redhat.io": {rule}
        }},
        "docker-daemon": {{"": [{{"type": "insecureAcceptAnything"}}]}}
    }}
}}"#
        );
        self.write("etc/containers/policy.json", policy);
    }

    /// Serves everything through the mirror: the registry itself is not there.
    pub(super) fn use_mirror(&self, of: &str) {
        let text = format!("[[registry]]\nlocation = '{of}'\n[[registry.mirror]]\nlocation = '{MIRROR}'\n");
        self.write("etc/containers/registries.conf", text);
        self.stage.name(of, &[([127, 0, 0, 1], 1).into()]);
    }

    pub(super) fn builder(&self) -> ClientBuilder {
        let names = Arc::new(self.stage.names());
        Client::builder()
            .with_locations(Locations::rooted(self.root.path()))
            .with_plain_http(REGISTRY)
            .with_plain_http(MIRROR)
            .with_plain_http("registry.example")
            .with_root_pem(self.stage.ca().pem())
            .with_retry(RetryPolicy::never())
            .with_connect(ReqwestConnector::new().with_dns_resolver(names))
    }

    pub(super) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    /// A client that demands nothing, to prepare the registry with.
    pub(super) fn publisher(&self) -> Client {
        self.builder().dangerous().ignore_policy().build().unwrap()
    }

    /// Puts an image under a name.
    pub(super) async fn publish(&self, name: &str, image: &Image) {
        let reference = Reference::parse(name).unwrap();
        let client = self.publisher();
        let remote = client.distribution().remote(&reference.repository());
        for (descriptor, bytes) in &image.blobs {
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone().into()).unwrap();
            remote.push_blob(blob).await.unwrap();
        }
        remote
            .push_manifest(&image.manifest, reference.tag().as_ref())
            .await
            .unwrap();
    }

    /// Adds an attachment to a manifest that was published.
    pub(super) async fn attach(&self, name: &str, manifest: &Manifest, signature: Signature) {
        let reference = Reference::parse(name).unwrap();
        let builder = self.builder().dangerous().ignore_policy();
        let store = SignatureStore::default().with_attachments(true);
        let client = builder.with_signature_locations(store).build().unwrap();
        let remote = client.distribution().remote(&reference.repository());
        let descriptor = manifest.descriptor();
        remote
            .push_signatures(descriptor, None, &[signature])
            .await
            .unwrap();
    }

    pub(super) async fn pull(&self, name: &str) -> Result<Pulled, Error> {
        self.client()
            .pull_with(name, &Memory::new(), Selection::default())
            .await
    }
}

/// An image that can be published.
pub(super) struct Image {
    pub(super) manifest: Manifest,
    pub(super) blobs: Vec<(Descriptor, Vec<u8>)>,
}

impl Image {
    pub(super) fn with_layer(content: &str) -> Self {
        let built = wharf::ImageBuilder::for_platform(wharf::Platform::host())
            .with_tar(content.as_bytes().to_vec())
            .build()
            .unwrap();
        let blobs = built
            .blobs()
            .map(|(descriptor, bytes)| (descriptor.clone(), bytes.to_vec()));
        Self {
            blobs: blobs.collect(),
            manifest: built.root().clone(),
        }
    }
}
