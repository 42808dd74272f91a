//! Trees that somebody has damaged or made to do harm: what is wrong is told and skipped, all else is imported.

use std::{fs, os::unix::fs::symlink};

use serde_json::json;
use wharf_reference::Digest;
use wharf_registry::{KeyTree, Limits, Listing, Registry};

use super::{Tree, import, nested, pulls, served};
use crate::wire::{MANIFEST, digest, get, manifest};

type Damage = fn(&Tree, &Digest);

fn data(tree: &Tree, digest: &Digest) -> std::path::PathBuf {
    tree.root().join(Tree::data(digest))
}

fn outside(tree: &Tree, bytes: &[u8]) -> std::path::PathBuf {
    let path = tree.0.path().join("outside");
    fs::write(&path, bytes).unwrap();
    path
}

/// Damages of a tree that has the image `bad`, and a part of the reason that is told.
const DAMAGES: [(&str, Damage, &[&str]); 22] = [
    (
        "a layer without data",
        |tree, _| fs::remove_file(data(tree, &digest(b"bad"))).unwrap(),
        &["data of", "is missing"],
    ),
    (
        "a layer without a link",
        |tree, _| {
            let hex = digest(b"bad").encoded().to_owned();
            fs::remove_file(
                tree.root()
                    .join(format!("repositories/a/_layers/sha256/{hex}/link")),
            )
            .unwrap();
        },
        &["is missing, which it needs"],
    ),
    (
        "a layer of other bytes",
        |tree, _| fs::write(data(tree, &digest(b"bad")), b"dab").unwrap(),
        &["has the digest"],
    ),
    (
        "a layer of another size",
        |tree, _| fs::write(data(tree, &digest(b"bad")), b"baddest").unwrap(),
        &["has 7 bytes, not 3"],
    ),
    (
        "an empty layer",
        |tree, _| fs::write(data(tree, &digest(b"bad")), b"").unwrap(),
        &["has 0 bytes"],
    ),
    (
        "a huge sparse layer",
        |tree, _| {
            let file = fs::File::options()
                .write(true)
                .open(data(tree, &digest(b"bad")))
                .unwrap();
            file.set_len(1 << 40).unwrap();
        },
        &["has 1099511627776 bytes"],
    ),
    (
        "a layer that is a link to itself",
        |tree, _| {
            let path = data(tree, &digest(b"bad"));
            let outside = outside(tree, b"bad");
            fs::remove_file(&path).unwrap();
            symlink(outside, path).unwrap();
        },
        &["symbolic link"],
    ),
    (
        "a layer in a directory elsewhere",
        |tree, _| {
            let path = data(tree, &digest(b"bad"));
            let parent = path.parent().unwrap();
            fs::rename(parent, tree.0.path().join("elsewhere")).unwrap();
            symlink(tree.0.path().join("elsewhere"), parent).unwrap();
        },
        &["symbolic link"],
    ),
    (
        "a layer that is a directory",
        |tree, _| {
            fs::remove_file(data(tree, &digest(b"bad"))).unwrap();
            fs::create_dir(data(tree, &digest(b"bad"))).unwrap();
        },
        &["regular file"],
    ),
    (
        "a layer that is a pipe",
        |tree, _| {
            let path = data(tree, &digest(b"bad"));
            fs::remove_file(&path).unwrap();
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        },
        &["regular file"],
    ),
    (
        "a manifest without data",
        |tree, image| fs::remove_file(data(tree, image)).unwrap(),
        &["data is missing"],
    ),
    (
        "a manifest of other bytes",
        |tree, image| {
            fs::write(data(tree, image), manifest(b"{}", &[b"good"])).unwrap();
        },
        &["digest"],
    ),
    (
        "a huge manifest",
        |tree, image| {
            let file = fs::File::options().write(true).open(data(tree, image)).unwrap();
            file.set_len(1 << 40).unwrap();
        },
        &["more than 4194304 bytes"],
    ),
    (
        "a manifest that is a link",
        |tree, image| {
            let path = data(tree, image);
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            symlink(outside(tree, &bytes), path).unwrap();
        },
        &["symbolic link"],
    ),
    (
        "a tag that points at nothing",
        |tree, _| tree.tag("a", "bad", ""),
        &["not point at a digest"],
    ),
    (
        "a tag of rubbish",
        |tree, _| tree.tag("a", "bad", "\u{1b}[31m../../../etc/passwd\n"),
        &["not point at a digest"],
    ),
    (
        "a huge tag",
        |tree, _| tree.tag("a", "bad", &"x".repeat(5000)),
        &["more than 1024 bytes"],
    ),
    (
        "a tag that is a link",
        |tree, image| {
            let path = tree
                .root()
                .join("repositories/a/_manifests/tags/bad/current/link");
            fs::remove_file(&path).unwrap();
            symlink(outside(tree, image.as_str().as_bytes()), path).unwrap();
        },
        &["symbolic link"],
    ),
    (
        "a tag at a manifest of another repository",
        |tree, _| {
            let (_, other) = tree.image("other", "foreign");
            tree.tag("a", "bad", other.as_str());
        },
        &["which is not imported"],
    ),
    (
        "a name that is no tag",
        |tree, image| tree.tag("a", "-bad-", image.as_str()),
        &["it is no tag"],
    ),
    (
        "a revision that is no digest",
        |tree, _| {
            tree.put("repositories/a/_manifests/revisions/sha256/short/link", b"x");
            tree.put(
                "repositories/a/_manifests/revisions/md5/d41d8cd98f00b204e9800998ecf8427e/link",
                b"x",
            );
        },
        &["it is no digest"],
    ),
    (
        "a repository below what is no name",
        |tree, _| {
            tree.image("a/Upper/below", "hidden");
        },
        &["no name of a repository"],
    ),
];

#[tokio::test]
async fn what_is_damaged_is_told_and_skipped_and_all_else_is_imported() {
    for (what, damage, parts) in DAMAGES {
        let tree = Tree::new();
        let (good, _) = tree.image("a", "good");
        let (_, bad) = tree.image("a", "bad");
        tree.image("b", "good");
        damage(&tree, &bad);
        let registry = Registry::memory();
        let (report, skipped) = import(tree.0.path(), &registry).await;
        assert!(report.skipped > 0, "{what}");
        let told = skipped.join("\n");
        assert!(parts.iter().all(|part| told.contains(part)), "{what}: {told}");
        assert!(
            !told
                .chars()
                .any(|character| character.is_control() && character != '\n'),
            "{what}: {told:?}"
        );
        let server = served(registry).await;
        for repository in ["a", "b"] {
            assert!(pulls(&server, repository, "good", &good, b"good").await, "{what}");
        }
        let bad_image = manifest(b"{}", &[b"bad"]);
        let there = pulls(&server, "a", "bad", &bad_image, b"bad").await;
        let harmless = parts
            .iter()
            .any(|part| part.contains("it is no") || part.contains("no name"));
        assert_eq!(there, harmless, "{what}");
    }
}

/// None of these is what it seems, and none is followed.
#[tokio::test]
async fn links_out_of_the_tree_are_not_followed() {
    let secret = tempfile::tempdir().unwrap();
    let own = Tree::new();
    let (image, _) = own.image("secret", "private");
    fs::rename(own.root(), secret.path().join("v2")).unwrap();
    let victim = secret.path().join("v2");
    for place in [
        "repositories/secret",
        "repositories/a/secret",
        "repositories/a/_manifests",
        "repositories/a/_layers",
        "blobs/sha256",
    ] {
        let tree = Tree::new();
        tree.image("b", "good");
        let target = match place {
            "repositories/a/_manifests" => victim.join("repositories/secret/_manifests"),
            "repositories/a/_layers" => victim.join("repositories/secret/_layers"),
            "blobs/sha256" => victim.join("blobs/sha256"),
            _ => victim.join("repositories/secret"),
        };
        let path = tree.root().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if place == "blobs/sha256" {
            fs::remove_dir_all(&path).unwrap();
        }
        symlink(target, &path).unwrap();
        if place.ends_with("_layers") {
            let digest = tree.manifest("a", &image);
            tree.tag("a", "private", digest.as_str());
        }
        let registry = Registry::memory();
        let (_, skipped) = import(tree.0.path(), &registry).await;
        assert!(
            skipped.iter().any(|told| told.contains("symbolic link")),
            "{place}: {skipped:?}"
        );
        let server = served(registry).await;
        for repository in ["secret", "a/secret", "a", "b"] {
            let stolen = get(&server, format!("/v2/{repository}/blobs/{}", digest(b"private"))).await;
            assert_eq!(stolen.status, 404, "{place}");
        }
    }
}

#[tokio::test]
async fn manifests_that_a_registry_does_not_take_are_skipped() {
    let schema1 = json!({ "schemaVersion": 1, "name": "a", "tag": "old", "architecture": "amd64",
        "fsLayers": [{ "blobSum": digest(b"layer").as_str() }], "history": [{ "v1Compatibility": "{}" }] });
    let lacks = manifest(b"{}", &[b"absent"]);
    let two_readings =
        format!("{{\"schemaVersion\":2,\"mediaType\":{MANIFEST:?},\"layers\":[],\"layers\":[]}}");
    let mut of_wrong_size: serde_json::Value = serde_json::from_slice(&manifest(b"{}", &[b"good"])).unwrap();
    of_wrong_size["layers"][0]["size"] = 5.into();
    let mut deep = manifest(b"{}", &[b"good"]);
    let mut all = Vec::new();
    for _ in 0..8 {
        deep = nested(&[&deep]);
        all.push(deep.clone());
    }
    let cases: [(&str, Vec<Vec<u8>>, &str); 8] = [
        ("schema 1", vec![schema1.to_string().into_bytes()], "schema 1"),
        ("no JSON", vec![b"\0\x1b]0;x".to_vec()], ""),
        ("two readings", vec![two_readings.into_bytes()], ""),
        ("a missing layer", vec![lacks.clone()], "is missing"),
        (
            "an index of what lacks a layer",
            vec![lacks.clone(), nested(&[&lacks])],
            "which it names",
        ),
        (
            "an index of nothing that is here",
            vec![nested(&[&manifest(b"none", &[])])],
            "which it names",
        ),
        (
            "another size than the layer has",
            vec![of_wrong_size.to_string().into_bytes()],
            "bytes, not",
        ),
        (
            "indexes that are nested too deep",
            all.split_off(7),
            "which it names",
        ),
    ];
    for (what, manifests, part) in cases {
        let tree = Tree::new();
        let (good, _) = tree.image("a", "good");
        let bad = manifests
            .iter()
            .map(|bytes| tree.manifest("a", bytes))
            .collect::<Vec<_>>();
        tree.tag("a", "bad", bad[bad.len() - 1].as_str());
        let registry = Registry::memory();
        let (_, skipped) = import(tree.0.path(), &registry).await;
        assert!(skipped.len() > bad.len(), "{what}: {skipped:?}"); // and the tag
        assert!(
            skipped.iter().any(|told| told.contains(part)),
            "{what}: {skipped:?}"
        );
        let server = served(registry).await;
        assert!(pulls(&server, "a", "good", &good, b"good").await, "{what}");
        assert_eq!(get(&server, "/v2/a/manifests/bad").await.status, 404, "{what}");
    }
    // A registry that takes sparse images takes those that lack something.
    let tree = Tree::new();
    tree.image("a", "good");
    for bytes in [&lacks, &nested(&[&lacks]), &nested(&[&manifest(b"none", &[])])] {
        tree.manifest("a", bytes);
    }
    let (report, skipped) = import(tree.0.path(), &Registry::memory().with_sparse(true)).await;
    assert_eq!((report.manifests, skipped), (4, Vec::new()));
}

#[tokio::test]
async fn the_limit_of_manifests_is_the_registrys() {
    let tree = Tree::new();
    let (image, _) = tree.image("a", "good");
    let limits = Limits::default()
        .with_manifest(image.len() as u64 - 1)
        .with_repository(1);
    let (_, skipped) = import(tree.0.path(), &Registry::memory().with_limits(limits)).await;
    assert!(
        skipped.iter().any(|told| told.contains("more than")),
        "{skipped:?}"
    );
    // Quotas are for clients.
    let limits = Limits::default().with_repository(1);
    let (report, skipped) = import(tree.0.path(), &Registry::memory().with_limits(limits)).await;
    assert_eq!((report.manifests, skipped), (1, Vec::new()));
}

/// A storage that cannot be asked says nothing about what it has.
#[tokio::test]
async fn a_source_that_is_away_ends_the_import() {
    use wharf_content::{ByteStream, Error, ErrorKind};
    struct Away(ErrorKind);
    #[async_trait::async_trait]
    impl KeyTree for Away {
        async fn children(&self, key: &str) -> Result<Listing<String>, Error> {
            let names: &[&str] = match key {
                "repositories" => &["a"],
                "repositories/a" => &["_manifests"],
                "repositories/a/_manifests/revisions" => &["sha256"],
                "repositories/a/_manifests/revisions/sha256" => {
                    &["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
                }
                _ => &[],
            };
            Ok(names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
                .into())
        }

        async fn open(&self, _: &str) -> Result<Option<(u64, ByteStream)>, Error> {
            Err(Error::new(self.0, "on demand"))
        }
    }
    for (kind, ends) in [
        (ErrorKind::Network, true),
        (ErrorKind::Timeout, true),
        (ErrorKind::Server, true),
        (ErrorKind::RateLimited, true),
        (ErrorKind::Unauthorized, true),
        (ErrorKind::Tls, true),
        (ErrorKind::Storage, false),
        (ErrorKind::Denied, false),
        (ErrorKind::Invalid, false),
    ] {
        let import = wharf_registry::Import::from_tree(Away(kind));
        let run = import.run(&Registry::memory()).await;
        assert_eq!(run.as_ref().err().map(Error::kind), ends.then_some(kind));
        assert!(ends || run.unwrap().skipped == 1);
    }
}
