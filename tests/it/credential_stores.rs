//! A `credsStore` whose helper is missing: a public image is pulled all the same, and a registry that wants a login
//! says so together with the helper.

use std::{
    error::Error as _,
    fs,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use wharf::{
    Client, ErrorKind, Name,
    config::Locations,
    content::{Event, Progress},
    store::Layout,
};
use wharf_registry::{Fault, Registry, RouteKind, Server};
use wharf_testkit::Image;

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }
}

/// A host whose Docker configuration is this, and a registry with an image.
async fn host(config: &str) -> (TempDir, Server) {
    let root = tempfile::tempdir().unwrap();
    let docker = root.path().join("root/.docker");
    fs::create_dir_all(&docker).unwrap();
    fs::write(docker.join("config.json"), config).unwrap();
    let server = Registry::memory().serve().await.unwrap();
    Image::small("app").write_layout(&root.path().join("from"), "app");
    let from = Layout::open(root.path().join("from")).await.unwrap();
    let reference = server.reference("team/app:1").unwrap();
    let client = Client::builder()
        .with_plain_http(server.registry())
        .build()
        .unwrap();
    client
        .push(&from, &Name::parse("app").unwrap(), reference.as_str())
        .await
        .unwrap();
    (root, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_is_told_with_the_login_that_is_wanted() {
    for challenge in [
        None,
        Some("Basic realm=\"r\""),
        Some("Bearer realm=\"TOKEN\",service=\"r\""),
    ] {
        let (root, server) = host(r#"{"credsStore": "desktop.exe"}"#).await;
        let registry = server.registry();
        if let Some(challenge) = challenge {
            let challenge = challenge.replace("TOKEN", &format!("http://{registry}/token"));
            let fault = Fault::status(401).with_header("www-authenticate", &challenge);
            server.inject(fault.on(RouteKind::Manifest));
            server.inject(Fault::status(401).on(RouteKind::Token));
        }
        let told = Arc::new(Told::default());
        let client = Client::builder()
            .with_locations(Locations::rooted(root.path()))
            .with_plain_http(registry)
            .with_warnings(told.clone())
            .build()
            .unwrap();
        let store = Layout::create(root.path().join("to")).await.unwrap();
        let reference = server.reference("team/app:1").unwrap();
        for _ in 0..2 {
            let pulled = client.pull(reference.as_str(), &store).await;
            assert_eq!(pulled.is_ok(), challenge.is_none(), "{challenge:?}: {pulled:?}");
            let Err(error) = pulled else { continue };
            assert_eq!(error.kind(), ErrorKind::Unauthorized);
            let cause = error.source().unwrap().to_string();
            let helper = "docker-credential-desktop.exe: the program is not in the search path";
            assert!(cause.starts_with(helper), "{cause}");
            assert!(cause.ends_with("/root/.docker/config.json)"), "{cause}");
        }
        let told = told.0.lock().unwrap();
        // Without a challenge nobody asks for credentials.
        assert_eq!(told.len(), usize::from(challenge.is_some()), "{told:?}");
        assert!(
            told.iter()
                .all(|warning| warning.ends_with("; going on without it")),
            "{told:?}"
        );
    }
}

/// The helpers that the registries' credentials are to come from, and what the error says of each registry.
#[tokio::test(flavor = "multi_thread")]
async fn each_registry_of_a_search_or_a_mirror_says_why_it_has_no_login() {
    const MISSING: &str = "the program is not in the search path";
    let (root, second) = host("{}").await;
    let first = Registry::memory().serve().await.unwrap();
    let names = [first.registry(), second.registry()];
    let challenge = Fault::status(401).with_header("www-authenticate", "Basic realm=\"r\"");
    for server in [&first, &second] {
        server.inject(challenge.clone().on(RouteKind::Manifest));
    }
    let search = format!(
        "unqualified-search-registries = ['{}', '{}']\n",
        names[0], names[1]
    );
    let mirror = format!(
        "[[registry]]\nlocation = '{}'\n[[registry.mirror]]\nlocation = '{}'\n",
        names[1], names[0]
    );
    let store = r#"{"credsStore": "lost"}"#.to_owned();
    let helper = format!(r#"{{"credHelpers": {{"{}": "lost"}}}}"#, names[0]);
    let full = format!("{}/team/app:1", names[1]);
    for (conf, config, image, times) in [
        (&search, &store, "team/app:1", 2),
        (&search, &helper, "team/app:1", 1),
        (&mirror, &helper, full.as_str(), 1),
        (&mirror, &store, full.as_str(), 2),
    ] {
        fs::create_dir_all(root.path().join("etc/containers")).unwrap();
        fs::write(root.path().join("etc/containers/registries.conf"), conf).unwrap();
        fs::write(root.path().join("root/.docker/config.json"), config).unwrap();
        let mut builder = Client::builder().with_locations(Locations::rooted(root.path()));
        for name in &names {
            builder = builder.with_plain_http(name.clone());
        }
        let client = builder.build().unwrap();
        let store = Layout::create(root.path().join("to")).await.unwrap();
        let error = client.pull(image, &store).await.unwrap_err();
        let text = wharf::WithCauses(&error).to_string();
        assert_eq!(text.matches(MISSING).count(), times, "{conf}{config}: {text}");
        let (_, of_first) = text.split_once(names[0].as_str()).unwrap();
        assert!(of_first.contains(MISSING), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_says_what_did_not_answer() {
    let (root, server) = host(r#"{"credsStore": "desktop.exe"}"#).await;
    let registry = server.registry();
    let locations = Locations::rooted(root.path());
    let config = root.path().join("root/.docker/config.json");
    let client = Client::builder()
        .with_locations(locations.with_compat_auth_file(&config))
        .build()
        .unwrap();
    let error = client.logout(registry.as_str()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    let helper = "; a source that may have credentials did not answer: docker-credential-desktop.exe: ";
    assert!(text.contains(helper), "{text}");

    let entry =
        format!(r#"{{"credsStore": "desktop.exe", "auths": {{"{registry}": {{"auth": "YWRhOnB3"}}}}}}"#);
    fs::write(&config, entry).unwrap();
    let erased = client.logout(registry.as_str()).await.unwrap();
    assert_eq!(erased.removed.len(), 1);
    assert_eq!(erased.unanswered.len(), 1);
    assert!(!fs::read_to_string(&config).unwrap().contains("YWRhOnB3"));
}
