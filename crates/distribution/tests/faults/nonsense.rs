//! Runs against a server that answers nonsense: any status, any headers, any body, to anything. What must
//! hold is little: no panic, no hang, no secret elsewhere, and nothing accepted that has not the digest it
//! was asked for by.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use wharf_auth::{Credential, Fixed};
use wharf_content::{Blob, Target};
use wharf_distribution::{Client, Remote};
use wharf_http::{ReqwestConnector, RetryPolicy};
use wharf_reference::{Registry, Repository, Tag};
use wharf_testkit::{
    Image, Random,
    hostile::{Answer, Fault, Match, OriginOptions, Rule, Stage},
};

use crate::run::Record;

/// More simulated time than all calls of a run may take together.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

pub(crate) async fn simulate(seed: u64) -> Record {
    let mut record = Record::new(seed);
    let stage = Stage::new();
    let plain = || OriginOptions::default().plain();
    let server = stage.origin_with("registry.test", plain()).await;
    let evil = stage.origin_with("evil.test", plain()).await;
    let password = stage.secret("password", &[&server]);
    let image = Image::builder().noise(seed, 3000).finish();
    let random = Arc::new(Mutex::new(Random::new(seed)));
    for origin in [&server, &evil] {
        let (random, image) = (Arc::clone(&random), image.clone());
        origin.rule(Rule::call(Match::any(), move |request| {
            let answer = nonsense(&mut random.lock().unwrap(), &image);
            if request.method == "HEAD" {
                answer.head_only()
            } else {
                answer
            }
        }));
    }
    let name = Registry::parse("registry.test").unwrap();
    let credential = Credential::basic("alice", password);
    let client = Client::builder()
        .with_connect(Arc::new(
            ReqwestConnector::new().with_dns_resolver(Arc::new(stage.names())),
        ))
        .with_plain_http(name.clone())
        .with_credentials(Arc::new(Fixed::new(name.clone(), credential)))
        .with_retry(RetryPolicy::default().with_seed(seed))
        .dangerous()
        .allow_plaintext_credentials(name.clone())
        .build()
        .unwrap();
    let remote = client.remote(&Repository::new(&name, "team/app").unwrap());
    let started = tokio::time::Instant::now();
    let ended = tokio::time::timeout(LONGEST, ask_everything(&stage, &client, &remote, &image)).await;
    record.simulated = started.elapsed();
    match ended {
        Err(_) => record.hung = true,
        Ok(wrong) => record.wrong = wrong,
    }
    record.hits = server.traffic().requests;
    record.leaks = stage.findings();
    if !record.leaks.is_empty() {
        std::mem::forget(stage); // its end would panic, which says less than the record
    }
    record
}

/// Every call a client has; errors are fine and searched for secrets.
async fn ask_everything(stage: &Stage, client: &Client, remote: &Remote, image: &Image) -> Vec<String> {
    let mut wrong = Vec::new();
    let look = |error: wharf_distribution::Error| drop(stage.inspect(error));
    let registry = remote.repository().registry();
    let pinned = image.manifest().digest();
    let tag = Tag::parse("v1").unwrap();
    let (layer, bytes) = image.blobs().last().unwrap();
    client.check_credentials(&registry).await.unwrap_or_else(look);
    match remote.manifest(&Target::Digest(pinned.clone())).await {
        Ok(manifest) if manifest != *image.manifest() => {
            wrong.push("another manifest than the digest's".to_owned());
        }
        Ok(_) => {}
        Err(error) => look(error),
    }
    let by_tag = remote.manifest(&tag.clone().into()).await;
    by_tag.map_or_else(look, drop);
    remote.resolve(&tag.clone().into()).await.map_or_else(look, drop);
    match remote.blob(layer).unwrap().read_to_end(u64::MAX).await {
        Ok(read) if read != *bytes => wrong.push("other bytes than the digest's".to_owned()),
        Ok(_) => {}
        Err(error) => drop(stage.inspect(error)),
    }
    let blob = Blob::from_bytes(layer.clone(), bytes.clone()).unwrap();
    remote.push_blob(blob).await.unwrap_or_else(look);
    let other = Repository::new(&registry, "other/app").unwrap();
    remote.mount(layer, &other).await.map_or_else(look, drop);
    let pushed = remote.push_manifest(image.manifest(), Some(&tag)).await;
    pushed.unwrap_or_else(look);
    remote.tags().collect().await.map_or_else(look, drop);
    remote.referrers(pinned, None).await.map_or_else(look, drop);
    client.catalog(&registry, 100).await.map_or_else(look, drop);
    client.search(&registry, "x", 10).await.map_or_else(look, drop);
    client.extensions(&registry).await.map_or_else(look, drop);
    remote.delete_tag(&tag).await.unwrap_or_else(look);
    remote.delete_manifest(pinned).await.unwrap_or_else(look);
    wrong
}

fn nonsense(random: &mut Random, image: &Image) -> Answer {
    let statuses = [
        200, 200, 200, 201, 202, 204, 206, 301, 302, 303, 307, 308, 400, 401, 401, 403, 404, 405, 413, 416,
        429, 500, 503, 599, 999,
    ];
    let mut answer = Answer::new(random.pick(&statuses)).body(body(random, image));
    for _ in 0..random.below(7) {
        let (name, value) = header(random, image);
        answer = answer.header(name, &value);
    }
    answer = match random.below(10) {
        0 => answer.chunked(),
        1 => answer.until_close(),
        2 => answer.claim_length(random.pick(&["0", "1", "-1", "x", "99999", "18446744073709551615"])),
        _ => answer,
    };
    let at = random.of_any_size(4000);
    match random.below(12) {
        0 => answer.fault(Fault::Cut(at)),
        1 => answer.fault(Fault::Reset(at)),
        2 => answer.fault(Fault::Flip(at)),
        3 => answer.fault(Fault::Lengthen(at)),
        _ => answer,
    }
}

fn body(random: &mut Random, image: &Image) -> Vec<u8> {
    let manifest = image.manifest().bytes();
    let digest = image.manifest().digest();
    match random.below(12) {
        0..3 => manifest.to_vec(),
        3..5 => image.blobs().last().map(|(_, bytes)| bytes.to_vec()).unwrap_or_default(),
        5 => br#"{"token":"abc","access_token":"def","expires_in":1}"#.to_vec(),
        6 => br#"{"name":"x","tags":["a","b","../c"],"repositories":["a/b","../c"],"results":[{"name":"x"}]}"#.to_vec(),
        7 => format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"a/b","digest":"{digest}","size":7}}],"errors":[{{"code":"X"}}]}}"#
        )
        .into_bytes(),
        8 => wharf_testkit::noise(random.number(), usize::try_from(random.below(3000)).unwrap()),
        9 => manifest.get(..manifest.len() / 2).unwrap_or_default().to_vec(),
        10 => b"<html>".to_vec(),
        _ => Vec::new(),
    }
}

fn header(random: &mut Random, image: &Image) -> (&'static str, String) {
    let digest = image.manifest().digest().to_string();
    let text = |values: &[&str], random: &mut Random| random.pick(values).to_owned();
    let urls = [
        "/up/1",
        "up",
        "http://evil.test/x",
        "//evil.test/x",
        "https://evil.test/x",
        "http://registry.test/y?z=1",
        "",
        "http://registry.test@evil.test/",
        "http://127.0.0.1:1/",
        "file:///x",
        "http://[",
        "/v2/team/app/blobs/uploads/1",
    ];
    match random.below(14) {
        0..2 => ("Location", text(&urls, random)),
        2 => {
            let challenges = [
                "Basic realm=\"x\"",
                "Bearer realm=\"http://registry.test/token\",service=\"s\"",
                "Bearer realm=\"http://evil.test/token\"",
                "Bearer realm=\"https://evil.test/token\"",
                "Bearer realm=\"\"",
                "Negotiate, Basic realm=\"a\\\"b\", Bearer",
                ",,,=\"",
            ];
            ("WWW-Authenticate", text(&challenges, random))
        }
        3..5 => {
            let types = [
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.index.v1+json",
                "application/json; charset=utf-8",
                "text/html",
                "/",
            ];
            ("Content-Type", text(&types, random))
        }
        5 => (
            "Docker-Content-Digest",
            if random.once_in(2) {
                digest
            } else {
                "sha256:x".to_owned()
            },
        ),
        6 => {
            let (first, last) = (random.of_any_size(5000), random.of_any_size(5000));
            (
                "Content-Range",
                format!("bytes {first}-{last}/{}", random.of_any_size(5000)),
            )
        }
        7 => ("Range", format!("0-{}", random.of_any_size(5000))),
        8 => ("Link", format!("<{}>; rel=\"next\"", text(&urls, random))),
        9 => (
            "Retry-After",
            text(&["0", "1", "61", "-1", "x", "99999999999999999999"], random),
        ),
        10 => (
            "Content-Encoding",
            text(&["gzip", "identity", "br, gzip"], random),
        ),
        11 => (
            "OCI-Chunk-Min-Length",
            text(&["0", "1", "5000000000000", "-1"], random),
        ),
        12 => (
            "Warning",
            text(&["299 - \"hear\"", "299 - \"", "\u{1b}[2J"], random),
        ),
        _ => ("OCI-Subject", digest),
    }
}
