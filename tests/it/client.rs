//! The calls of the client with parsed names, with sinks and sources of every kind, and without options.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wharf::{
    BuiltImage, Client, Credential, ErrorKind, Event, Hasher, ImageBuilder, IndexBuilder, Options, Platform,
    Selection, SourceExt as _,
    config::CredentialKey,
    store::{Layout, Memory},
};
use wharf_registry::{Registry, Server};
use wharf_testkit::Sandbox;

const LAYER: &[u8] = b"a layer";

fn built() -> BuiltImage {
    ImageBuilder::for_platform(Platform::host())
        .with_cmd(["/srv/hello"])
        .with_tar(LAYER)
        .build()
        .unwrap()
}

async fn with_image() -> (Server, Client) {
    let server = Registry::memory().serve().await.unwrap();
    let client = Client::builder()
        .with_plain_http(server.registry())
        .build()
        .unwrap();
    let (image, reference) = (built(), server.reference("team/app:1").unwrap());
    let report = client.push_image(&image, &reference).await.unwrap();
    assert_eq!(report.digest(), image.digest());
    (server, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_into_every_kind_of_sink() {
    let (server, client) = with_image().await;
    let (reference, sandbox) = (server.reference("team/app:1").unwrap(), Sandbox::new());
    let layout = Layout::create(sandbox.path("images")).await.unwrap();
    let (memory, shared) = (Memory::new(), Arc::new(Memory::new()));
    let text = reference.to_string();

    let into_layout = client.pull(&text, &layout).await.unwrap();
    let into_memory = client.pull(&reference, &memory).await.unwrap();
    let into_shared = client.pull(reference, &shared).await.unwrap();

    for pulled in [&into_layout, &into_memory, &into_shared] {
        assert_eq!(pulled.digest(), built().digest());
        assert_eq!(pulled.name().as_str(), text);
    }
    let target = into_memory.name().into();
    let config = built();
    for source in [
        Arc::new(layout) as Arc<dyn wharf::Source>,
        Arc::new(memory),
        shared,
    ] {
        let manifest = source.manifest(&target).await.unwrap();
        assert_eq!(manifest, *config.root());
        assert_eq!(source.fetch(&manifest.layers()[0], 64).await.unwrap(), LAYER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_hears_of_the_progress_of_a_pull() {
    let (server, client) = with_image().await;
    let finished = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&finished);
    let options = Options::default().with_progress(move |event| {
        if let Event::Finished { .. } = event {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let reference = server.reference("team/app:1").unwrap();
    client
        .pull_with(&reference, &Memory::new(), options)
        .await
        .unwrap();
    assert_eq!(
        finished.load(Ordering::Relaxed),
        3,
        "a layer, a config, a manifest"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_read_without_a_store() {
    let (server, client) = with_image().await;
    let sandbox = Sandbox::new();
    let reference = server.reference("team/app:1").unwrap();
    let in_registry = format!("docker://{reference}");
    let in_store = format!("oci:{}:app", sandbox.path("images").display());
    client.copy(&in_registry, &in_store).await.unwrap();

    for location in [&in_registry, &in_store] {
        let manifest = client.image_manifest(location).await.unwrap();
        assert_eq!(manifest, client.manifest(location).await.unwrap());
        let layer = client.blob(location, &manifest.layers()[0]).await.unwrap();
        assert_eq!(layer.read_to_end(64).await.unwrap(), LAYER);
        let config = client.config(location).await.unwrap();
        assert_eq!(config.cmd().unwrap(), ["/srv/hello"]);
        assert_eq!(client.config_bytes(location).await.unwrap(), *config.bytes());
        assert_eq!(client.inspect(location).await.unwrap().digest, *manifest.digest());
        let elsewhere = Selection::Platform(Platform::new("plan9", "mips"));
        let selected = client.image_manifest_with(location, &elsewhere).await;
        assert_eq!(
            selected.unwrap(),
            manifest,
            "one image is there for every platform"
        );
    }
    assert_eq!(client.manifest(&reference).await.unwrap(), *built().root());
    assert_eq!(client.tags(reference.repository()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_takes_a_registry_a_repository_or_text() {
    let server = Registry::memory()
        .with_basic("ada", "secret")
        .serve()
        .await
        .unwrap();
    let (registry, sandbox) = (server.registry(), Sandbox::new());
    let host =
        wharf::config::Locations::rooted(sandbox.path("host")).with_auth_file(sandbox.path("auth.json"));
    let client = Client::builder()
        .with_locations(host)
        .with_plain_http(registry.clone())
        .build()
        .unwrap();
    let refused = client.login(&registry, "ada", "wrong").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthorized);

    client.login(&registry, "ada", "secret").await.unwrap();
    client.logout(registry.as_str()).await.unwrap();

    let repository = server.reference("team/app").unwrap().repository();
    client.login(&repository, "ada", "secret").await.unwrap();
    client.logout(CredentialKey::from(&repository)).await.unwrap();

    let error = client.logout(registry).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = client.login("a b", "ada", "secret").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn malformed_text_is_refused_before_anything_is_contacted() {
    let client = Client::builder().build().unwrap();
    let image = built();
    let bad = "registry.test/App";
    let failures = [
        client.tags(bad).await.unwrap_err(),
        client.pull(bad, &Memory::new()).await.unwrap_err(),
        client.push(&image, image.digest(), bad).await.unwrap_err(),
        client.copy(format!("docker://{bad}"), "oci:x").await.unwrap_err(),
        client.copy("oci:x", "docker://app@sha256:0").await.unwrap_err(),
        client.copy("oci-archive:", "oci:x").await.unwrap_err(),
        client.inspect(bad).await.unwrap_err(),
    ];
    for error in failures {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_built_index_is_pushed_with_all_its_images() {
    let (server, client) = with_image().await;
    let mut index = IndexBuilder::new();
    for architecture in ["amd64", "arm64", "riscv64"] {
        let platform = Platform::new("linux", architecture);
        let image = ImageBuilder::for_platform(platform)
            .with_tar(LAYER)
            .build()
            .unwrap();
        index = index.with_image(&image);
    }
    let index = index.build().unwrap();
    let reference = server.reference("team/index:1").unwrap();
    let report = client.push_image(&index, &reference).await.unwrap();
    assert_eq!(report.digest(), index.digest());
    for image in index.root().manifests() {
        let selection = Selection::Platform(image.platform().unwrap().clone());
        let manifest = client.image_manifest_with(&reference, &selection).await.unwrap();
        assert_eq!(manifest.digest(), image.digest());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_an_image_is_read_by_its_digest() {
    let (server, client) = with_image().await;
    let name = server.reference("team/app:1").unwrap().to_string();
    let sandbox = Sandbox::new();
    let stored = format!("oci:{}:app", sandbox.path("images").display());
    client.copy(format!("docker://{name}"), &stored).await.unwrap();
    let (layer, config) = (
        Hasher::sha256(LAYER),
        built().root().config().unwrap().digest().clone(),
    );
    for image in [name.clone(), format!("docker://{name}"), stored] {
        let blob = client.layer(&image, &layer).await.unwrap();
        assert_eq!(blob.read_to_end(64).await.unwrap(), LAYER);
        let blob = client
            .layer_with(&image, &config, Platform::host())
            .await
            .unwrap();
        assert_eq!(
            blob.read_to_end(1 << 12).await.unwrap(),
            built().blobs().next().unwrap().1
        );
        let error = client
            .layer(&image, &Hasher::sha256(b"another"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("lists no blob sha256:"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_is_taken_by_every_method_that_reads_or_writes_one_image() {
    let (server, client) = with_image().await;
    let bare = server.reference("team/app:1").unwrap().to_string();
    let layer = built().root().layers()[0].clone();
    for name in [bare.clone(), format!("docker://{bare}")] {
        client.pull(&name, &Memory::new()).await.unwrap();
        client.push_image(&built(), &name).await.unwrap();
        client.tags(&name).await.unwrap();
        client.manifest(&name).await.unwrap();
        client.image_manifest(&name).await.unwrap();
        client.config(&name).await.unwrap();
        client.config_bytes(&name).await.unwrap();
        let blob = client.blob(&name, &layer).await.unwrap();
        assert_eq!(blob.read_to_end(64).await.unwrap(), LAYER);
        client.inspect(&name).await.unwrap();
    }
    let sandbox = Sandbox::new();
    let to = format!("oci:{}", sandbox.path("images").display());
    let error = client.copy(&bare, &to).await.unwrap_err();
    assert!(error.to_string().contains("a transport is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_or_a_selection_stands_for_options() {
    let server = Registry::memory().serve().await.unwrap();
    let client = Client::builder()
        .with_plain_http(server.registry())
        .build()
        .unwrap();
    let platform = Platform::new("linux", "s390x");
    let image = ImageBuilder::for_platform(platform.clone()).build().unwrap();
    let index = IndexBuilder::new().with_image(&image).build().unwrap();
    let reference = server.reference("team/index:1").unwrap();
    let (store, name) = (Memory::new(), format!("docker://{reference}"));
    client
        .push_with(&index, index.digest(), &reference, Selection::All)
        .await
        .unwrap();
    let pulled = client
        .pull_with(&reference, &store, platform.clone())
        .await
        .unwrap();
    assert_eq!(pulled.digest(), image.digest());
    let pulled = client.pull_with(
        &reference,
        &store,
        Options::default().with_selection(Selection::All),
    );
    assert_eq!(pulled.await.unwrap().digest(), index.digest());
    let to = format!("docker://{}", server.reference("team/copy:1").unwrap());
    let report = client.copy_with(&name, &to, &Selection::All).await.unwrap();
    assert_eq!(report.digest(), index.digest());
    let config = client.config_with(&reference, platform).await.unwrap();
    assert_eq!(config.architecture(), "s390x");
}

#[test]
fn a_builder_takes_text_for_a_registry_and_fails_when_it_is_malformed() {
    let ada = || Credential::basic("ada", "secret");
    let good = Client::builder()
        .with_plain_http("localhost:5000")
        .with_credential("registry.example/team", ada())
        .with_tls_verify_of("lab.example:5000".to_owned(), false)
        .dangerous()
        .allow_plaintext_credentials("lab.example:5000")
        .dangerous()
        .allow_foreign_uploads(wharf::Registry::docker_hub());
    good.build().unwrap();
    for (builder, text) in [
        (Client::builder().with_plain_http("local host"), "\"local host\""),
        (Client::builder().with_credential("a b", ada()), "\"a b\""),
        (Client::builder().with_tls_verify_of("lab/x", false), "\"lab/x\""),
        (
            Client::builder().dangerous().allow_plaintext_credentials(":5000"),
            "\":5000\"",
        ),
        (Client::builder().dangerous().allow_foreign_uploads(""), "\"\""),
        (
            Client::builder()
                .with_plain_http("first:x")
                .with_plain_http("second:x"),
            "\"first:x\"",
        ),
    ] {
        let error = builder.with_tls_verify(true).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().contains(&format!("{text} is not a registry")),
            "{error}"
        );
    }
}
