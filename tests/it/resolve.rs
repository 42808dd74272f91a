//! The `resolve` example on hosts of its own.

use serde_json::{Value, json};
use wharf_testkit::Sandbox;

use crate::program::{Ended, run};

const CONF: &str = r#"
unqualified-search-registries = ["docker.io", "other.example"]
[[registry]]
location = "docker.io"
blocked = true
short-name-mode = "enforcing"
[[registry.mirror]]
location = "cache.example:5000/hub"
insecure = true
[aliases]
tool = "tools.example/tool"
gone = ""
"#;

fn resolve(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let root = sandbox.path("host");
    let mut all = vec!["--root", root.to_str().expect("temporary paths are text")];
    all.extend(arguments);
    run(sandbox, "resolve", &all)
}

fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("host/etc/containers/registries.conf", CONF);
    sandbox
}

fn answer(ended: Ended) -> Value {
    serde_json::from_str(&ended.ok()).expect("the example prints JSON")
}

#[test]
fn a_short_name_is_explained_with_every_place_it_may_be() {
    let sandbox = host();
    let file = sandbox.path("host/etc/containers/registries.conf");
    let file = file.display();
    let answer = answer(resolve(&sandbox, &["alpine:3"]));
    assert_eq!(answer["short"], true);
    assert_eq!(answer["search_origin"], format!("{file}:2"));
    assert_eq!(answer["images"][0]["reference"], "docker.io/library/alpine:3");
    assert_eq!(
        answer["images"][0]["candidates"],
        json!([
            {
                "endpoint": "cache.example:5000",
                "repository": "cache.example:5000/hub/library/alpine",
                "role": "mirror",
                "tls": "insecure",
                "blocked": null,
                "origin": format!("{file}:7 ([[registry.mirror]] cache.example:5000/hub)"),
            },
            {
                "endpoint": "registry-1.docker.io",
                "repository": "docker.io/library/alpine",
                "role": "primary",
                "tls": "verify",
                "blocked": format!("{file}:3 ([[registry]] docker.io)"),
                "origin": format!("{file}:3 ([[registry]] docker.io)"),
            },
        ])
    );
    assert_eq!(answer["images"][1]["reference"], "other.example/alpine:3");
    let warning = answer["warnings"][0].as_str().expect("a text");
    assert!(warning.contains(":6: registry.short-name-mode: "), "{warning}");
}

#[test]
fn every_alias_of_a_name_is_listed_with_its_file() {
    let sandbox = host();
    sandbox.write(
        "host/var/cache/containers/short-name-aliases.conf",
        "[aliases]\ntool = \"machine.example/tool\"\n",
    );
    let answer = answer(resolve(&sandbox, &["tool"]));
    let repositories = |index: usize| answer["aliases"][index]["repository"].clone();
    assert_eq!(
        [repositories(0), repositories(1)],
        ["machine.example/tool", "tools.example/tool"]
    );
    assert_eq!(answer["images"][0]["reference"], "machine.example/tool:latest");
}

#[test]
fn options_change_the_answer() {
    let sandbox = host();
    let hub = answer(resolve(&sandbox, &["tool", "--docker-hub"]));
    assert_eq!(hub["images"][0]["reference"], "docker.io/library/tool:latest");
    let other = sandbox.write("other.conf", "unqualified-search-registries = ['one.example']\n");
    let other = other.to_str().expect("temporary paths are text");
    let one = answer(resolve(&sandbox, &["alpine", "--registries-conf", other]));
    assert_eq!(one["images"][0]["reference"], "one.example/alpine:latest");
    let pushed = answer(resolve(&sandbox, &["other.example/x", "--push"]));
    assert_eq!(pushed["images"][0]["candidates"][0]["role"], "primary");
}

#[test]
fn what_cannot_be_resolved_fails_with_a_reason() {
    let sandbox = host();
    let blocked = resolve(&sandbox, &["docker.io/x", "--push"]);
    assert_eq!(blocked.code, Some(1));
    assert!(
        blocked.stdout.contains("docker.io/library/x is blocked by"),
        "{blocked:?}"
    );

    let ambiguous = resolve(&sandbox, &["gone", "--mode", "enforcing"]);
    assert_eq!(ambiguous.code, Some(1));
    assert!(
        ambiguous.stdout.contains("the short name gone may mean"),
        "{ambiguous:?}"
    );

    resolve(&sandbox, &["alpine", "--mode", "sometimes"]).fails(2, &["enforcing, permissive or disabled"]);
    resolve(&sandbox, &["Alpine:"]).fails(1, &["Alpine: is not an image name"]);
    sandbox.write(
        "host/etc/containers/registries.conf.d/bad.conf",
        "[[registry]]\nblocked = true\n",
    );
    resolve(&sandbox, &["alpine"]).fails(1, &["bad.conf:1:1: registry: expected a location"]);
}
