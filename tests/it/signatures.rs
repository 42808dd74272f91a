//! Signatures that a copy takes with it: on disk, between registries, and to and from Skopeo.

use std::{fs, path::Path};

use bytes::Bytes;
use wharf::{
    Client, ErrorKind, Options, Selection, Signatures,
    config::{Lookaside, SignatureStore},
    content::{MediaType, Signature, Target, Wanted},
    copy::{Referrers, SignatureCounts},
    distribution::Remote,
    reference::Reference,
};
use wharf_registry::{Registry, Server};
use wharf_testkit::{DockerRegistry, Image, Sandbox, require_peers};

use crate::{gpg, program::run};

fn attachment(text: &str) -> Signature {
    Signature::Attachment {
        media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
        payload: format!("payload {text}").into(),
        annotations: [("dev.cosignproject.cosign/signature".to_owned(), text.to_owned())].into(),
    }
}

fn bundle(text: &str) -> Signature {
    Signature::Bundle(format!(r#"{{"messageSignature":{text:?}}}"#).into())
}

fn simple(text: &str) -> Signature {
    Signature::Simple(Bytes::from([&[0x90], text.as_bytes()].concat()))
}

/// Two registries, and a directory.
struct Scene {
    servers: [Server; 2],
    root: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let server = || async { Registry::memory().serve().await.unwrap() };
        Self {
            servers: [server().await, server().await],
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// A client that keeps signatures of every kind, simple ones in a directory.
    fn client(&self) -> Client {
        let url = format!("file://{}", self.root.path().join("sigs").display());
        let store = SignatureStore::default()
            .with_lookaside(Lookaside::parse(&url).unwrap())
            .with_attachments(true);
        Client::builder()
            .with_plain_http(self.servers[0].registry())
            .with_plain_http(self.servers[1].registry())
            .with_signature_locations(store)
            .build()
            .unwrap()
    }

    fn reference(&self, server: usize) -> Reference {
        let path = ["team/first:1", "team/second:1"][server];
        self.servers[server].reference(path).unwrap()
    }

    fn remote(&self, client: &Client, server: usize) -> Remote {
        client.distribution().remote(&self.reference(server).repository())
    }

    fn layout(&self) -> String {
        format!("oci:{}:app", self.root.path().join("images").display())
    }

    /// Pushes an image to the first registry, and these signatures of it.
    async fn signed(&self, client: &Client, signatures: &[Signature]) -> Image {
        let image = Image::small("app");
        image.write_layout(&self.root.path().join("pushed"), "app");
        let from = format!("oci:{}:app", self.root.path().join("pushed").display());
        client
            .copy(&from, format!("docker://{}", self.reference(0)))
            .await
            .unwrap();
        let remote = self.remote(client, 0);
        let pushed = remote.push_signatures(image.manifest().descriptor(), None, signatures);
        assert_eq!(pushed.await.unwrap(), signatures.len());
        image
    }
}

fn counts(carried: usize, dropped: usize) -> SignatureCounts {
    let mut counts = SignatureCounts::default();
    (counts.carried, counts.dropped) = (carried, dropped);
    counts
}

fn carry(signatures: Signatures) -> Options {
    Options::from(Selection::All).with_signatures(signatures)
}

/// Registry to layout to registry: what cannot be kept on disk is told, the rest is the same at both ends.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_and_bundles_survive_a_trip_on_disk() {
    let scene = Scene::new().await;
    let client = scene.client();
    let kept = [attachment("1"), attachment("2"), bundle("1")];
    let image = scene.signed(&client, &kept).await;
    let layout = scene.layout();
    let [from, to] = [0, 1].map(|server| format!("docker://{}", scene.reference(server)));
    let stored = client
        .copy_with(&from, &layout, carry(Signatures::Carry))
        .await
        .unwrap();
    assert_eq!(stored.report().signatures(), counts(3, 0));
    let pushed = client
        .copy_with(&layout, &to, carry(Signatures::Carry))
        .await
        .unwrap();
    assert_eq!(pushed.report().signatures(), counts(3, 0));
    let read = async |client: &Client, server| {
        let remote = scene.remote(client, server);
        remote
            .manifest(&Target::of(&scene.reference(server)))
            .await
            .unwrap();
        remote
            .signatures(image.manifest().digest(), Wanted::EVERYTHING)
            .await
            .unwrap()
    };
    assert_eq!(read(&client, 1).await, kept);
    // The only image of the layout is found without its name: signatures are no images.
    let unnamed = layout.trim_end_matches(":app").to_owned();
    client.copy(&unnamed, &to).await.unwrap();
    // Again, with a simple signature, which a layout has no form for.
    let remote = scene.remote(&client, 0);
    remote
        .push_signatures(image.manifest().descriptor(), None, &[simple("1")])
        .await
        .unwrap();
    let error = client
        .copy_with(&from, &layout, carry(Signatures::Carry))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("no form for simple signatures"), "{cause}");
    let stored = client
        .copy_with(&from, &layout, carry(Signatures::CarryWhatFits))
        .await
        .unwrap();
    assert_eq!(stored.report().signatures(), counts(3, 1));
    assert_eq!(
        stored.report().warnings().len(),
        1,
        "{:?}",
        stored.report().warnings()
    );
    // Between the registries it is carried.
    let direct = client
        .copy_with(&from, &to, carry(Signatures::Carry))
        .await
        .unwrap();
    assert_eq!(direct.report().signatures(), counts(4, 0));
    assert_eq!(read(&client, 1).await[0], simple("1"));
}

/// A bundle is a referrer, too: asked for in both ways, it is there once. And a copy finds the referrers of a registry.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_copied_as_a_referrer_is_not_carried_again() {
    let scene = Scene::new().await;
    let client = scene.client();
    let image = scene.signed(&client, &[bundle("1"), bundle("2")]).await;
    let [from, to] = [0, 1].map(|server| format!("docker://{}", scene.reference(server)));
    for options in [Options::default(), carry(Signatures::Carry)] {
        let options = options.with_referrers(Referrers::default());
        client.copy_with(&from, &to, options).await.unwrap();
        let listed = scene
            .remote(&client, 1)
            .referrers(image.manifest().digest(), None)
            .await
            .unwrap();
        assert_eq!(listed.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_stay_behind_unless_they_are_asked_for() {
    let scene = Scene::new().await;
    let client = scene.client();
    let image = scene
        .signed(&client, &[attachment("1"), bundle("1"), simple("1")])
        .await;
    let [from, to] = [0, 1].map(|server| format!("docker://{}", scene.reference(server)));
    let copied = client.copy(&from, &to).await.unwrap();
    assert_eq!(copied.report().signatures(), SignatureCounts::default());
    let remote = scene.remote(&client, 1);
    let found = remote
        .signatures(image.manifest().digest(), Wanted::EVERYTHING)
        .await
        .unwrap();
    assert!(found.is_empty());
}

/// A signature is of the bytes of a manifest, so that an image which changes has none of those of its original.
#[cfg(feature = "images")]
#[tokio::test(flavor = "multi_thread")]
async fn the_signatures_of_an_image_that_is_changed_are_refused_or_dropped_and_counted() {
    use wharf::image::{Format, Layers, Recipe};
    let scene = Scene::new().await;
    let client = scene.client();
    let all = [attachment("1"), attachment("2"), bundle("1"), simple("1")];
    let image = scene.signed(&client, &all).await;
    let [from, to] = [0, 1].map(|server| format!("docker://{}", scene.reference(server)));
    let convert = async |to: &str, recipe: &Recipe, signatures| {
        client
            .convert_to_with(&from, &client, to, recipe, carry(signatures))
            .await
    };
    let requests = || scene.servers.each_ref().map(|server| server.requests().len());
    let before = requests();
    for recipe in [
        Recipe::new().format(Format::Docker),
        Recipe::new().format(Format::Oci),
        Recipe::new().layers(Layers::Plain),
    ] {
        for to in [&to, &scene.layout()] {
            let error = convert(to, &recipe, Signatures::Carry).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
    }
    assert_eq!(requests(), before, "it is refused before anything is asked");
    assert!(!scene.root.path().join("images").exists());

    let recipe = Recipe::new().format(Format::Docker);
    let changed = convert(&to, &recipe, Signatures::CarryWhatFits).await.unwrap();
    assert_ne!(changed.digest(), image.manifest().digest());
    assert_eq!(changed.report().signatures(), counts(0, all.len()));
    let warnings = changed.report().warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("4 of the signatures"), "{warnings:?}");
    let remote = scene.remote(&client, 1);
    let found = remote.signatures(changed.digest(), Wanted::EVERYTHING).await;
    assert!(found.unwrap().is_empty());
    let changed = convert(&to, &recipe, Signatures::Leave).await.unwrap();
    assert_eq!(changed.report().signatures(), SignatureCounts::default());

    // What a recipe changes nothing of keeps its signatures.
    let recipe = Recipe::new().format(Format::Oci);
    let same = convert(&to, &recipe, Signatures::CarryWhatFits).await.unwrap();
    assert_eq!(same.digest(), image.manifest().digest());
    assert_eq!(same.report().signatures(), counts(all.len(), 0));
    let same = convert(&to, &Recipe::new(), Signatures::Carry).await.unwrap();
    assert_eq!(same.report().signatures(), counts(all.len(), 0));
}

#[test]
fn signatures_are_not_carried_and_removed_at_once() {
    let sandbox = Sandbox::new();
    let (a, b) = ("docker://127.0.0.1:1/a", "docker://127.0.0.1:1/b");
    let both = ["--carry-signatures", "--remove-signatures", a, b];
    run(&sandbox, "copy", &both).fails(2, &["--carry-signatures", "--remove-signatures"]);
    for good in [
        &["--carry-signatures", a, b] as &[&str],
        &["--remove-signatures", a, b],
    ] {
        run(&sandbox, "copy", good).fails(1, &["127.0.0.1:1", "cannot connect"]);
    }
    run(&sandbox, "push", &["--carry-signatures", "--store", "x", "x", a]).fails(2, &["--carry-signatures"]);
    let absent = ["--remove-signatures", "--store", "no/such", "x", "127.0.0.1:1/a"];
    run(&sandbox, "push", &absent).fails(3, &["no/such"]);
}

/// A policy by which images of a registry must be signed, for that name or for another.
fn policy(sandbox: &Sandbox, registry: &str, key: &Path, identity: &str) {
    let rule = format!(
        r#"[{{"type":"signedBy","keyType":"GPGKeys","keyPath":"{}","signedIdentity":{identity}}}]"#,
        key.display()
    );
    let text = format!(
        r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{"docker":{{"{registry}":{rule}}}}}}}"#
    );
    sandbox.write("policy.json", text);
}

/// What Skopeo signs is carried, and what was carried is accepted by Skopeo.
#[test]
fn a_simple_signature_goes_from_skopeo_to_skopeo() {
    require_peers!("docker-registry", "skopeo", "gpg");
    let (first, second, sandbox) = (DockerRegistry::start(), DockerRegistry::start(), Sandbox::new());
    let fingerprint = gpg::key(&sandbox, "ed25519");
    let key = gpg::export(&sandbox, &fingerprint);
    let store = |(registry, name): (&DockerRegistry, &str)| {
        let directory = sandbox.path(format!("sigs/{name}"));
        format!(
            "  \"{}\":\n    lookaside: file://{}\n",
            registry.name(),
            directory.display()
        )
    };
    let stores = [(&first, "first"), (&second, "second")].map(store).concat();
    sandbox.write("registries.d/stores.yaml", format!("docker:\n{stores}"));
    let image = Image::small("signed");
    image.write_layout(&sandbox.path("layout"), "app");
    let from = format!("oci:{}:app", sandbox.path("layout").display());
    let [here, there] = [&first, &second].map(|registry| format!("docker://{}/team/app:1", registry.name()));
    sandbox
        .skopeo()
        .run(&[
            "copy",
            "--dest-tls-verify=false",
            "--sign-by",
            &fingerprint,
            &from,
            &here,
        ])
        .ok();
    let written = sandbox.path(format!(
        "sigs/first/team/app@sha256={}/signature-1",
        image.manifest().digest().encoded()
    ));
    let message = fs::read(&written).unwrap();

    let registries_d = sandbox.path("registries.d");
    let flags = [
        "--tls-verify=false",
        "--registries-d",
        registries_d.to_str().unwrap(),
        "--carry-signatures",
    ];
    let carried = [&flags[..], &[&here, &there]].concat();
    for _ in 0..2 {
        assert_eq!(
            run(&sandbox, "copy", &carried).last_line(),
            image.manifest().digest().as_str()
        );
    }
    let ours = sandbox.path(format!(
        "sigs/second/team/app@sha256={}",
        image.manifest().digest().encoded()
    ));
    assert_eq!(fs::read(ours.join("signature-1")).unwrap(), message);
    assert_eq!(
        fs::read_dir(&ours).unwrap().count(),
        1,
        "the second copy adds nothing"
    );

    // A registry without a place for its signatures is refused them before it gets anything.
    let third = DockerRegistry::start();
    let elsewhere = format!("docker://{}/team/app:1", third.name());
    let none = sandbox.write(
        "others.d/stores.yaml",
        format!("docker:\n  \"{}\":\n    lookaside: file://{}\n  \"{}\":\n    lookaside: https://store.example/\n",
            first.name(), sandbox.path("sigs/first").display(), third.name()),
    );
    let others = none.parent().unwrap().to_str().unwrap();
    let refused = [
        "--tls-verify=false",
        "--registries-d",
        others,
        "--carry-signatures",
        &here,
        &elsewhere,
    ];
    run(&sandbox, "copy", &refused).fails(1, &["cannot be carried", "is a web server", "stores.yaml:5"]);

    // The signature names the first registry.
    let pull = |to: &str| {
        let to = format!("dir:{}", sandbox.path(to).display());
        sandbox
            .skopeo()
            .run(&["copy", "--src-tls-verify=false", &there, &to])
    };
    let name = format!("{}/team/app:1", first.name());
    let exact = format!(r#"{{"type":"exactReference","dockerReference":"{name}"}}"#);
    policy(&sandbox, &second.name(), &key, &exact);
    pull("accepted").ok();
    let other = exact.replace("team/app:1", "team/app:2");
    policy(&sandbox, &second.name(), &key, &other);
    let refused = pull("refused");
    assert!(!refused.success, "{refused:?}");
}
