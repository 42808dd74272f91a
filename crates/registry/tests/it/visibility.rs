//! Two tenants, every endpoint, every right.

use wharf_registry::{Action, Registry, Server};

use crate::wire::{Answer, MANIFEST, ask, digest, manifest, with_digest};

/// `rights` names what a user may do: `rw@mine` pulls and pushes in `mine`.
fn may(user: Option<&str>, path: &str, action: Action) -> bool {
    let Some((rights, own)) = user.and_then(|user| user.split_once('_')) else {
        return false;
    };
    let right = match action {
        Action::Pull => 'r',
        Action::Push => 'w',
        _ => 'd',
    };
    path == own && rights.contains(right)
}

const USERS: [&str; 6] = ["rwd_mine", "rwd_yours", "r_mine", "w_mine", "d_mine", "x_mine"];

async fn server(tokens: bool) -> Server {
    let mut registry = Registry::memory().with_access(may);
    for user in USERS {
        registry = registry.with_basic(user, "secret");
    }
    if tokens {
        registry = registry.with_tokens();
    }
    registry.serve().await.unwrap()
}

/// The user's credentials for this repository, in the form that the server wants.
async fn credentials(server: &Server, tokens: bool, user: &str, scope: &str) -> String {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:secret"));
    if !tokens {
        return format!("Basic {basic}");
    }
    let path = format!("/token?service=registry&scope={scope}");
    let answer = ask(server, "GET", path)
        .header("Authorization", &format!("Basic {basic}"))
        .send()
        .await;
    assert_eq!(answer.status, 200);
    format!("Bearer {}", answer.json()["token"].as_str().unwrap())
}

async fn call(server: &Server, credentials: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    ask(server, method, path)
        .header("Authorization", credentials)
        .header("Content-Type", MANIFEST)
        .body(body)
        .send()
        .await
}

#[tokio::test]
async fn rights_decide_and_nothing_else_shows() {
    for tokens in [false, true] {
        let server = server(tokens).await;
        let scope = "repository:mine:pull,push,delete";
        let owner = credentials(&server, tokens, "rwd_mine", scope).await;
        let blob = digest(b"layer");
        let document = manifest(b"layer", &[b"layer"]);
        let image = digest(&document);
        let missing = digest(b"missing");
        let prepare = async || {
            let path = with_digest("/v2/mine/blobs/uploads/", &blob);
            assert_eq!(call(&server, &owner, "POST", &path, b"layer").await.status, 201);
            let put = call(&server, &owner, "PUT", "/v2/mine/manifests/v1", &document).await;
            assert_eq!(put.status, 201);
        };
        let requests = [
            ('r', "GET", format!("/v2/mine/blobs/{blob}"), 200),
            ('r', "HEAD", format!("/v2/mine/blobs/{blob}"), 200),
            ('r', "GET", "/v2/mine/manifests/v1".to_owned(), 200),
            ('r', "HEAD", "/v2/mine/manifests/v1".to_owned(), 200),
            ('r', "GET", "/v2/mine/tags/list".to_owned(), 200),
            ('r', "HEAD", "/v2/mine/tags/list".to_owned(), 200),
            ('r', "GET", "/v2/mine/tags/list?n=1&last=a".to_owned(), 200),
            ('r', "GET", format!("/v2/mine/manifests/{image}"), 200),
            ('r', "GET", format!("/v2/mine/referrers/{image}"), 200),
            ('r', "HEAD", format!("/v2/mine/referrers/{image}"), 200),
            (
                'r',
                "GET",
                format!("/v2/mine/referrers/{image}?artifactType=x/y"),
                200,
            ),
            ('w', "POST", "/v2/mine/blobs/uploads/".to_owned(), 202),
            (
                'w',
                "POST",
                with_digest("/v2/mine/blobs/uploads/", &digest(b"")),
                201,
            ),
            (
                'w',
                "POST",
                format!("/v2/mine/blobs/uploads/?mount={missing}&from=mine"),
                202,
            ),
            ('w', "PUT", "/v2/mine/manifests/v1".to_owned(), 201),
            ('w', "PUT", "/v2/mine/manifests/v2".to_owned(), 201),
            ('w', "PUT", format!("/v2/mine/manifests/{image}?tag=v3"), 201),
            ('w', "GET", "/v2/mine/blobs/uploads/0".to_owned(), 404),
            ('w', "PATCH", "/v2/mine/blobs/uploads/0".to_owned(), 404),
            ('w', "PUT", format!("/v2/mine/blobs/uploads/0?digest={blob}"), 404),
            ('w', "DELETE", "/v2/mine/blobs/uploads/0".to_owned(), 404),
            ('d', "DELETE", "/v2/mine/manifests/v1".to_owned(), 202),
            ('d', "DELETE", format!("/v2/mine/manifests/{image}"), 202),
            ('d', "DELETE", format!("/v2/mine/blobs/{blob}"), 202),
        ];
        for user in USERS {
            let (rights, own) = user.split_once('_').unwrap();
            let sent = credentials(&server, tokens, user, scope).await;
            for (right, method, path, good) in &requests {
                prepare().await;
                let body = if *method == "PUT" {
                    document.as_slice()
                } else {
                    b""
                };
                let there = call(&server, &sent, method, path, body).await;
                if own == "mine" && rights.contains(*right) {
                    assert_eq!(there.status, *good, "{user} {method} {path}");
                    continue;
                }
                // What exists and what does not are refused alike.
                let absent = path
                    .replace(blob.encoded(), digest(b"no").encoded())
                    .replace(image.encoded(), digest(b"no").encoded())
                    .replace("v1", "v9");
                let absent = call(&server, &sent, method, &absent, body).await;
                assert_eq!(
                    there.status,
                    if tokens { 401 } else { 403 },
                    "{user} {method} {path}"
                );
                assert_eq!((absent.status, absent.body), (there.status, there.body));
            }
        }
        // Without credentials nothing is answered, whatever is there.
        for (_, method, path, _) in &requests {
            prepare().await;
            for path in [path.clone(), path.replace("mine", "yours")] {
                let nobody = ask(&server, method, path).send().await;
                assert_eq!(nobody.status, 401, "{method}");
            }
        }
        let rest = call(&server, &owner, "GET", "/v2/mine/tags/list", b"").await;
        assert_eq!(rest.status, 200, "what others were refused has changed nothing");
    }
}

#[tokio::test]
async fn what_one_may_not_pull_one_may_not_mount() {
    for tokens in [false, true] {
        one_mounts_what_one_may_pull(tokens).await;
    }
}

async fn one_mounts_what_one_may_pull(tokens: bool) {
    let server = server(tokens).await;
    let mine = credentials(&server, tokens, "rwd_mine", "repository:mine:pull,push").await;
    let scopes = "repository:yours:pull,push+repository:mine:pull+registry:blobs:mount";
    let yours = credentials(&server, tokens, "rwd_yours", scopes).await;
    let (blob, missing) = (digest(b"layer"), digest(b"missing"));
    let path = with_digest("/v2/mine/blobs/uploads/", &blob);
    assert_eq!(call(&server, &mine, "POST", &path, b"layer").await.status, 201);
    for from in ["&from=mine", ""] {
        let mount = |digest| format!("/v2/yours/blobs/uploads/?mount={digest}{from}");
        let there = call(&server, &yours, "POST", &mount(&blob), b"").await;
        let absent = call(&server, &yours, "POST", &mount(&missing), b"").await;
        assert_eq!((there.status, absent.status), (202, 202));
        let names = |answer: &Answer| {
            answer
                .headers
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&there), names(&absent));
    }
    let path = format!("/v2/yours/blobs/{blob}");
    assert_eq!(call(&server, &yours, "GET", &path, b"").await.status, 404);
    let document = manifest(b"layer", &[]);
    let stolen = call(&server, &yours, "PUT", "/v2/yours/manifests/v1", &document).await;
    assert_eq!(
        (stolen.status, stolen.code().as_str()),
        (400, "MANIFEST_BLOB_UNKNOWN")
    );
}

/// The token for a mount is what the challenge asks for: of the repository that the client names, or, if it
/// names none, of those that the user may pull from. Another token does not do, whatever its user may.
#[tokio::test]
async fn a_mount_needs_a_token_for_it() {
    let of_both = |user: Option<&str>, path: &str, _| user == Some("ada") && path != "others";
    let registry = Registry::memory().with_access(of_both).with_tokens();
    let server = registry.with_basic("ada", "secret").serve().await.unwrap();
    let ada = async |scope: &str| credentials(&server, true, "ada", scope).await;
    let upload = "/v2/mine/blobs/uploads/";
    let blob = digest(b"layer");
    let source = ada("repository:source:push").await;
    let path = with_digest("/v2/source/blobs/uploads/", &blob);
    assert_eq!(call(&server, &source, "POST", &path, b"layer").await.status, 201);

    let narrow = ada("repository:mine:pull,push").await;
    let missing = digest(b"missing");
    for (from, more) in [
        ("&from=source", "repository:source:pull"),
        ("", "registry:blobs:mount"),
    ] {
        let mount = |digest| format!("{upload}?mount={digest}{from}");
        let challenge = format!("scope=\"repository:mine:pull,push {more}\"");
        for (sent, error) in [(None, false), (Some(&narrow), true)] {
            // Whether it exists does not show.
            for digest in [&blob, &missing] {
                let mut asked = ask(&server, "POST", mount(digest));
                if let Some(sent) = sent {
                    asked = asked.header("Authorization", sent);
                }
                let refused = asked.send().await;
                assert_eq!(refused.status, 401);
                let named = refused.header("www-authenticate").unwrap();
                assert!(named.contains(&challenge), "{named}");
                assert_eq!(named.contains("insufficient_scope"), error, "{named}");
            }
        }
        let wide = ada(&format!("repository:mine:pull,push+{more}")).await;
        let mounted = call(&server, &wide, "POST", &mount(&blob), b"").await;
        assert_eq!(mounted.status, 201);
        let absent = call(&server, &wide, "POST", &mount(&missing), b"").await;
        assert_eq!(absent.status, 202);
        let delete = ada("repository:mine:delete").await;
        let gone = call(&server, &delete, "DELETE", &format!("/v2/mine/blobs/{blob}"), b"").await;
        assert_eq!(gone.status, 202);
        // The right to mount is no right to pull.
        let path = format!("/v2/source/blobs/{blob}");
        let mounts = ada("repository:mine:pull,push+registry:blobs:mount").await;
        assert_eq!(call(&server, &mounts, "GET", &path, b"").await.status, 401);
    }
    // What the user may not pull is not asked for: no token would help.
    let path = format!("{upload}?mount={blob}&from=others");
    assert_eq!(call(&server, &narrow, "POST", &path, b"").await.status, 202);
}

/// A mount needs the right to push here and to pull there; without the latter it is an upload, as of a blob
/// that does not exist.
#[tokio::test]
async fn a_mount_needs_both_rights() {
    for tokens in [false, true] {
        let server = server(tokens).await;
        let scopes = "repository:mine:pull,push,delete&scope=repository:yours:pull,push,delete";
        let owner = credentials(&server, tokens, "rwd_mine", scopes).await;
        let blob = digest(b"layer");
        let path = with_digest("/v2/mine/blobs/uploads/", &blob);
        assert_eq!(call(&server, &owner, "POST", &path, b"layer").await.status, 201);
        for user in USERS {
            let (rights, own) = user.split_once('_').unwrap();
            let sent = credentials(&server, tokens, user, scopes).await;
            let mount = format!("/v2/{own}/blobs/uploads/?mount={blob}&from=mine");
            let mounted = call(&server, &sent, "POST", &mount, b"").await.status;
            let expected = match (rights.contains('w'), own == "mine" && rights.contains('r')) {
                (true, true) => 201,
                (true, false) => 202,
                (false, _) => {
                    if tokens {
                        401
                    } else {
                        403
                    }
                }
            };
            assert_eq!(mounted, expected, "{user}");
        }
    }
}

#[tokio::test]
async fn an_upload_belongs_to_who_began_it() {
    let server = server(false).await;
    let mine = credentials(&server, false, "rwd_mine", "").await;
    let other = credentials(&server, false, "w_mine", "").await;
    let yours = credentials(&server, false, "rwd_yours", "").await;
    let session = call(&server, &mine, "POST", "/v2/mine/blobs/uploads/", b"")
        .await
        .location();
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(call(&server, &other, method, &session, b"x").await.status, 404);
        let elsewhere = session.replace("/mine/", "/yours/");
        assert_eq!(call(&server, &yours, method, &elsewhere, b"x").await.status, 404);
    }
    assert_eq!(call(&server, &mine, "PATCH", &session, b"x").await.status, 202);
}

#[tokio::test]
async fn the_catalog_shows_what_one_may_pull() {
    for tokens in [false, true] {
        let server = server(tokens).await;
        for (user, path) in [("rwd_mine", "mine"), ("rwd_yours", "yours")] {
            let scope = format!("repository:{path}:push");
            let sent = credentials(&server, tokens, user, &scope).await;
            let upload = with_digest(&format!("/v2/{path}/blobs/uploads/"), &digest(b"x"));
            assert_eq!(call(&server, &sent, "POST", &upload, b"x").await.status, 201);
        }
        for (user, expected) in [
            ("rwd_mine", vec!["mine"]),
            ("r_mine", vec!["mine"]),
            ("w_mine", vec![]),
            ("d_mine", vec![]),
            ("x_mine", vec![]),
            ("rwd_yours", vec!["yours"]),
        ] {
            let sent = credentials(&server, tokens, user, "registry:catalog:*").await;
            for path in ["/v2/_catalog", "/v2/_catalog?n=1", "/v2/_catalog?n=1&last=m"] {
                let catalog = call(&server, &sent, "GET", path, b"").await;
                let shown = &catalog.json()["repositories"];
                assert_eq!(*shown, serde_json::json!(expected), "{user} {path}");
                assert_eq!(catalog.next(), None);
            }
        }
        assert_eq!(ask(&server, "GET", "/v2/_catalog").send().await.status, 401);
    }
}
