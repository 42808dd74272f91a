//! Lists of a registry itself: catalog, search, extensions, warnings; and the explanation.

use std::sync::{Arc, Mutex};

use serde_json::json;
use wharf_config::{Intent, Registries};
use wharf_content::{ErrorKind, Event, Progress};
use wharf_distribution::Client;
use wharf_reference::Repository;
use wharf_testkit::{
    DockerRegistry, Image,
    hostile::{Answer, Match, OriginOptions, Stage},
    peers_present,
};

use crate::support::{login, on_stage, plain, push_image, registry, remote};

#[tokio::test]
async fn the_catalog_and_a_search_without_an_endpoint_for_it() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let name = registry(&server.name());
    let client = plain(&server.name()).build().unwrap();
    for path in ["team/app", "team/tool", "other"] {
        push_image(&remote(&client, &server.name(), path), &Image::small("x"), "v1")
            .await
            .unwrap();
    }
    let all = client.catalog(&name, usize::MAX).await.unwrap();
    assert_eq!(
        all.iter().map(Repository::path).collect::<Vec<_>>(),
        ["other", "team/app", "team/tool"]
    );
    assert_eq!(client.catalog(&name, 1).await.unwrap().len(), 1);
    let found = client.search(&name, "team", 10).await.unwrap();
    assert_eq!(
        found.iter().map(|found| &*found.name).collect::<Vec<_>>(),
        ["team/app", "team/tool"]
    );
    assert!(client.extensions(&name).await.unwrap().is_empty());
}

#[tokio::test]
async fn search_and_extensions() {
    let stage = Stage::new();
    let server = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    server.on(
        Match::get("/v1/search"),
        Answer::json(&json!({"num_results": 2, "results": [
            {"name": "alpine", "description": "small\u{1b}[2J", "star_count": 9, "is_official": true},
            {"name": "other", "description": null, "star_count": -1, "is_automated": true},
        ]})),
    );
    server.on(
        Match::get("/v2/_oci/ext/discover"),
        Answer::json(&json!({"extensions": [{"name": "_zot", "url": "https://x", "description": "d"}]})),
    );
    let found = client.search(&registry("reg.test"), "al pine", 25).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].description, "small\\u{1b}[2J");
    assert!(found[0].is_official && found[1].is_automated && found[1].stars == 0);
    assert_eq!(server.requests()[0].target, "/v1/search?q=al+pine&n=25");
    let extensions = client.extensions(&registry("reg.test")).await.unwrap();
    assert_eq!(extensions[0].name, "_zot");
}

#[tokio::test]
async fn a_list_of_a_registry_is_an_object_whose_members_may_be_null() {
    let stage = Stage::new();
    let server = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let name = registry("reg.test");
    let table = [
        ("{}", Some(0)),
        (
            r#"{"repositories":null,"results":null,"extensions":null}"#,
            Some(0),
        ),
        (
            r#"{"repositories":["a"],"results":[{"name":null,"is_official":null}],"extensions":[{"url":null}]}"#,
            Some(1),
        ),
        (
            r#"{"repositories":["a"],"results":[{}],"extensions":[{}]}"#,
            Some(1),
        ),
        ("[]", None),
        ("[null]", None),
        (r#"[["a"]]"#, None),
        ("null", None),
        ("7", None),
        (
            r#"{"repositories":[["a"]],"results":[["a"]],"extensions":[["a"]]}"#,
            None,
        ),
        (r#"{"repositories":[[]],"results":[[]],"extensions":[[]]}"#, None),
        (r#"{"repositories":{},"results":{},"extensions":{}}"#, None),
    ];
    for (body, expected) in table {
        server.clear();
        for path in ["/v2/_catalog", "/v1/search", "/v2/_oci/ext/discover"] {
            server.on(Match::get(path), Answer::ok(body));
        }
        let catalog = client.catalog(&name, 10).await.map(|list| list.len());
        let found = client.search(&name, "a", 10).await.map(|list| list.len());
        let extensions = client.extensions(&name).await.map(|list| list.len());
        for (what, read) in [
            ("catalog", catalog),
            ("search", found),
            ("extensions", extensions),
        ] {
            match (read, expected) {
                (Ok(count), Some(expected)) => assert_eq!(count, expected, "{what}: {body}"),
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Server, "{what}: {body}: {error}"),
                (read, _) => panic!("{what}: {body}: {read:?}"),
            }
        }
    }
}

#[tokio::test]
async fn warnings_are_told_once() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Progress for Heard {
        fn event(&self, event: Event<'_>) {
            if let Event::Warning { message } = event {
                self.0.lock().unwrap().push(message.to_owned());
            }
        }
    }
    let stage = Stage::new();
    let server = stage.origin("reg.test").await;
    let heard = Arc::new(Heard::default());
    let client = on_stage(&stage).with_warnings(heard.clone()).build().unwrap();
    let answer = Answer::json(&json!({"tags": ["v1"]})).header("Warning", "299 - \"this tag goes away\"");
    server.on(Match::get("/tags/list"), answer);
    let app = remote(&client, "reg.test", "app");
    for _ in 0..3 {
        app.tags().collect().await.unwrap();
    }
    assert_eq!(*heard.0.lock().unwrap(), ["reg.test warns: this tag goes away"]);
}

#[tokio::test]
async fn an_explanation_names_no_secret() {
    let client = login(Client::builder(), "reg.test", "ada", "CANARY");
    let repository = Repository::parse("reg.test/team/app").unwrap();
    let explanation = client.explain(&repository, Intent::PullTag).await.unwrap();
    assert_eq!(
        explanation.to_string(),
        "reg.test/team/app:\n  1. reg.test/team/app at https://reg.test; user name and password; no table matches"
    );
    assert!(!format!("{explanation:?}").contains("CANARY"));
}

#[tokio::test]
async fn a_registry_itself_is_reached_as_its_table_says() {
    let stage = Stage::new();
    let options = OriginOptions::default().untrusted().with_port();
    let server = stage.origin_with("self.test", options).await;
    server.serve_ping();
    server.on(
        Match::get("/v2/_catalog"),
        Answer::json(&json!({"repositories": ["app"]})),
    );
    server.on(Match::get("/v1/search"), Answer::json(&json!({"results": []})));
    let name = registry(server.name());
    let client = |table: String| {
        let registries = Registries::parse(&table).unwrap();
        on_stage(&stage)
            .with_resolve(Arc::new(registries))
            .build()
            .unwrap()
    };

    // What is said of a namespace, whatever it is called, says nothing of the registry.
    let insecure = client(format!(
        "[[registry]]\nlocation = '{name}'\ninsecure = true\n\
         [[registry]]\nlocation = '{name}/wharf'\nblocked = true\n"
    ));
    insecure.check_credentials(&name).await.unwrap();
    assert_eq!(insecure.catalog(&name, 10).await.unwrap().len(), 1);
    assert!(insecure.search(&name, "app", 10).await.unwrap().is_empty());
    let asked = server.requests().len();

    let namespace = client(format!(
        "[[registry]]\nlocation = '{name}/wharf'\ninsecure = true\n"
    ));
    let error = namespace.check_credentials(&name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");

    let blocked = client(format!("[[registry]]\nlocation = '{name}'\nblocked = true\n"));
    for error in [
        blocked.check_credentials(&name).await.unwrap_err(),
        blocked.catalog(&name, 10).await.unwrap_err(),
        blocked.search(&name, "app", 10).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Blocked, "{error}");
    }
    assert_eq!(server.requests().len(), asked);
}
