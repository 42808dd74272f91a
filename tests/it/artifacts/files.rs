//! Files that are pushed, pulled, replaced and refused.

use std::{collections::BTreeMap, fs};

use bytes::Bytes;
use futures_util::stream;
use wharf::{
    Client, ErrorKind,
    artifact::{ArtifactContent, ArtifactPullOptions},
};
use wharf_testkit::Sandbox;

use super::{Peer, TITLE, example, files, media_type, tree};

#[tokio::test(flavor = "multi_thread")]
async fn files_bytes_and_streams_come_back_as_they_were() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    fs::create_dir(sandbox.path("in")).unwrap();
    fs::write(sandbox.path("in/large.bin"), &large).unwrap();
    fs::write(sandbox.path("in/empty"), "").unwrap();
    let text = || media_type("text/plain");
    let pieces = [Ok(Bytes::from("str")), Ok(Bytes::from("eam"))];
    let artifact = example()
        .with_file(
            sandbox.path("in/large.bin"),
            media_type("application/octet-stream"),
        )
        .with_content(ArtifactContent::file(sandbox.path("in/empty"), text()).with_title("a/b/c/empty"))
        .with_content(ArtifactContent::bytes("bytes", text()).with_title("a/./bytes"))
        .with_content(ArtifactContent::stream(Box::pin(stream::iter(pieces)), text()).with_title("streamed"))
        .with_content(ArtifactContent::bytes("untitled", text()).with_annotation("key", "value"))
        .with_content(ArtifactContent::bytes("untitled", text()));
    let name = peer.name("team/app:1");
    let pushed = peer.client.push_artifact(artifact, &name).await.unwrap();
    let pulled = peer
        .client
        .pull_artifact(&name, sandbox.path("deep/to"))
        .await
        .unwrap();
    assert_eq!(pulled.manifest.digest(), pushed.digest());
    let hex = wharf::Hasher::sha256(b"untitled");
    let mut expected = files(&[
        ("a/b/c/empty", ""),
        ("a/bytes", "bytes"),
        ("streamed", "stream"),
        (hex.encoded(), "untitled"),
    ]);
    expected.insert("large.bin".into(), large);
    assert_eq!(tree(&sandbox.path("deep/to")), expected);
    let order: Vec<_> = pulled.files.iter().map(|file| file.path.clone()).collect();
    let to = sandbox.path("deep/to");
    let listed = ["large.bin", "a/b/c/empty", "a/bytes", "streamed", hex.encoded()];
    assert_eq!(order, listed.map(|name| to.join(name)));
    assert_eq!(pulled.files[4].descriptor.annotations()["key"], "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_replaced_only_where_asked() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    peer.push_titles("1", &["new", "sub/old"]).await;
    let (name, to) = (peer.name("team/app:1"), sandbox.path("to"));
    sandbox.write("to/sub/old", "mine");
    let error = peer.client.pull_artifact(&name, &to).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("sub/old"), "{error}");
    assert_eq!(tree(&to), files(&[("sub/old", "mine")]), "nothing was written");
    let replace = ArtifactPullOptions::default().with_replace(true);
    for _ in 0..2 {
        peer.client
            .pull_artifact_with(&name, &to, replace.clone())
            .await
            .unwrap();
        assert_eq!(
            tree(&to),
            files(&[("new", "content 0"), ("sub/old", "content 1")])
        );
    }
    fs::remove_file(to.join("new")).unwrap();
    sandbox.write("to/new/inside", "mine");
    let error = peer.client.pull_artifact_with(&name, &to, replace).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(tree(&to)[std::path::Path::new("new/inside")], b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_missing_leaves_no_file_of_its_own() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    peer.push_titles("1", &["first", "second"]).await;
    let name = peer.name("team/app:1");
    let manifest = peer.client.manifest(&name).await.unwrap();
    let repository = wharf::Repository::parse(&peer.name("team/app")).unwrap();
    let remote = peer.client.distribution().remote(&repository);
    remote.delete_blob(manifest.layers()[1].digest()).await.unwrap();
    let error = peer
        .client
        .pull_artifact(&name, sandbox.path("to"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let left = tree(&sandbox.path("to"));
    assert!(left.keys().all(|name| name.to_str() == Some("first")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_pushed_are_named() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("file", "1");
    let text = || media_type("text/plain");
    let file = |path: &str| example().with_file(sandbox.path(path), text());
    let titled = |title: &str| ArtifactContent::bytes("1", text()).with_title(title);
    let table = [
        (file("missing"), ErrorKind::NotFound, "missing"),
        (file("."), ErrorKind::Invalid, ""),
        (example().with_content(titled("../x")), ErrorKind::Invalid, ".."),
        (
            example().with_content(titled("/x")),
            ErrorKind::Invalid,
            "absolute",
        ),
        (
            file("file").with_content(titled("./file")),
            ErrorKind::Conflict,
            "file",
        ),
        (
            file("file").with_content(titled("file/x")),
            ErrorKind::Conflict,
            "file/x",
        ),
        (example().with_annotation("", "x"), ErrorKind::Invalid, "key"),
    ];
    for (number, (artifact, kind, word)) in table.into_iter().enumerate() {
        let pushed = peer.client.push_artifact(artifact, peer.name("team/app:1")).await;
        let error = pushed.unwrap_err();
        assert_eq!(error.kind(), kind, "{number}: {error}");
        assert!(error.to_string().contains(word), "{number}: {error}");
    }
    assert!(peer.client.manifest(peer.name("team/app:1")).await.is_err());
}

#[cfg(feature = "trust")]
#[tokio::test(flavor = "multi_thread")]
async fn the_trust_policy_judges_an_artifact_before_it_is_pulled() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    peer.push_titles("1", &["file"]).await;
    let client = Client::builder()
        .with_plain_http(peer.server.registry())
        .with_signature_required(true)
        .build()
        .unwrap();
    let pulled = client
        .pull_artifact(peer.name("team/app:1"), sandbox.path("to"))
        .await;
    assert_eq!(pulled.unwrap_err().kind(), ErrorKind::Rejected);
    assert!(!sandbox.path("to").exists());
}

/// As many as a manifest of 4 MiB has room for, and some more, which are refused before anything is sent.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_are_pushed_and_pulled_and_more_than_a_manifest_holds_are_refused() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    let with = |count: u32| {
        (0..count).fold(example(), |artifact, number| {
            let content = ArtifactContent::bytes(format!("{}", number % 7), media_type("text/plain"));
            artifact.with_content(content.with_title(format!("{}/{number}", number % 100)))
        })
    };
    let name = peer.name("team/app:many");
    peer.client.push_artifact(with(10_000), &name).await.unwrap();
    let to = sandbox.path("to");
    let options = ArtifactPullOptions::default().with_sync(false); // ten thousand syncs take minutes on some disks
    let pulled = peer.client.pull_artifact_with(&name, &to, options).await.unwrap();
    assert_eq!(pulled.files.len(), 10_000);
    assert_eq!(tree(&to).len(), 10_000);
    assert_eq!(fs::read(to.join("99/9999")).unwrap(), b"3");
    let more = peer.client.push_artifact(with(40_000), &name).await;
    assert_eq!(more.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_beside_the_title_are_no_titles() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    let annotations = BTreeMap::from([(TITLE, "x"), ("org.opencontainers.image.TITLE", "../y")]);
    peer.push_layers("1", &[("1", annotations)]).await;
    peer.client
        .pull_artifact(peer.name("team/app:1"), sandbox.path("to"))
        .await
        .unwrap();
    assert_eq!(tree(&sandbox.path("to")), files(&[("x", "1")]));
}
