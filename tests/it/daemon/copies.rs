//! Copies between a daemon and a registry, and images that are changed on their way to or from a daemon.

use wharf::{
    BuiltImage, Client, ErrorKind, Manifest, MediaType, Source as _,
    archive::{Archive, Form},
    image::{Format, Layers, Recipe},
    store::Layout,
};
use wharf_registry::{Registry, Server};
use wharf_testkit::{DaemonAct, DaemonAct::Receive, Sandbox, ScriptedDaemon};

use super::{NAME, answer, daemon, image, reading::archive};

fn scripted(sandbox: &Sandbox, script: &[DaemonAct]) -> ScriptedDaemon {
    ScriptedDaemon::at_socket(&sandbox.path("daemon"), "1.41", script)
}

/// A registry and a client for it and the daemon.
async fn world(scripted: &ScriptedDaemon) -> (Server, Client) {
    let server = Registry::memory().serve().await.unwrap();
    let client = Client::builder()
        .with_plain_http(server.registry())
        .with_daemon(daemon(scripted))
        .build()
        .unwrap();
    (server, client)
}

/// The image that a daemon was sent, by the reader that `docker load` is most like.
async fn sent(sandbox: &Sandbox, scripted: &ScriptedDaemon) -> (Archive, Manifest) {
    let request = scripted.request();
    assert!(
        request.is_whole && request.head.contains("/images/load"),
        "{}",
        request.head
    );
    let path = sandbox.write("sent.tar", &request.body);
    let saved = Archive::open(&path, Form::Docker).await.unwrap();
    assert_eq!(saved.only().unwrap().names().collect::<Vec<_>>(), [NAME]);
    let archive = Archive::open(&path, Form::Oci).await.unwrap();
    let manifest = archive.manifest(&archive.only().unwrap().target()).await.unwrap();
    (archive, manifest)
}

/// Both formats of a recipe that changes an image, with the types of manifest and layer that result.
fn changes() -> [(Recipe, MediaType, MediaType); 2] {
    let recipe = |format| Recipe::new().format(format).layers(Layers::Compressed);
    [
        (
            recipe(Format::Docker),
            MediaType::DOCKER_MANIFEST,
            MediaType::DOCKER_LAYER_GZIP,
        ),
        (
            recipe(Format::Oci),
            MediaType::OCI_MANIFEST,
            MediaType::OCI_LAYER_GZIP,
        ),
    ]
}

fn is_changed(manifest: &Manifest, image: &BuiltImage, types: (&MediaType, &MediaType)) {
    assert_eq!((manifest.media_type(), manifest.layers()[0].media_type()), types);
    let config = image.root().config().unwrap().digest();
    assert_eq!(manifest.config().unwrap().digest(), config, "the image ID stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_from_a_registry_to_a_daemon_as_it_is_or_changed() {
    let sandbox = Sandbox::new();
    let loaded = answer("200 OK", "{\"stream\":\"Loaded image: app:1\\n\"}\r\n");
    let scripted = scripted(&sandbox, &[Receive, loaded]);
    let (server, client) = world(&scripted).await;
    let image = image(100_000);
    let reference = server.reference("team/app:1").unwrap();
    client.push_image(&image, &reference).await.unwrap();
    let from = format!("docker://{reference}");

    let copied = client.copy(&from, "docker-daemon:app:1").await.unwrap();
    assert_eq!(copied.digest(), image.digest());
    let (_, manifest) = sent(&sandbox, &scripted).await;
    assert_eq!(manifest, *image.root());

    for (recipe, root, layer) in changes() {
        let converted = client
            .convert(&from, "docker-daemon:app:1", &recipe)
            .await
            .unwrap();
        let (_, manifest) = sent(&sandbox, &scripted).await;
        assert_eq!(converted.digest(), manifest.digest());
        is_changed(&manifest, &image, (&root, &layer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_from_a_daemon_to_a_registry_and_a_store_as_it_is_or_changed() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let scripted = scripted(&sandbox, &[answer("200 OK", &bytes)]);
    let (server, client) = world(&scripted).await;
    let id = image.root().config().unwrap().digest().to_string();
    for (number, from) in ["app:1", &id].into_iter().enumerate() {
        let from = format!("docker-daemon:{from}");
        let to = format!(
            "docker://{}",
            server.reference(&format!("team/app:{number}")).unwrap()
        );
        let copied = client.copy(&from, &to).await.unwrap();
        assert_eq!(copied.digest(), image.digest());
        assert_eq!(client.manifest(&to).await.unwrap(), *image.root());
        for (recipe, root, layer) in changes() {
            client.convert(&from, &to, &recipe).await.unwrap();
            let manifest = client.manifest(&to).await.unwrap();
            is_changed(&manifest, &image, (&root, &layer));
        }
        let directory = sandbox.path(format!("store{number}"));
        let stored = format!("oci:{}", directory.display());
        client.convert(&from, &stored, &changes()[0].0).await.unwrap();
        let images = Layout::open(&directory).await.unwrap().images().await.unwrap();
        let names: Vec<_> = images
            .iter()
            .map(|image| image.name().map(ToString::to_string))
            .collect();
        assert_eq!(names, [(number == 0).then(|| NAME.to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_fails_leaves_no_tag_and_says_why() {
    let sandbox = Sandbox::new();
    let absent = answer("404 Not Found", "{\"message\":\"No such image: app:1\"}");
    let broken = answer(
        "200 OK",
        "{\"errorDetail\":{\"message\":\"no room\"},\"error\":\"no room\"}\r\n",
    );
    let reading = scripted(&sandbox, &[absent]);
    let (server, client) = world(&reading).await;
    let to = format!("docker://{}", server.reference("team/app:1").unwrap());
    for recipe in [Recipe::new(), changes()[0].0.clone()] {
        let failure = client
            .convert("docker-daemon:app:1", &to, &recipe)
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::NotFound, "{failure}");
    }
    assert_eq!(
        client.manifest(&to).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );

    let (writing, here) = (Sandbox::new(), image(1000));
    let loading = scripted(&writing, &[Receive, broken]);
    let (server, client) = world(&loading).await;
    let reference = server.reference("team/app:1").unwrap();
    client.push_image(&here, &reference).await.unwrap();
    let from = format!("docker://{reference}");
    for recipe in [Recipe::new(), changes()[0].0.clone()] {
        let failure = client
            .convert(&from, "docker-daemon:app:1", &recipe)
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Rejected, "{failure}");
        assert!(failure.to_string().contains("no room"), "{failure}");
    }
}
