//! Who may do what, and how much.

use wharf::Digest;
use wharf_testkit::{Grant, Image, Sandbox, TokenServer, require_peers, sha256};

use super::{CREDENTIALS, Serve, allow_plain_http, ask, users};
use crate::program::{Ended, run};

fn small_image(sandbox: &Sandbox) -> Image {
    let image = Image::small("access");
    image.write_layout(&sandbox.path("layout"), "v1");
    image
}

fn push(sandbox: &Sandbox, credentials: &str, reference: &str) -> Ended {
    let arguments = ["--creds", credentials, "--store", "layout", "v1", reference];
    run(sandbox, "push", &arguments)
}

fn pull(sandbox: &Sandbox, credentials: &str, reference: &str) -> Ended {
    let arguments = ["--creds", credentials, reference, "--store", "pulled"];
    run(sandbox, "pull", &arguments)
}

/// The status of a request with the token that this server gives alice.
fn with_token_of(tokens: &TokenServer, serve: &Serve) -> u16 {
    let realm = tokens.realm();
    let address = realm.split('/').nth(2).expect("a host");
    let path = "/token?service=x&scope=repository:team/app:pull";
    let basic = "Basic YWxpY2U6c2VjcmV0"; // alice:secret
    let issued = ask(address, "GET", path, basic, b"");
    let issued: serde_json::Value = serde_json::from_str(&issued.body).expect("JSON");
    let bearer = format!("Bearer {}", issued["token"].as_str().expect("a token"));
    ask(serve.name(), "GET", "/v2/team/app/tags/list", &bearer, b"").status
}

#[test]
fn tokens_that_another_party_signs_are_verified() {
    let sandbox = Sandbox::new();
    let start = || {
        let builder = TokenServer::builder().user("alice", "secret", &[Grant::new("team/*", "pull,push")]);
        builder
            .user("bob", "secret", &[Grant::new("team/*", "pull")])
            .start()
    };
    let (ours, stranger) = (start(), start());
    sandbox.write("keys.json", ours.jwks());
    let realm = ours.realm();
    let flags = [
        ["--token-keys", "keys.json"],
        ["--token-realm", &realm],
        ["--token-issuer", TokenServer::ISSUER],
        ["--token-service", ours.service()],
    ];
    let serve = Serve::start(&sandbox, &flags.concat());
    allow_plain_http(&sandbox, &[serve.name()]);
    let image = small_image(&sandbox);
    let (own, other) = (
        format!("{}/team/app:1", serve.name()),
        format!("{}/others/app:1", serve.name()),
    );
    let pushed = push(&sandbox, "alice:secret", &own);
    assert_eq!(pushed.last_line(), image.manifest().digest().to_string());
    pull(&sandbox, "bob:secret", &own).ok();
    push(&sandbox, "bob:secret", &own).fails(1, &[serve.name()]);
    push(&sandbox, "alice:secret", &other).fails(1, &[serve.name()]);
    assert_eq!(with_token_of(&ours, &serve), 200);
    assert_eq!(with_token_of(&stranger, &serve), 401);
    assert_eq!(serve.ask("GET", "/v2/team/app/tags/list", b"").status, 401);

    sandbox.write("keys.json", stranger.jwks());
    serve.signal("HUP");
    serve.says("read passwords, keys and certificates again");
    assert_eq!(with_token_of(&ours, &serve), 401);
    assert_eq!(with_token_of(&stranger, &serve), 200);
}

/// What a client is told when it may not change anything.
#[test]
fn pushes_and_deletes_can_be_refused() {
    let sandbox = Sandbox::new();
    let image = small_image(&sandbox);
    let digest = image.manifest().digest().clone();
    let reference = |serve: &Serve, tag: &str| {
        allow_plain_http(&sandbox, &[serve.name()]);
        format!("{}/lib/app:{tag}", serve.name())
    };
    let delete = |serve: &Serve, digest: &Digest| {
        let blob = image.blobs()[0].0.digest();
        let paths = [
            "/v2/lib/app/manifests/1".to_owned(),
            format!("/v2/lib/app/manifests/{digest}"),
            format!("/v2/lib/app/blobs/{blob}"),
        ];
        paths.map(|path| serve.ask("DELETE", &path, b"").status)
    };
    let serve = Serve::start(&sandbox, &["--no-delete"]);
    push(&sandbox, CREDENTIALS, &reference(&serve, "1")).ok();
    assert_eq!(delete(&serve, &digest), [405; 3]);
    pull(&sandbox, CREDENTIALS, &reference(&serve, "1")).ok();
    serve.signal("TERM");
    serve.ended_well();

    let serve = Serve::start(&sandbox, &["--read-only"]);
    let refused = push(&sandbox, CREDENTIALS, &reference(&serve, "2"));
    refused.fails(1, &[serve.name(), "read-only"]);
    assert_eq!(delete(&serve, &digest), [405; 3]);
    pull(&sandbox, CREDENTIALS, &reference(&serve, "1")).ok();
    serve.signal("TERM");
    serve.ended_well();

    let serve = Serve::start(&sandbox, &[]);
    assert_eq!(delete(&serve, &digest), [202; 3]);
}

/// Skopeo learns from the first answer alone whether there are logins.
#[test]
fn who_pulls_without_a_login_can_push_with_one() {
    require_peers!("skopeo", "htpasswd");
    let sandbox = Sandbox::new();
    users(&sandbox);
    let image = small_image(&sandbox);
    for flags in [&[] as &[&str], &["--tokens"]] {
        let flags = [&["--htpasswd", "htpasswd", "--anonymous-pull"], flags].concat();
        let root = if flags.contains(&"--tokens") {
            "tokens"
        } else {
            "basic"
        };
        let serve = Serve::start_over(&sandbox, root, &flags);
        allow_plain_http(&sandbox, &[serve.name()]);
        let (ours, theirs) = (
            format!("{}/lib/ours:1", serve.name()),
            format!("{}/lib/theirs:1", serve.name()),
        );
        push(&sandbox, CREDENTIALS, &ours).ok();
        let (from, to) = (format!("docker://{ours}"), format!("docker://{theirs}"));
        let copy = ["copy", "--preserve-digests", &from, &to];
        sandbox
            .skopeo()
            .run(&[&copy[..], &["--src-no-creds", "--dest-creds", CREDENTIALS]].concat())
            .ok();
        let raw = sandbox
            .skopeo()
            .run(&["inspect", "--raw", "--no-creds", &to])
            .ok();
        assert_eq!(raw.as_bytes(), image.manifest().bytes());
        let pulled = run(&sandbox, "pull", &[&theirs, "--store", root]);
        assert_eq!(pulled.last_line(), image.manifest().digest().to_string());
        run(&sandbox, "push", &["--store", "layout", "v1", &ours]).fails(1, &[serve.name()]);
    }
}

#[test]
fn quotas_are_kept_and_named() {
    require_peers!("htpasswd");
    let sandbox = Sandbox::new();
    users(&sandbox);
    let image = Image::builder().noise(1, 100_000).finish();
    image.write_layout(&sandbox.path("layout"), "v1");
    for (flag, reason) in [
        ("--quota", "the repository's quota is used up"),
        ("--user-quota", "the user's quota is used up"),
        ("--max-blob", "too large"),
    ] {
        let flags = [flag, "150000", "--htpasswd", "htpasswd"];
        let serve = Serve::start_over(&sandbox, flag.trim_start_matches('-'), &flags);
        allow_plain_http(&sandbox, &[serve.name()]);
        let reference = format!("{}/lib/app:1", serve.name());
        push(&sandbox, CREDENTIALS, &reference).ok();
        let large = Image::builder().noise(2, 200_000).finish();
        let layout = format!("large{flag}");
        large.write_layout(&sandbox.path(&layout), "v1");
        let arguments = ["--creds", CREDENTIALS, "--store", &layout, "v1", &reference];
        run(&sandbox, "push", &arguments).fails(1, &[serve.name(), reason]);
        let small = format!("/v2/lib/app/blobs/uploads/?digest={}", sha256(b"small"));
        assert_eq!(serve.ask("POST", &small, b"small").status, 201); // what fits goes on
        pull(&sandbox, CREDENTIALS, &reference).ok();
    }
}
