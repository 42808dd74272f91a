//! The host's trust policy decides what is pulled, copied and pushed, before anything is contacted.

use std::{fs, path::Path};

use wharf::{
    Client, Error, ErrorKind, ImageLocation, Name,
    config::{Locations, Policy},
    store::Layout,
};
use wharf_registry::{Registry, Server};
use wharf_testkit::Image as TestImage;

const ACCEPT: &str = r#"[{"type":"insecureAcceptAnything"}]"#;
const REJECT: &str = r#"[{"type":"reject"}]"#;

struct Scene {
    root: tempfile::TempDir,
    server: Server,
    store: Layout,
}

impl Scene {
    /// A host whose store and whose registry have one image.
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = Registry::memory().serve().await.unwrap();
        TestImage::small("app").write_layout(&root.path().join("store"), "app");
        let scene = Self {
            store: Layout::open(root.path().join("store")).await.unwrap(),
            root,
            server,
        };
        scene.push(&scene.client(None).unwrap()).await.unwrap();
        scene
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    fn host_policy(&self, text: &str) {
        fs::create_dir_all(self.path("etc/containers")).unwrap();
        fs::write(self.path("etc/containers/policy.json"), text).unwrap();
    }

    fn builder(&self) -> wharf::ClientBuilder {
        Client::builder()
            .with_locations(Locations::rooted(self.root.path()))
            .with_plain_http(self.server.registry())
    }

    fn client(&self, policy: Option<&str>) -> Result<Client, Error> {
        let builder = self.builder();
        match policy {
            Some(text) => builder.with_policy(Policy::parse(text).unwrap()).build(),
            None => builder.build(),
        }
    }

    fn reference(&self) -> String {
        self.server.reference("team/app:1").unwrap().to_string()
    }

    async fn push(&self, client: &Client) -> Result<(), Error> {
        let name = Name::parse("app").unwrap();
        let to = self.reference();
        let pushed = client.push(&self.store, &name, &to);
        pushed.await.map(drop)
    }

    async fn pull(&self, client: &Client, to: &str) -> Result<(), Error> {
        let store = Layout::create(self.path(to)).await.unwrap();
        let pulled = client.pull(&self.reference(), &store).await;
        pulled.map(drop)
    }

    async fn copy(&self, client: &Client, from: ImageLocation, to: &str) -> Result<(), Error> {
        let to: ImageLocation = format!("oci:{}:x", self.path(to).display()).parse().unwrap();
        client.copy(&from, &to).await.map(drop)
    }
}

fn rules(default: &str, docker: &[(&str, &str)], oci: &[(&Path, &str)]) -> String {
    let docker: Vec<String> = docker
        .iter()
        .map(|(scope, rule)| format!("{scope:?}:{rule}"))
        .collect();
    let oci: Vec<String> = oci
        .iter()
        .map(|(scope, rule)| format!("\"{}\":{rule}", scope.display()))
        .collect();
    format!(
        r#"{{"default":{default},"transports":{{"docker":{{{}}},"oci":{{{}}}}}}}"#,
        docker.join(","),
        oci.join(",")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_one_image_of_a_directory_is_warned_of() {
    let scene = Scene::new().await;
    scene.host_policy(&rules(ACCEPT, &[], &[(Path::new("/srv/a:v1"), REJECT)]));
    let warnings: Vec<String> = scene
        .client(None)
        .unwrap()
        .warnings()
        .into_iter()
        .map(|warning| warning.to_string())
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("policy.json:1: transports.oci.\"/srv/a:v1\": "),
        "{warnings:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_rejects_is_not_contacted() {
    let scene = Scene::new().await;
    let registry = scene.server.registry();
    scene.host_policy(&rules(ACCEPT, &[(registry.as_str(), REJECT)], &[]));
    let client = scene.client(None).unwrap();
    let before = scene.server.requests().len();
    let error = scene.pull(&client, "pulled").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(
        error.to_string(),
        format!(
            "Source image rejected: {0}: the rule for {registry} (docker) of the trust policy {1} is to reject{2}",
            scene.reference(),
            scene.path("etc/containers/policy.json").display(),
            if cfg!(feature = "trust") {
                format!(": Running image {} is rejected by policy.", scene.reference())
            } else {
                String::new()
            },
        )
    );
    let from: ImageLocation = format!("docker://{}", scene.reference()).parse().unwrap();
    let copied = scene.copy(&client, from, "copied").await;
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::Rejected);
    assert!(!scene.path("copied").exists(), "not even a store was made");
    assert_eq!(scene.server.requests().len(), before);
    // To look is free, and to push what a store has is another rule's matter.
    assert_eq!(client.tags(&scene.reference()).await.unwrap().len(), 1);
    scene.push(&client).await.unwrap();
}

/// Without `wharf-trust` no signature is verified, and nothing says where one might be.
#[cfg(not(feature = "trust"))]
#[tokio::test(flavor = "multi_thread")]
async fn without_the_feature_what_must_be_signed_is_refused_and_registries_d_is_not_read() {
    let scene = Scene::new().await;
    let registry = scene.server.registry();
    let keys = r#"[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}]"#;
    scene.host_policy(&rules(ACCEPT, &[(registry.as_str(), keys)], &[]));
    fs::create_dir_all(scene.path("etc/containers/registries.d")).unwrap();
    fs::write(
        scene.path("etc/containers/registries.d/a.yaml"),
        "no: [registries.d",
    )
    .unwrap();
    let client = scene.client(None).unwrap();
    let before = scene.server.requests().len();
    let error = scene.pull(&client, "pulled").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(
        error
            .to_string()
            .ends_with(" demands a signature (signedBy), and none can be verified here"),
        "{error}"
    );
    assert_eq!(scene.server.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_has_rules_by_its_directory() {
    let scene = Scene::new().await;
    let directory = scene.path("store").canonicalize().unwrap();
    let client = scene
        .client(Some(&rules(ACCEPT, &[], &[(&directory, REJECT)])))
        .unwrap();
    assert_eq!(scene.push(&client).await.unwrap_err().kind(), ErrorKind::Rejected);
    // A symbolic link is no way around it.
    std::os::unix::fs::symlink(&directory, scene.path("link")).unwrap();
    let from: ImageLocation = format!("oci:{}:app", scene.path("link").display())
        .parse()
        .unwrap();
    let copied = scene.copy(&client, from, "copied").await;
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::Rejected);

    let above = directory.parent().unwrap();
    let client = scene
        .client(Some(&rules(REJECT, &[], &[(above, ACCEPT)])))
        .unwrap();
    scene.push(&client).await.unwrap();
    assert_eq!(
        scene.pull(&client, "pulled").await.unwrap_err().kind(),
        ErrorKind::Rejected
    );
}

/// A stream does not say which form it will turn out to have, and brings no signatures.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_loaded_if_images_of_both_forms_may_be_anything() {
    use wharf::archive::{WriterOptions, read_stream};
    let scene = Scene::new().await;
    let path = scene.path("image.tar");
    let writer = wharf::archive::Writer::create_with(&path, WriterOptions::default()).await;
    let writer = std::sync::Arc::new(writer.unwrap());
    let from = format!("oci:{}:app", scene.path("store").display());
    let named = wharf::Options::default().with_name(Name::parse("docker.io/library/app:1").unwrap());
    let open = scene.client(None).unwrap();
    open.copy_into(&from, &writer, named).await.unwrap();
    writer.finish().await.unwrap();
    let real = path.canonicalize().unwrap();
    std::os::unix::fs::symlink(&real, scene.path("link.tar")).unwrap();

    let signed = r#"[{"type":"signedBy","keyType":"GPGKeys","keyData":"AAAA"}]"#;
    let of = |transports: &[(&str, &str, &str)]| {
        let transports = transports
            .iter()
            .map(|(transport, scope, rule)| format!(r#""{transport}":{{"{scope}":{rule}}}"#));
        transports.collect::<Vec<_>>().join(",")
    };
    let policy =
        |default: &str, transports: &str| format!(r#"{{"default":{default},"transports":{{{transports}}}}}"#);
    let file = real.to_str().unwrap();
    let (oci, docker) = ("oci-archive", "docker-archive");
    for (number, (text, from_file, from_stream)) in [
        (policy(ACCEPT, ""), true, true),
        (policy(REJECT, ""), false, false),
        (policy(REJECT, &of(&[(oci, "", ACCEPT)])), false, false),
        (policy(REJECT, &of(&[(docker, "", ACCEPT)])), false, false),
        (
            policy(REJECT, &of(&[(oci, "", ACCEPT), (docker, "", ACCEPT)])),
            true,
            true,
        ),
        (
            policy(REJECT, &of(&[(oci, file, ACCEPT), (docker, "", ACCEPT)])),
            true,
            false,
        ),
        (policy(ACCEPT, &of(&[(oci, file, REJECT)])), false, true),
        (policy(ACCEPT, &of(&[(oci, file, signed)])), false, true),
        (policy(ACCEPT, &of(&[(docker, "", signed)])), false, false),
        (
            policy(REJECT, &of(&[("oci", "", ACCEPT), ("dir", "", ACCEPT)])),
            false,
            false,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let client = scene.client(Some(&text)).unwrap();
        for (origin, admitted) in [
            (Some("image.tar"), from_file),
            (Some("link.tar"), from_file),
            (None, from_stream),
        ] {
            let directory = scene.path(&format!("loaded-{number}-{}", origin.unwrap_or("none")));
            let store = Layout::create(&directory).await.unwrap();
            let origin = origin.map(|name| scene.path(name));
            let stream = read_stream(fs::File::open(&real).unwrap());
            let loaded = client.load(stream, origin.as_deref(), &store).await;
            let case = format!("{origin:?} {text}");
            match loaded {
                Ok(loaded) => assert!(admitted && loaded.len() == 1, "{case}"),
                Err(failure) => {
                    assert!(!admitted, "{case}: {failure}");
                    assert_eq!(failure.kind(), ErrorKind::Rejected, "{case}: {failure}");
                    assert!(failure.to_string().contains("Source image rejected"), "{failure}");
                }
            }
            assert_eq!(
                store.images().await.unwrap().len(),
                usize::from(admitted),
                "{case}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_the_last_word() {
    let scene = Scene::new().await;
    scene.host_policy(&rules(REJECT, &[], &[]));
    let refused = scene.pull(&scene.client(None).unwrap(), "a").await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Rejected);
    let given = scene.client(Some(&rules(ACCEPT, &[], &[]))).unwrap();
    scene.pull(&given, "b").await.unwrap();
    let ignored = scene.builder().dangerous().ignore_policy().build().unwrap();
    scene.pull(&ignored, "c").await.unwrap();

    scene.host_policy("{}");
    let broken = scene.client(None).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::Invalid);
    scene.client(Some(&rules(ACCEPT, &[], &[]))).unwrap();
}

#[cfg(feature = "trust")]
#[tokio::test(flavor = "multi_thread")]
async fn the_programs_say_why() {
    use crate::program;
    use wharf_testkit::Sandbox;
    let scene = Scene::new().await;
    let sandbox = Sandbox::new();
    let registry = scene.server.registry();
    fs::write(
        sandbox.path("strict.json"),
        rules(
            REJECT,
            &[(registry.as_str(), r#"[{"type":"sigstoreSigned","keyPath":"/k"}]"#)],
            &[],
        ),
    )
    .unwrap();
    let reference = scene.reference();
    let pull = |policy: &str| {
        let arguments = [
            "--tls-verify=false",
            "--policy",
            policy,
            "--store",
            "s",
            &reference,
        ];
        program::run(&sandbox, "pull", &arguments)
    };
    pull("strict.json").fails(
        1,
        &[
            &format!("Source image rejected: {reference}: "),
            "demands a signature by a key of /k (sigstoreSigned)",
            "the key file /k cannot be read",
            "strict.json",
        ],
    );
    pull("missing.json").fails(1, &["missing.json: the file does not exist"]);
    fs::write(sandbox.path("broken.json"), "{\"default\": [}").unwrap();
    pull("broken.json").fails(1, &["broken.json:1:14"]);
    fs::write(sandbox.path("open.json"), rules(ACCEPT, &[], &[])).unwrap();
    pull("open.json").ok();
}
