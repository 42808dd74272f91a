//! `Client::pull` follows the host's short names, and says what it took a name for.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;
use wharf::{
    Client, ErrorKind, Name, Reference,
    config::{Locations, NameReason},
    reference::ShortName,
    store::Layout,
};
use wharf_registry::{Fault, Registry, RouteKind, Server};
use wharf_testkit::Image;

/// A host with this registries.conf below a directory of its own.
struct Host {
    root: TempDir,
}

impl Host {
    fn new(registries_conf: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/containers")).unwrap();
        fs::write(
            root.path().join("etc/containers/registries.conf"),
            registries_conf,
        )
        .unwrap();
        Self { root }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn client(&self, servers: &[&Server]) -> wharf::ClientBuilder {
        let builder = Client::builder().with_locations(Locations::rooted(self.path()));
        servers.iter().fold(builder, |builder, server| {
            builder.with_plain_http(server.registry())
        })
    }

    async fn store(&self) -> Layout {
        Layout::create(self.path().join("store")).await.unwrap()
    }
}

/// A registry with these images, all alike.
async fn registry_with(names: &[&str]) -> Server {
    let server = Registry::memory().serve().await.unwrap();
    let name = Name::parse("local").unwrap();
    let layout = tempfile::tempdir().unwrap();
    Image::small("app").write_layout(layout.path(), "local");
    let source = Layout::open(layout.path()).await.unwrap();
    let client = Client::builder()
        .with_plain_http(server.registry())
        .build()
        .unwrap();
    for image in names {
        let reference = server.reference(image).unwrap();
        client.push(&source, &name, reference.as_str()).await.unwrap();
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_says_what_is_pulled() {
    let server = registry_with(&["team/app:2"]).await;
    let registry = server.registry();
    let host = Host::new(&format!("[aliases]\napp = \"{registry}/team/app\"\n"));
    let client = host.client(&[&server]).build().unwrap();
    let pulled = client.pull("app:2", &host.store().await).await.unwrap();
    assert_eq!(pulled.reference().as_str(), format!("{registry}/team/app:2"));
    assert!(
        matches!(pulled.reason(), NameReason::Alias(origin) if origin.to_string().contains("registries.conf"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn search_goes_on_where_there_is_no_such_image_and_ends_where_nobody_answers() {
    let (without, with) = (registry_with(&["other:1"]).await, registry_with(&["app:1"]).await);
    let names = [&without, &with].map(Server::registry);
    let conf = format!(
        "unqualified-search-registries = [\"{}\", \"{}\"]\n",
        names[0], names[1]
    );
    let host = Host::new(&format!("{conf}short-name-mode = \"permissive\"\n"));
    let store = host.store().await;
    let client = host.client(&[&without, &with]).build().unwrap();
    let pulled = client.pull("app:1", &store).await.unwrap();
    assert_eq!(pulled.reference().registry(), names[1]);

    // Neither has it: both are named.
    let error = client.pull("nothing:1", &store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let message = error.to_string();
    assert!(
        names.iter().all(|name| message.contains(name.as_str())),
        "{message}"
    );

    // The first cannot be asked: whoever owns the second gains nothing by that.
    drop(without);
    let error = client.pull("app:1", &store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains(names[0].as_str()), "{error}");
}

/// What the first registry answers, and whether the second is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_denies_the_image_leads_to_the_next() {
    let manifest = |status| Fault::status(status).on(RouteKind::Manifest);
    let basic = r#"Basic realm="r""#;
    for (what, faults, goes_on) in [
        ("404", vec![manifest(404)], true),
        ("403", vec![manifest(403)], true),
        ("401 without a challenge", vec![manifest(401)], true),
        (
            "401",
            vec![manifest(401).with_header("www-authenticate", basic)],
            true,
        ),
        ("400", vec![manifest(400)], false),
        (
            "a blob that is denied",
            vec![Fault::status(403).on(RouteKind::Blob)],
            false,
        ),
    ] {
        let servers = [registry_with(&["app:1"]).await, registry_with(&["app:1"]).await];
        let names = servers.each_ref().map(Server::registry);
        let host = Host::new(&format!(
            "unqualified-search-registries = [\"{}\", \"{}\"]\n",
            names[0], names[1]
        ));
        let injected: Vec<_> = faults.into_iter().map(|fault| servers[0].inject(fault)).collect();
        let client = host.client(&servers.each_ref()).build().unwrap();
        let pulled = client.pull("app:1", &host.store().await).await;
        assert!(injected.iter().all(|fault| fault.hits() > 0), "{what}");
        match pulled {
            Ok(pulled) => {
                assert!(goes_on, "{what}");
                assert_eq!(pulled.reference().registry(), names[1], "{what}");
            }
            Err(error) => {
                assert!(!goes_on, "{what}: {error}");
                let message = error.to_string();
                assert!(
                    message.starts_with("the short name app:1 was not found"),
                    "{message}"
                );
                let second = format!("not asked: {}/app:1", names[1]);
                assert!(message.contains(&second), "{what}: {message}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_registry_is_passed_over_and_a_login_that_cannot_be_read_is_not() {
    let server = registry_with(&["app:1"]).await;
    let registry = server.registry();
    let host = Host::new(&format!(
        "unqualified-search-registries = [\"shut.example\", \"{registry}\"]\n\
         [[registry]]\nlocation = \"shut.example\"\nblocked = true\n"
    ));
    let client = host.client(&[&server]).build().unwrap();
    let store = host.store().await;
    let pulled = client.pull("app:1", &store).await.unwrap();
    assert_eq!(pulled.reference().registry(), registry);
    let error = client.pull("nothing:1", &store).await.unwrap_err();
    assert!(
        error.to_string().contains("shut.example/nothing is blocked by"),
        "{error}"
    );

    let first = registry_with(&["app:1"]).await;
    let challenge = r#"Basic realm="r""#;
    first.inject(
        Fault::status(401)
            .with_header("www-authenticate", challenge)
            .on(RouteKind::Manifest),
    );
    let names = [first.registry(), registry];
    let host = Host::new(&format!(
        "unqualified-search-registries = [\"{}\", \"{}\"]\n",
        names[0], names[1]
    ));
    let auth = host.path().join("auth.json");
    let helpers = format!("{{\"credHelpers\": {{\"{}\": \"missing\"}}}}", names[0]);
    fs::write(&auth, helpers).unwrap();
    let locations = Locations::rooted(host.path()).with_auth_file(&auth);
    let client = host
        .client(&[&first, &server])
        .with_locations(locations)
        .build()
        .unwrap();
    let error = client.pull("app:1", &host.store().await).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("not asked: {}/app:1", names[1])),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_asked_for_once_and_remembered() {
    let servers = [registry_with(&["app:1"]).await, registry_with(&["app:1"]).await];
    let names = servers.each_ref().map(Server::registry);
    let host = Host::new(&format!(
        "unqualified-search-registries = [\"{}\", \"{}\"]\n",
        names[0], names[1]
    ));
    let store = host.store().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let prompt = move |name: &ShortName, candidates: &[Reference]| {
        counter.fetch_add(1, Ordering::SeqCst);
        assert_eq!((name.name(), candidates.len()), ("app", 2));
        Some(1)
    };
    let builder = host.client(&servers.each_ref());
    let client = builder.with_short_name_prompt(Arc::new(prompt)).build().unwrap();
    for expected in [NameReason::Prompt.to_string(), "alias".to_owned()] {
        let pulled = client.pull("app:1", &store).await.unwrap();
        assert_eq!(pulled.reference().registry(), names[1]);
        assert!(
            pulled.reason().to_string().contains(&expected),
            "{}",
            pulled.reason()
        );
        assert_eq!(pulled.unrecorded(), None);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_name_that_nobody_can_be_asked_about_is_an_error() {
    let host = Host::new(
        "unqualified-search-registries = [\"a.example\", \"b.example\"]\nshort-name-mode = \"enforcing\"\n",
    );
    let client = host.client(&[]).build().unwrap();
    let error = client.pull("app", &host.store().await).await.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        message.contains("a.example/app") && message.contains("b.example/app"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_name_without_aliases_and_search_registries_is_an_error_with_a_hint() {
    let host = Host::new("");
    let client = host.client(&[]).build().unwrap();
    let error = client.pull("app", &host.store().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("unqualified-search-registries"),
        "{error}"
    );
}
