//! Images are signed, where they are and on their way, and accepted by who demands that.

mod hostile;
mod occupied;
mod passphrase;
mod skopeo;

use std::{fs, process::Command};

use wharf::{
    Client, Digest, ErrorKind, Name, Reference,
    config::{Identity, KeySource, Locations, Requirement, SigstoreSigned, SigstoreSigner},
    trust::{KeyPair, Signer},
};
use wharf_content::{Target, Wanted};
use wharf_registry::{Registry, Server};
use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::program::{self, Ended};

/// A host with a registry that has an image, and a configuration that says where signatures are.
struct Scene {
    sandbox: Sandbox,
    server: Server,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self {
            sandbox: Sandbox::new(),
            server: Registry::memory().serve().await.unwrap(),
        };
        let lookaside = scene.sandbox.path("lookaside");
        fs::create_dir(&lookaside).unwrap();
        let stores = format!(
            "default-docker:\n  use-sigstore-attachments: true\n  lookaside: file://{0}\n  lookaside-staging: file://{0}\n",
            lookaside.display()
        );
        scene.sandbox.write("registries.d/default.yaml", stores);
        Image::small("app").write_layout(&scene.sandbox.path("store"), "app");
        let name = scene.name("app:1");
        scene
            .run("push", &["--store", &scene.text("store"), "app", &name])
            .await
            .ok();
        scene
    }

    fn text(&self, name: &str) -> String {
        self.sandbox.path(name).to_str().unwrap().to_owned()
    }

    fn name(&self, name: &str) -> String {
        self.server.reference(name).unwrap().to_string()
    }

    async fn run(&self, example: &str, arguments: &[&str]) -> Ended {
        let common = [
            "--tls-verify=false",
            "--policy",
            &self.text("policy.json"),
            "--registries-d",
            &self.text("registries.d"),
        ];
        let mut command = program::command(&self.sandbox, example, &common);
        command.args(arguments);
        // The registry answers meanwhile.
        tokio::task::spawn_blocking(move || program::ended(&mut command))
            .await
            .unwrap()
    }

    /// Whether an image is accepted by this key.
    async fn verify(&self, name: &str, key: &str) -> Ended {
        self.run("verify", &["--key", key, name]).await
    }

    /// Makes keys: the private file, the public one, and that of the passphrase.
    fn keys(&self) -> [String; 3] {
        let passphrase = self.sandbox.write("passphrase", "correct-horse\n");
        private(&passphrase);
        let arguments = ["--output-prefix", "key", "--passphrase-file", "passphrase"];
        let made = program::run(&self.sandbox, "generate-sigstore-key", &arguments).last_line();
        assert_eq!(made, r#"Keys written to "key.private" and "key.pub""#);
        ["key.private", "key.pub", "passphrase"].map(|name| self.text(name))
    }

    fn client(&self) -> Client {
        let locations = Locations::none().with_registries_d(self.sandbox.path("registries.d"));
        Client::builder()
            .with_locations(locations)
            .with_plain_http(self.server.registry())
            .build()
            .unwrap()
    }
}

fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The one digest of an image, which no signature changes.
async fn digest(scene: &Scene, name: &str) -> String {
    let manifest = scene.client().manifest(name).await.unwrap();
    manifest.digest().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_signed_where_it_is_is_accepted() {
    let scene = Scene::new().await;
    let [private, public, passphrase] = scene.keys();
    let name = scene.name("app:1");
    scene
        .verify(&name, &public)
        .await
        .fails(1, &["A signature was required, but no signature exists"]);
    let before = digest(&scene, &name).await;
    let sign = [
        "--sign-by-sigstore-private-key",
        &private,
        "--sign-passphrase-file",
        &passphrase,
    ];
    let signed = scene.run("sign", &[&sign[..], &[&name]].concat()).await;
    assert_eq!(signed.last_line(), before);
    assert_eq!(digest(&scene, &name).await, before);
    let verdict: serde_json::Value = serde_json::from_str(&scene.verify(&name, &public).await.ok()).unwrap();
    assert_eq!(verdict["digest"], before.as_str());
    assert_eq!(verdict["signed"], true);
    // Again: each signature of a key is another, so that there are two.
    scene.run("sign", &[&sign[..], &[&name]].concat()).await.ok();
    scene.verify(&name, &public).await.ok();
    scene
        .run("sign", &[&sign[..], &[&scene.name("app:2")]].concat())
        .await
        .fails(3, &["app:2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_signed_on_its_way_is_accepted_where_it_is() {
    let scene = Scene::new().await;
    let [private, public, passphrase] = scene.keys();
    let second = Registry::memory().serve().await.unwrap();
    let to = second.reference("team/app:1").unwrap().to_string();
    let (from_image, to_image) = (
        format!("docker://{}", scene.name("app:1")),
        format!("docker://{to}"),
    );
    let sign = [
        "--sign-by-sigstore-private-key",
        &private,
        "--sign-passphrase-file",
        &passphrase,
    ];
    scene
        .run("copy", &[&sign[..], &[&from_image, &to_image]].concat())
        .await
        .ok();
    scene.verify(&to, &public).await.ok();
    scene
        .verify(&scene.name("app:1"), &public)
        .await
        .fails(1, &["no signature exists"]);
    // A push is signed alike, for another name if that is wanted.
    let pushed = scene.name("pushed:1");
    let store = scene.text("store");
    let push = |more: &[&str], to: &str| {
        [&sign[..], more, &["--store", &store, "app", to]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<String>>()
    };
    let arguments = push(&[], &pushed);
    scene
        .run("push", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        .await
        .ok();
    scene.verify(&pushed, &public).await.ok();
    let other = scene.name("other:1");
    let arguments = push(&["--sign-identity", "registry.example/app:1"], &other);
    scene
        .run("push", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        .await
        .ok();
    scene.verify(&other, &public).await.fails(
        1,
        &[
            "Signature for identity \"registry.example/app:1\" is not accepted",
            &format!("; the image is {other}: set signedIdentity"),
            "remapIdentity",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_gpg_signs_to_the_lookaside_store() {
    require_peers!("gpg");
    let scene = Scene::new().await;
    // Short, as the socket of the agent lies in it.
    let home = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
    let home_text = home.path().to_str().unwrap();
    let gpg = |arguments: &[&str]| {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--no-tty", "--homedir", home_text])
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    gpg(&[
        "--quick-generate-key",
        "ada <ada@example.com>",
        "ed25519",
        "cert,sign",
        "never",
    ]);
    let listed = String::from_utf8(gpg(&["--with-colons", "--list-keys"])).unwrap();
    let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
    let key = line.split(':').nth(9).unwrap();
    let public = scene.sandbox.write("public.gpg", gpg(&["--export", key]));
    let public = public.to_str().unwrap();
    let name = scene.name("app:1");
    scene
        .verify(&name, public)
        .await
        .fails(1, &["no signature exists"]);
    let sign = ["--sign-by", key, "--gpg-home", home_text, &name];
    scene.run("sign", &sign).await.ok();
    let verdict: serde_json::Value = serde_json::from_str(&scene.verify(&name, public).await.ok()).unwrap();
    assert_eq!(verdict["signatures"][0]["signer"], key);
    let unknown = ["--sign-by", &"0".repeat(40), "--gpg-home", home_text, &name];
    let refused = scene.run("sign", &unknown).await;
    assert!(!refused.stderr.contains("complete"), "{}", refused.stderr);
    let digest = digest(&scene, &name).await;
    let unsigned = format!("{}@{digest} was not signed", name.trim_end_matches(":1"));
    refused.fails(1, &[&unsigned, "it has no such key"]);
    let nowhere = ["--sign-by", key, "--gpg-home", "/nonexistent/home", &name];
    scene
        .run("sign", &nowhere)
        .await
        .fails(1, &["there is no home directory /nonexistent/home"]);
    Command::new("gpgconf")
        .args(["--homedir", home_text, "--kill", "all"])
        .status()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_used_are_told_of() {
    let scene = Scene::new().await;
    let [private, public, passphrase] = scene.keys();
    let name = scene.name("app:1");
    let wrong = scene.sandbox.write("wrong", "wrong-horse\n");
    let wrong = wrong.to_str().unwrap().to_owned();
    let sign = |key: &str, passphrase: &str, more: &[&str]| {
        let mut all = vec![
            "--sign-by-sigstore-private-key",
            key,
            "--sign-passphrase-file",
            passphrase,
        ];
        all.extend(more);
        all.push(&name);
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let scene = &scene;
        async move {
            scene
                .run("sign", &all.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
    };
    let refused = sign(&private, &wrong, &[]).await;
    // The file with the passphrase is open to others, which is told, too.
    assert!(
        refused.stderr.contains("warning: ") && refused.stderr.contains("chmod 600"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("wrong-horse"), "{}", refused.stderr);
    refused.fails(1, &["key.private: wrong passphrase or damaged file"]);
    sign(&scene.text("missing"), &passphrase, &[])
        .await
        .fails(1, &["missing cannot be read"]);
    sign(&passphrase, &passphrase, &[]).await.fails(1, &["PEM"]);
    let refused = sign(&public, &passphrase, &[]).await;
    assert!(!refused.stderr.contains("chmod"), "{}", refused.stderr);
    refused.fails(1, &["PUBLIC KEY"]);
    sign(&private, &passphrase, &["--sign-by", "x"])
        .await
        .fails(2, &["--sign-passphrase-file is for one key"]);
    let bare = ["--sign-by-sigstore-private-key", &private, &name];
    scene
        .run("sign", &bare)
        .await
        .fails(1, &["there is no terminal to ask for a passphrase"]);
    scene
        .run("sign", &[&name])
        .await
        .fails(2, &["--sign-by", "--sign-by-sigstore-private-key"]);
    for identity in ["registry.example/app", "app:1", "x"] {
        let refused = sign(&private, &passphrase, &["--sign-identity", identity]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    let again = ["--output-prefix", "key", "--passphrase-file", "passphrase"];
    program::run(&scene.sandbox, "generate-sigstore-key", &again).fails(1, &["key.private exists already"]);
    // Attachments are off, which is found before anything is signed or copied.
    scene
        .sandbox
        .write("registries.d/default.yaml", "default-docker: {}\n");
    let refused = sign(&private, &passphrase, &[]).await;
    let named = refused.stderr.matches("use-sigstore-attachments").count();
    assert_eq!(named, 1, "{}", refused.stderr);
    refused.fails(
        1,
        &[
            "use-sigstore-attachments: true is missing in the section default-docker at ",
            "default.yaml:1",
        ],
    );
}

fn requirement(pair: &KeyPair) -> Requirement {
    let keys = KeySource::data(pair.public().to_pem());
    SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None })
        .with_identity(Identity::MatchExact)
        .into()
}

fn pair() -> (KeyPair, Signer) {
    let pair = KeyPair::generate(&"".into()).unwrap();
    let signer = Signer::cosign(pair.private_pem(), &"".into()).unwrap();
    (pair, signer)
}

/// Several signers of one client lose nothing to each other.
#[tokio::test(flavor = "multi_thread")]
async fn eight_signers_at_once_leave_eight_signatures() {
    let scene = Scene::new().await;
    let name = scene.name("app:1");
    let client = scene.client();
    let (_, signer) = pair();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (client, signer, name) = (client.clone(), signer.clone(), name.clone());
            tokio::spawn(async move { client.sign(&name, [signer]).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().signatures().made, 1);
    }
    let remote = client
        .distribution()
        .remote(&Reference::parse(&name).unwrap().repository());
    let manifest = remote
        .manifest(&Target::Name(Name::parse("1").unwrap()))
        .await
        .unwrap();
    let signatures = remote
        .signatures(manifest.digest(), Wanted::ATTACHMENTS)
        .await
        .unwrap();
    assert_eq!(signatures.len(), 8);
}

/// Of an index every image is signed, as each of them is what is judged.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_signed_with_its_images_and_each_is_accepted() {
    let scene = Scene::new().await;
    let index = Index::of(vec![Image::small("one"), Image::small("two")]);
    index.write_layout(&scene.sandbox.path("index"), "both");
    let name = scene.name("both:1");
    let store = scene.text("index");
    scene
        .run("push", &["--all", "--store", &store, "both", &name])
        .await
        .ok();
    let client = scene.client();
    let (_, signer) = pair();
    let report = client.sign(&name, [signer]).await.unwrap();
    assert_eq!(report.signatures().made, 3);
    let remote = client
        .distribution()
        .remote(&Reference::parse(&name).unwrap().repository());
    let signed = |digest: Digest| {
        let remote = remote.clone();
        async move {
            remote
                .signatures(&digest, Wanted::ATTACHMENTS)
                .await
                .unwrap()
                .len()
        }
    };
    assert_eq!(signed(report.digest().clone()).await, 1);
    for image in index.images() {
        assert_eq!(signed(image.manifest().digest().clone()).await, 1);
    }
}

/// A mirror that serves something else under the tag gets no signature for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_registry_itself_says_what_is_signed_and_not_its_mirror() {
    let scene = Scene::new().await;
    let mirror = Registry::memory().serve().await.unwrap();
    Image::small("another").write_layout(&scene.sandbox.path("other"), "app");
    let (name, at_mirror) = (
        scene.name("app:1"),
        mirror.reference("app:1").unwrap().to_string(),
    );
    let store = scene.text("other");
    scene
        .run("push", &["--store", &store, "app", &at_mirror])
        .await
        .ok();
    let conf = scene.sandbox.registries_conf(&format!(
        "[[registry]]\nlocation = '{}'\ninsecure = true\n[[registry.mirror]]\nlocation = '{}'\ninsecure = true\n",
        scene.server.registry(),
        mirror.registry()
    ));
    let locations = Locations::none()
        .with_registries_d(scene.sandbox.path("registries.d"))
        .with_registries_conf(conf);
    let client = Client::builder().with_locations(locations).build().unwrap();
    let served = client.manifest(&name).await.unwrap();
    let (_, signer) = pair();
    let report = client.sign(&name, [signer]).await.unwrap();
    assert_eq!(report.digest().to_string(), digest(&scene, &name).await);
    assert_ne!(report.digest(), served.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_is_refused() {
    let scene = Scene::new().await;
    let client = scene.client();
    let (_, signer) = pair();
    let name = scene.name("app:1");
    let none: [Signer; 0] = [];
    assert_eq!(
        client.sign(&name, none).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let error = client
        .sign_as(&name, "registry.example/app", [signer.clone()])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let error = client
        .sign(&scene.name("missing:1"), [signer.clone()])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // Simple signatures have no store here.
    let plain = Client::builder()
        .with_plain_http(scene.server.registry())
        .build()
        .unwrap();
    let error = plain.sign(&name, [signer]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

/// With a tag and a digest, what the digest means is signed for the tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_for_the_name_and_nothing_moves() {
    let scene = Scene::new().await;
    let client = scene.client();
    let (pair, signer) = pair();
    let name = scene.name("app:1");
    let digest = digest(&scene, &name).await;
    client.sign(&format!("{name}@{digest}"), [signer]).await.unwrap();
    let judge = |name: String| {
        let locations = Locations::none().with_registries_d(scene.sandbox.path("registries.d"));
        let client = Client::builder()
            .with_locations(locations)
            .with_plain_http(scene.server.registry())
            .with_requirement(requirement(&pair))
            .build()
            .unwrap();
        async move { client.verify(&name).await }
    };
    assert!(judge(name.clone()).await.unwrap().is_signed());
    judge(format!("{}@{digest}", scene.name("app:1").trim_end_matches(":1")))
        .await
        .unwrap_err();
    let tags = client.tags(&name).await.unwrap();
    let signatures = format!("{}.sig", digest.replace(':', "-"));
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    assert_eq!(tags, ["1", &signatures]);
}

/// registries.d may keep the signatures of one tag in another place than those of the repository.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_go_where_those_of_the_tag_are() {
    let scene = Scene::new().await;
    let name = scene.name("app:1");
    let stores = format!("docker:\n  {name}:\n    use-sigstore-attachments: true\n");
    scene.sandbox.write("registries.d/default.yaml", stores);
    let client = scene.client();
    let (_, signer) = pair();
    assert_eq!(
        client
            .sign(&name, [signer.clone()])
            .await
            .unwrap()
            .signatures()
            .made,
        1
    );
    let digest = digest(&scene, &name).await;
    let pinned = format!("{}@{digest}", name.trim_end_matches(":1"));
    let error = client.sign(&pinned, [signer]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
