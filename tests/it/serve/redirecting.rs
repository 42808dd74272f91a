//! `serve --redirect` leads clients to the object store.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use wharf_testkit::{Moto, PostgreSql, Sandbox, require_peers, sha256};

use super::Serve;
use crate::program::start_in_vain;

/// The answer to a GET of a plain URL, head and body.
fn fetch(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("a plain URL");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("it listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_get_of_a_blob_leads_to_the_store_and_a_head_does_not() {
    require_peers!("postgres", "psql", Moto::PROGRAM);
    let sandbox = Sandbox::new();
    let server = PostgreSql::shared();
    sandbox.write("database", server.socket_url(&server.create_database()));
    let (store, endpoint) = (
        format!("s3://{}/registry", Moto::shared().create_bucket()),
        Moto::shared().endpoint(),
    );
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--store",
        &store,
        "--database",
        "@database",
        "--redirect",
        "--redirect-min-size",
        "6",
        "--redirect-lifetime",
        "60",
    ];
    let variables = [
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
    ];
    let serve = Serve::with_variables(&sandbox, &flags, &variables);
    for (bytes, is_redirected) in [("a layer", true), ("small", false)] {
        let digest = sha256(bytes.as_bytes());
        let path = format!("/v2/lib/app/blobs/uploads/?digest={digest}");
        assert_eq!(serve.ask("POST", &path, bytes.as_bytes()).status, 201);
        let path = format!("/v2/lib/app/blobs/{digest}");
        let got = serve.ask("GET", &path, b"");
        let location = got.head.lines().find_map(|line| line.strip_prefix("location: "));
        if is_redirected {
            let location = location.expect("a location");
            assert_eq!(got.status, 307, "{got:?}");
            assert!(
                location.starts_with(&endpoint) && location.contains("X-Amz-Expires=60"),
                "{location}"
            );
            let answer = fetch(location);
            assert!(
                answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(bytes),
                "{answer}"
            );
        } else {
            assert_eq!((got.status, got.body.as_str(), location), (200, bytes, None));
        }
        let head = serve.ask("HEAD", &path, b"");
        let length = format!("content-length: {}", bytes.len());
        assert!(head.status == 200 && head.head.contains(&length), "{head:?}");
    }
    serve.signal("TERM");
    serve.ended_well();
}

#[test]
fn a_store_that_signs_no_urls_is_refused() {
    require_peers!("postgres", "psql");
    let sandbox = Sandbox::new();
    let server = PostgreSql::shared();
    sandbox.write("database", server.socket_url(&server.create_database()));
    let store = format!("file://{}", sandbox.path("store").display());
    let shared = ["--store", &store, "--database", "@database"];
    for (flags, said) in [
        ([&shared[..], &["--redirect"]].concat(), "a store that signs URLs"),
        (
            [&shared[..], &["--redirect", "--redirect-lifetime", "0"]].concat(),
            "--redirect-lifetime",
        ),
        (
            [&shared[..], &["--redirect-min-size", "1"]].concat(),
            "--redirect",
        ),
        (vec!["--root", "root", "--redirect"], "--store <URL>"),
    ] {
        let flags = [&["--listen", "127.0.0.1:0"], &flags[..]].concat();
        let ended = start_in_vain(&sandbox, "serve", &flags);
        assert_ne!(ended.code, Some(0), "{flags:?}");
        assert!(ended.stderr.contains(said), "{flags:?}: {}", ended.stderr);
    }
}
