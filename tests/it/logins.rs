//! Logins for a part of a registry, for one side of a copy, and for short names.

use std::sync::{Arc, Mutex};

use wharf::{
    Client, Credential, ErrorKind, ImageLocation, Name, Reference, Registry,
    config::{CredentialKey, Locations},
    reference::ShortName,
    store::Layout,
};
use wharf_registry::{Action, Server};

/// A registry in which each user may use the namespace of that name alone; `both` may use all of them.
async fn registry(tokens: bool) -> Server {
    let allows = |user: Option<&str>, path: &str, _: Action| {
        let namespace = path.split('/').next();
        user == Some("both") || user == namespace || (user == Some("one") && path == "app")
    };
    let registry = wharf_registry::Registry::memory()
        .with_basic("one", "1")
        .with_basic("two", "2")
        .with_basic("both", "3")
        .with_access(allows);
    let registry = if tokens { registry.with_tokens() } else { registry };
    registry.serve().await.unwrap()
}

fn login(user: &str) -> Credential {
    let password = match user {
        "one" => "1",
        "two" => "2",
        _ => "3",
    };
    Credential::basic(user, password)
}

/// A client with these logins, each for a namespace of the registry, or for all of it.
fn client(registry: &Registry, logins: &[(&str, &str)]) -> Client {
    let builder = Client::builder().with_plain_http(registry.clone());
    let builder = logins.iter().fold(builder, |builder, (namespace, user)| {
        let key = CredentialKey::parse(&format!("{registry}{namespace}")).unwrap();
        builder.with_credential(key, login(user))
    });
    builder.build().unwrap()
}

fn image(registry: &Registry, name: &str) -> ImageLocation {
    format!("docker://{registry}/{name}").parse().unwrap()
}

async fn push(registry: &Registry, name: &str) {
    let layout = tempfile::tempdir().unwrap();
    wharf_testkit::Image::small("app").write_layout(layout.path(), "local");
    let source = Layout::open(layout.path()).await.unwrap();
    let local = Name::parse("local").unwrap();
    let reference = format!("{registry}/{name}");
    let all = client(registry, &[("", "both")]);
    all.push(&source, &local, &reference).await.unwrap();
}

/// The namespaces and users of a client's logins.
type Logins = &'static [(&'static str, &'static str)];

#[tokio::test(flavor = "multi_thread")]
async fn each_side_of_a_copy_has_its_login() {
    // For both sides, or for the source and the destination; what is written, and whether that works.
    let table: [(Logins, Option<Logins>, &str, bool); 8] = [
        (&[("/one", "one"), ("/two", "two")], None, "two/x:2", true),
        (&[("", "both")], None, "two/x:2", true),
        (&[("", "one")], Some(&[("", "two")]), "two/x:2", true),
        (&[("", "one")], Some(&[("", "both")]), "one/y:2", true),
        (&[("", "one")], Some(&[("", "both")]), "one/x:2", true),
        (&[("", "one")], None, "two/x:2", false),
        (&[("", "two")], Some(&[("", "one")]), "two/x:2", false),
        (&[("", "one")], Some(&[]), "two/x:2", false),
    ];
    for tokens in [false, true] {
        for (from, to, name, works) in table {
            let what = format!("{from:?} {to:?} {name}, tokens: {tokens}");
            let server = registry(tokens).await;
            let registry = server.registry();
            push(&registry, "one/x:1").await;
            let source = client(&registry, from);
            let destination = to.map_or_else(|| source.clone(), |logins| client(&registry, logins));
            let (from, to) = (image(&registry, "one/x:1"), image(&registry, name));
            let copied = source.copy_to(&from, &destination, &to).await;
            assert_eq!(copied.is_ok(), works, "{what}: {copied:?}");
            if let Ok(report) = copied {
                let all = client(&registry, &[("", "both")]);
                let there = all.manifest(&to).await.unwrap();
                assert_eq!(there.digest(), report.digest(), "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_a_short_name_goes_to_the_one_registry_that_it_leads_to() {
    let server = registry(false).await;
    let registry = server.registry();
    push(&registry, "one/app:1").await;
    push(&registry, "app:1").await;
    let alias = format!("[aliases]\napp = \"{registry}/one/app\"\n");
    let search =
        |list: &str| format!("unqualified-search-registries = [{list}]\nshort-name-mode = \"permissive\"\n");
    let asking = |list: &str| search(list).replace("permissive", "enforcing");
    let own = format!("\"{registry}\"");
    let both = format!("{own}, \"other.example\"");
    let table = [
        ("an alias", alias.clone(), false, true),
        (
            "an alias beside a search list",
            search(&both) + &alias,
            false,
            true,
        ),
        ("one search registry", search(&own), false, true),
        ("two search registries", search(&both), false, false),
        ("two, and a choice", asking(&both), true, true),
        (
            "one registry twice",
            search(&format!("{own}, {own}")),
            false,
            true,
        ),
    ];
    for (what, conf, asks, works) in table {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("etc/containers")).unwrap();
        std::fs::write(host.path().join("etc/containers/registries.conf"), conf).unwrap();
        let asked = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&asked);
        let mut builder = Client::builder()
            .with_locations(Locations::rooted(host.path()))
            .with_plain_http(registry.clone())
            .with_short_name_credential(login("one"));
        if asks {
            builder = builder.with_short_name_prompt(Arc::new(move |_: &ShortName, _: &[Reference]| {
                *counted.lock().unwrap() += 1;
                Some(0)
            }));
        }
        let store = Layout::create(host.path().join("store")).await.unwrap();
        let client = builder.build().unwrap();
        let pulled = client.pull("app:1", &store).await;
        assert_eq!(pulled.is_ok(), works, "{what}: {pulled:?}");
        assert_eq!(*asked.lock().unwrap(), i32::from(asks), "{what}");
        if let Err(error) = pulled {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{what}");
            let text = error.to_string();
            assert!(text.contains("other.example") && !text.contains("--"), "{text}");
        }
    }
}
