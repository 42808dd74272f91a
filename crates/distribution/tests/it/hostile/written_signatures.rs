//! Signatures that are written: to a directory, to `OpenShift`'s extension, under cosign's tag, as referrers.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use wharf_config::{Lookaside, SignatureLocations, SignatureStore, SignatureStores};
use wharf_content::{Descriptor, ErrorKind, Hint, MediaType, Name, Signature, Sink as _, Wanted};
use wharf_distribution::{ClientBuilder, Remote};
use wharf_http::RetryPolicy;
use wharf_reference::Tag;
use wharf_registry::{Quirk, Registry};
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Rule},
};

use super::scene::Scene;
use crate::support::push_image;

const OFFER: &str = "X-Registry-Supports-Signatures";
const SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Leaves something in the directory of an image.
type Left = fn(&Path);
/// Puts something into the way: given the store, and the directory of the image in it.
type Hinder = fn(&Path, &Path);

fn remote(scene: &Scene, builder: ClientBuilder, store: impl SignatureLocations + 'static) -> Remote {
    let builder = builder
        .with_signature_locations(store)
        .with_retry(RetryPolicy::never());
    scene.remote_of(&builder.build().unwrap())
}

fn image() -> Descriptor {
    Image::small("x").manifest().descriptor().clone()
}

fn simple(text: &str) -> Signature {
    Signature::Simple([&[0x90], text.as_bytes()].concat().into())
}

fn attachment(text: &str) -> Signature {
    Signature::Attachment {
        media_type: MediaType::parse(SIGNATURE).unwrap(),
        payload: format!("payload {text}").into(),
        annotations: [("dev.cosignproject.cosign/signature".to_owned(), text.to_owned())].into(),
    }
}

fn bundle(text: &str) -> Signature {
    Signature::Bundle(format!(r#"{{"messageSignature":{text:?}}}"#).into())
}

fn directory(path: &Path) -> SignatureStore {
    let url = format!("file://{}", path.display());
    SignatureStore::default().with_lookaside(Lookaside::parse(&url).unwrap())
}

/// The directory of the signatures of an image in a store.
fn files_of(store: &Path, image: &Descriptor) -> std::path::PathBuf {
    store.join(format!("team/app@sha256={}", image.digest().encoded()))
}

/// The files of a directory: name and content, in the order of the numbers.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort_by_key(|(name, _)| (name.len(), name.clone()));
    files
}

async fn push(remote: &Remote, image: &Descriptor, signatures: &[Signature]) -> usize {
    remote.push_signatures(image, None, signatures).await.unwrap()
}

#[tokio::test]
async fn a_signature_is_appended_to_a_directory_unless_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new().await;
    let store = dir.path().join("a/b");
    let remote = remote(&scene, scene.builder(), directory(&store));
    let image = image();
    remote.accepts_signatures(Wanted::SIMPLE, None).await.unwrap();
    assert!(!store.exists(), "asking makes nothing");
    assert_eq!(push(&remote, &image, &[simple("1"), simple("2")]).await, 2);
    assert_eq!(
        push(
            &remote,
            &image,
            &[simple("2"), simple("3"), simple("1"), simple("3")]
        )
        .await,
        1
    );
    let held = files_of(&store, &image);
    let names: Vec<String> = files(&held).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["signature-1", "signature-2", "signature-3"],
        "and no other file stays"
    );
    assert_eq!(fs::read(held.join("signature-3")).unwrap(), b"\x903");
    let found = remote.signatures(image.digest(), Wanted::SIMPLE).await.unwrap();
    assert_eq!(found, [simple("1"), simple("2"), simple("3")]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let everybody_reads = |mode: u32| mode & 0o022 == 0 && mode & 0o444 == mode & 0o444;
        assert!(everybody_reads(mode(&held)), "{:o}", mode(&held));
        assert_eq!(mode(&held.join("signature-1")) & !0o644, 0);
    }
}

/// Writers that share nothing but the directory: 160 files, numbered without a gap, each whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_of_twenty_signatures_leave_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Arc::new(Scene::new().await);
    let image = image();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let remote = remote(&scene, scene.builder(), directory(dir.path()));
        let image = image.clone();
        writers.spawn(async move {
            for number in 0..20 {
                let signature = simple(&format!("{writer}-{number}"));
                assert_eq!(push(&remote, &image, &[signature]).await, 1);
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    let files = files(&files_of(dir.path(), &image));
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let expected: Vec<String> = (1..=160).map(|number| format!("signature-{number}")).collect();
    assert_eq!(names, expected);
    let contents: std::collections::HashSet<Vec<u8>> =
        files.into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents.len(), 160);
    let remote = remote(&scene, scene.builder(), directory(dir.path()));
    let found = remote.signatures(image.digest(), Wanted::SIMPLE).await.unwrap();
    assert_eq!(found.len(), 160, "and each can be read");
}

/// What a writer leaves that was killed at each of its calls: the next one goes on, and no reader sees a part.
#[tokio::test]
async fn a_writer_that_was_killed_leaves_whole_signatures_alone() {
    let scene = Scene::new().await;
    let image = image();
    let states: [(&str, Left, usize); 5] = [
        ("nothing", |_| {}, 0),
        ("a directory", |held| fs::create_dir_all(held).unwrap(), 0),
        (
            "an empty file without a number",
            |held| {
                fs::create_dir_all(held).unwrap();
                fs::write(held.join(".signature-0.new"), b"").unwrap();
            },
            0,
        ),
        (
            "a part without a number",
            |held| {
                fs::create_dir_all(held).unwrap();
                fs::write(held.join("signature-1"), b"\x90before").unwrap();
                fs::write(held.join(".signature-0.new"), b"\x90ab").unwrap();
            },
            1,
        ),
        (
            "both names",
            |held| {
                fs::create_dir_all(held).unwrap();
                fs::write(held.join("signature-1"), b"\x90before").unwrap();
                fs::hard_link(held.join("signature-1"), held.join(".signature-0.new")).unwrap();
            },
            1,
        ),
    ];
    for (what, leave, before) in states {
        let dir = tempfile::tempdir().unwrap();
        let held = files_of(dir.path(), &image);
        leave(&held);
        let remote = remote(&scene, scene.builder(), directory(dir.path()));
        let read = async || remote.signatures(image.digest(), Wanted::SIMPLE).await.unwrap();
        assert_eq!(read().await.len(), before, "{what}");
        assert_eq!(push(&remote, &image, &[simple("abc")]).await, 1, "{what}");
        let now = read().await;
        assert_eq!(
            (now.len(), now.last()),
            (before + 1, Some(&simple("abc"))),
            "{what}"
        );
        let files = files(&held).len();
        assert_eq!(files, now.len(), "{what}: nothing else is left");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_an_error_with_its_path() {
    let scene = Scene::new().await;
    let image = image();
    let hindrances: [(&str, Hinder, &str, bool); 6] = [
        (
            "a file as the store",
            |store, _| fs::write(store, "x").unwrap(),
            "/store",
            true,
        ),
        (
            "a file as the image",
            |_, held| {
                fs::create_dir_all(held.parent().unwrap()).unwrap();
                fs::write(held, "x").unwrap();
            },
            "team/app@sha256=",
            true,
        ),
        (
            "a directory as a signature",
            |_, held| fs::create_dir_all(held.join("signature-1")).unwrap(),
            "signature-1",
            false,
        ),
        (
            "a link as a signature",
            |_, held| {
                fs::create_dir_all(held).unwrap();
                #[cfg(unix)]
                std::os::unix::fs::symlink("/dev/null", held.join("signature-1")).unwrap();
                #[cfg(not(unix))]
                fs::create_dir_all(held.join("signature-1")).unwrap();
            },
            "signature-1",
            false,
        ),
        (
            "a link to a signature",
            |_, held| {
                fs::create_dir_all(held).unwrap();
                fs::write(held.join("elsewhere"), b"\x901").unwrap();
                #[cfg(unix)]
                std::os::unix::fs::symlink("elsewhere", held.join("signature-1")).unwrap();
                #[cfg(not(unix))]
                fs::create_dir_all(held.join("signature-1")).unwrap();
            },
            "signature-1",
            false,
        ),
        (
            "a pipe as a signature",
            |_, held| {
                fs::create_dir_all(held.join("signature-1")).unwrap();
                #[cfg(unix)]
                {
                    fs::remove_dir(held.join("signature-1")).unwrap();
                    let made = std::process::Command::new("mkfifo")
                        .arg(held.join("signature-1"))
                        .status();
                    assert!(made.unwrap().success());
                }
            },
            "signature-1",
            false,
        ),
    ];
    for (what, hinder, path, is_of_the_store) in hindrances {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        hinder(&store, &files_of(&store, &image));
        let remote = remote(&scene, scene.builder(), directory(&store));
        let error = scene.failed(remote.push_signatures(&image, None, &[simple("1")]).await);
        let text = error.to_string();
        assert!(
            text.contains("write the signatures of") && text.contains(path),
            "{what}: {text}"
        );
        let hint = is_of_the_store.then_some(&Hint::ConfigureSignatureStore);
        assert_eq!(error.hint(), hint, "{what}");
        assert_eq!(
            text.contains("is where a signature belongs; remove it"),
            !is_of_the_store,
            "{what}: {text}"
        );
        assert_eq!(
            std::error::Error::source(&error).is_some(),
            is_of_the_store,
            "{what}: {text}"
        );
    }
}

#[tokio::test]
async fn t168_a_directory_does_not_grow_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new().await;
    let image = image();
    let held = files_of(dir.path(), &image);
    fs::create_dir_all(&held).unwrap();
    for number in 1..=1_000 {
        fs::write(held.join(format!("signature-{number}")), "x").unwrap();
    }
    let remote = remote(&scene, scene.builder(), directory(dir.path()));
    let error = scene.failed(remote.push_signatures(&image, None, &[simple("1")]).await);
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(files(&held).len(), 1_000);
}

/// Which kinds a configuration has no room for, and the words about it.
#[tokio::test]
async fn what_the_configuration_has_no_room_for_is_refused_before_anything_is_sent() {
    let stores = |text: &str| SignatureStores::parse(text).unwrap();
    let web = "docker: {'registry.example.test': {lookaside: 'https://store.test/sigs'}}";
    let off = "docker: {'registry.example.test': {use-sigstore-attachments: false}}";
    let on = "docker: {'registry.example.test': {use-sigstore-attachments: true}}";
    let staged = "docker: {'registry.example.test': {lookaside: 'https://store.test/sigs', lookaside-staging: 'file:///nowhere'}}";
    let of_tag = "docker: {'registry.example.test/team/app:v1': {use-sigstore-attachments: true}}";
    for (configuration, kinds, tag, words) in [
        (web, Wanted::SIMPLE, None, "https://store.test/sigs"),
        (web, Wanted::SIMPLE, None, "is a web server"),
        (off, Wanted::SIMPLE, None, "no lookaside store is configured"),
        (staged, Wanted::SIMPLE, None, ""),
        (
            "docker: {}",
            Wanted::ATTACHMENTS,
            None,
            "no file of registries.d has use-sigstore-attachments: true for registry.example.test/team/app",
        ),
        (
            off,
            Wanted::ATTACHMENTS,
            None,
            "sigstore attachments are not written: use-sigstore-attachments is false at line 1",
        ),
        (
            web,
            Wanted::ATTACHMENTS,
            None,
            "use-sigstore-attachments: true is missing in the section registry.example.test at line 1",
        ),
        (on, Wanted::ATTACHMENTS, None, ""),
        (
            on,
            Wanted::ATTACHMENTS.or(Wanted::SIMPLE),
            None,
            "no lookaside store",
        ),
        (of_tag, Wanted::ATTACHMENTS, Some("v1"), ""),
        (of_tag, Wanted::ATTACHMENTS, Some("v2"), "team/app:v2"),
        (of_tag, Wanted::ATTACHMENTS, None, "use-sigstore-attachments"),
        (off, Wanted::BUNDLES, None, ""),
    ] {
        let scene = Scene::new().await;
        scene.registry.on(Match::get("/v2/"), Answer::new(200));
        let remote = remote(&scene, scene.builder(), stores(configuration));
        let tag = tag.map(|tag| Tag::parse(tag).unwrap());
        let accepted = remote.accepts_signatures(kinds, tag.as_ref()).await;
        if words.is_empty() {
            accepted.unwrap_or_else(|error| panic!("{configuration} {kinds}: {error}"));
            continue;
        }
        let error = scene.failed(accepted);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        let keys = error.to_string().matches("use-sigstore-attachments").count();
        assert!(keys <= 1, "the setting is named once: {error}");
        assert_eq!(error.hint(), Some(&Hint::ConfigureSignatureStore));
        let signatures: Vec<Signature> = [simple("1"), attachment("1")]
            .into_iter()
            .filter(|signature| kinds.includes(signature.kind()))
            .collect();
        let error = scene.failed(remote.push_signatures(&image(), tag.as_ref(), &signatures).await);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let requests = scene.registry.lines();
        assert!(requests.iter().all(|line| line == "GET /v2/"), "{requests:?}");
    }
}

#[tokio::test]
async fn a_blob_that_is_no_signature_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new().await;
    let remote = remote(&scene, scene.builder(), directory(dir.path()));
    let page = Signature::from_blob(Bytes::from_static(b"<html>"));
    let pushed = remote.push_signatures(&image(), None, &[simple("1"), page]).await;
    assert_eq!(scene.failed(pushed).kind(), ErrorKind::Unsupported);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// A registry with the extension, which keeps what it gets.
fn extension(scene: &Scene) -> Arc<Mutex<Vec<Value>>> {
    let held: Arc<Mutex<Vec<Value>>> = Arc::default();
    let root = Match::when(|request| request.path() == "/v2/");
    scene.registry.on(root, Answer::new(200).header(OFFER, "1"));
    let list = held.clone();
    scene
        .registry
        .rule(Rule::call(Match::get("/extensions/"), move |_| {
            Answer::json(&json!({ "signatures": *list.lock().unwrap() }))
        }));
    let list = held.clone();
    scene
        .registry
        .rule(Rule::call(Match::on("PUT", "/extensions/"), move |request| {
            let entry: Value = serde_json::from_slice(&request.body).unwrap();
            list.lock().unwrap().push(entry);
            Answer::new(201)
        }));
    held
}

#[tokio::test]
async fn a_registry_with_the_extension_gets_what_it_does_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new().await;
    let held = extension(&scene);
    let remote = remote(&scene, scene.builder(), directory(dir.path()));
    let image = image();
    assert_eq!(
        push(&remote, &image, &[simple("1"), simple("2"), simple("1")]).await,
        2
    );
    let entries = held.lock().unwrap().clone();
    for (entry, content) in entries.iter().zip(["1", "2"]) {
        assert_eq!(entry["schemaVersion"], 2);
        assert_eq!(entry["type"], "atomic");
        let content = [&[0x90], content.as_bytes()].concat();
        assert_eq!(entry["content"], STANDARD.encode(content));
        let name = entry["name"].as_str().unwrap();
        let (digest, id) = name.split_once('@').unwrap();
        assert_eq!(digest, image.digest().as_str());
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
    assert_ne!(entries[0]["name"], entries[1]["name"]);
    let puts = || {
        scene
            .registry
            .lines()
            .iter()
            .filter(|line| line.starts_with("PUT"))
            .count()
    };
    assert_eq!(puts(), 2);
    assert_eq!(push(&remote, &image, &[simple("2"), simple("1")]).await, 0);
    assert_eq!(puts(), 2, "what is there is not sent again");
    let found = remote.signatures(image.digest(), Wanted::SIMPLE).await.unwrap();
    assert_eq!(found, [simple("1"), simple("2")]);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "the lookaside store is not used"
    );
}

#[tokio::test]
async fn t168_the_extension_is_not_filled_beyond_what_is_read() {
    let scene = Scene::new().await;
    let held = extension(&scene);
    let entry = |number: usize| json!({ "schemaVersion": 2, "type": "atomic", "name": "x", "content": STANDARD.encode(number.to_string()) });
    held.lock().unwrap().extend((0..100).map(entry));
    let remote = remote(&scene, scene.builder(), SignatureStore::default());
    let error = scene.failed(remote.push_signatures(&image(), None, &[simple("new")]).await);
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(held.lock().unwrap().len(), 100);
}

#[tokio::test]
async fn a_registry_that_refuses_a_signature_is_an_error() {
    for (answer, kind) in [
        (Answer::new(400), ErrorKind::Invalid),
        (Answer::new(403), ErrorKind::Denied),
        (Answer::new(404), ErrorKind::NotFound),
        (Answer::new(500), ErrorKind::Server),
        (Answer::redirect(307, "https://evil.test/x"), ErrorKind::Server),
    ] {
        let scene = Scene::new().await;
        scene.registry.on(Match::on("PUT", "/extensions/"), answer);
        extension(&scene);
        scene.evil.on(Match::any(), Answer::new(201));
        let remote = remote(&scene, scene.builder(), SignatureStore::default());
        let error = scene.failed(remote.push_signatures(&image(), None, &[simple("1")]).await);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("write the signatures of"), "{error}");
    }
}

/// A registry in memory, the repository in it with these settings, and an image there.
async fn served(scene: &Scene, registry: &Registry) -> (Remote, Descriptor) {
    scene.registry.serve_registry(registry);
    let attachments = SignatureStore::default().with_attachments(true);
    let remote = remote(scene, scene.builder(), attachments);
    let image = Image::small("x");
    push_image(&remote, &image, "v1").await.unwrap();
    (remote, image.manifest().descriptor().clone())
}

#[tokio::test]
async fn eight_signers_of_one_client_lose_nothing() {
    let scene = Scene::new().await;
    let (remote, image) = served(&scene, &Registry::memory()).await;
    let texts: Vec<[Signature; 1]> = (0..8).map(|number| [attachment(&number.to_string())]).collect();
    let pushes = texts.iter().map(|signatures| push(&remote, &image, signatures));
    assert_eq!(futures_util::future::join_all(pushes).await, vec![1; 8]);
    let found = remote
        .signatures(image.digest(), Wanted::ATTACHMENTS)
        .await
        .unwrap();
    assert_eq!(found.len(), 8);
    let tag = format!("sha256-{}.sig", image.digest().encoded());
    let attached = remote.manifest(&super::scene::tag(&tag)).await.unwrap();
    let config = remote
        .blob(attached.config().unwrap())
        .unwrap()
        .read_to_end(1 << 20)
        .await
        .unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let layers: Vec<&str> = attached
        .layers()
        .iter()
        .map(|layer| layer.digest().as_str())
        .collect();
    assert_eq!(config["rootfs"]["diff_ids"], json!(layers), "as Quay demands");
    // The image itself is as it was.
    let after = remote.manifest(&super::scene::tag("v1")).await.unwrap();
    assert_eq!(after.digest(), image.digest());
}

#[tokio::test]
async fn attachments_are_added_to_those_that_are_there_and_never_twice() {
    let scene = Scene::new().await;
    let (remote, image) = served(&scene, &Registry::memory()).await;
    assert_eq!(
        push(&remote, &image, &[attachment("1"), attachment("2")]).await,
        2
    );
    let requests = scene.registry.lines().len();
    assert_eq!(
        push(&remote, &image, &[attachment("2"), attachment("1")]).await,
        0
    );
    let after = scene.registry.lines();
    assert_eq!(
        after.len() - requests,
        2,
        "manifest and config: {:?}",
        &after[requests..]
    );
    assert_eq!(
        push(&remote, &image, &[attachment("3"), attachment("1")]).await,
        1
    );
    let found = remote
        .signatures(image.digest(), Wanted::EVERYTHING)
        .await
        .unwrap();
    assert_eq!(found, [attachment("1"), attachment("2"), attachment("3")]);
}

/// Another program writes between: a registry that once answers with what was there before.
#[tokio::test]
async fn an_update_that_another_program_undid_is_made_again() {
    let scene = Scene::new().await;
    let registry = Registry::memory();
    let (remote, image) = served(&scene, &registry).await;
    push(&remote, &image, &[attachment("theirs")]).await;
    let tag = format!("sha256-{}.sig", image.digest().encoded());
    let theirs = remote.manifest(&super::scene::tag(&tag)).await.unwrap();
    let path = format!("/v2/team/app/manifests/{tag}");
    // The first write is answered, and lost.
    scene
        .registry
        .first(Rule::new(Match::on("PUT", &path), Answer::new(201)).times(1));
    assert_eq!(push(&remote, &image, &[attachment("ours")]).await, 1);
    let found = remote
        .signatures(image.digest(), Wanted::ATTACHMENTS)
        .await
        .unwrap();
    assert_eq!(found, [attachment("theirs"), attachment("ours")]);
    assert_ne!(remote.manifest(&super::scene::tag(&tag)).await.unwrap(), theirs);
    // Every write is lost: that ends.
    scene
        .registry
        .first(Rule::new(Match::on("PUT", &path), Answer::new(201)));
    let before = scene
        .registry
        .lines()
        .iter()
        .filter(|line| line.starts_with("PUT"))
        .count();
    let error = scene.failed(remote.push_signatures(&image, None, &[attachment("more")]).await);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let puts = scene
        .registry
        .lines()
        .iter()
        .filter(|line| line.starts_with(&format!("PUT {path}")))
        .count();
    assert!(puts <= 8, "{puts} after {before}");
}

#[tokio::test]
async fn something_else_under_the_tag_of_attachments_is_left_alone() {
    let scene = Scene::new().await;
    let (remote, image) = served(&scene, &Registry::memory()).await;
    let index = wharf_content::Manifest::parse(
        Bytes::from_static(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        ),
        None,
    )
    .unwrap();
    let tag = format!("sha256-{}.sig", image.digest().encoded());
    remote
        .push_manifest(&index, Some(&Tag::parse(&tag).unwrap()))
        .await
        .unwrap();
    let error = scene.failed(remote.push_signatures(&image, None, &[attachment("1")]).await);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains(&tag), "{error}");
    assert_eq!(remote.manifest(&super::scene::tag(&tag)).await.unwrap(), index);
}

#[tokio::test]
async fn a_failure_to_read_the_attachments_writes_nothing() {
    for status in [401, 403, 429, 500, 503] {
        let scene = Scene::new().await;
        let tag = format!("/manifests/sha256-{}.sig", image().digest().encoded());
        scene
            .registry
            .first(Rule::new(Match::get(&tag), Answer::new(status)));
        let (remote, image) = served(&scene, &Registry::memory()).await;
        let before = scene.registry.lines().len();
        let error = scene.failed(remote.push_signatures(&image, None, &[attachment("1")]).await);
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(error.to_string().contains("write the signatures of"), "{error}");
        let after = scene.registry.lines();
        assert!(
            after[before..].iter().all(|line| line.starts_with("GET")),
            "{after:?}"
        );
    }
}

#[tokio::test]
async fn bundles_become_referrers_once() {
    for quirks in [vec![], vec![Quirk::NoReferrers]] {
        let scene = Scene::new().await;
        let registry = quirks
            .iter()
            .fold(Registry::memory(), |registry, quirk| registry.with_quirk(*quirk));
        let (remote, image) = served(&scene, &registry).await;
        let texts: Vec<[Signature; 1]> = (0..8).map(|number| [bundle(&number.to_string())]).collect();
        let pushes = texts.iter().map(|signatures| push(&remote, &image, signatures));
        assert_eq!(futures_util::future::join_all(pushes).await, vec![1; 8]);
        let all: Vec<Signature> = texts.into_iter().flatten().collect();
        assert_eq!(push(&remote, &image, &all).await, 0);
        let found = remote
            .signatures(image.digest(), Wanted::EVERYTHING)
            .await
            .unwrap();
        assert_eq!(found.len(), 8);
        assert!(
            all.iter().all(|signature| found.contains(signature)),
            "{quirks:?}"
        );
        let listed = remote.referrers(image.digest(), None).await.unwrap();
        assert!(listed.iter().all(|entry| {
            entry
                .artifact_type()
                .is_some_and(|kind| kind.as_str() == "application/vnd.dev.sigstore.bundle.v0.3+json")
        }));
    }
}

/// The trait's methods take a name of a store, which must be a tag here.
#[tokio::test]
async fn a_name_that_is_no_tag_is_refused() {
    let scene = Scene::new().await;
    let (remote, image) = served(&scene, &Registry::memory()).await;
    let name = Name::parse("registry.example/app:1").unwrap();
    let sink: &dyn wharf_content::Sink = &remote;
    let refused = sink
        .accepts_signatures(Wanted::BUNDLES, Some(&name))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let refused = sink
        .push_signatures(&image, Some(&name), &[bundle("1")])
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let v1 = Name::parse("v1").unwrap();
    assert_eq!(
        sink.push_signatures(&image, Some(&v1), &[bundle("1")])
            .await
            .unwrap(),
        1
    );
    assert!(remote.contains(&image).await.unwrap());
}

#[tokio::test]
async fn t172_no_digest_and_no_repository_has_parts_of_a_path() {
    let hex = "a".repeat(62);
    for text in [
        format!("sha256:../{hex}"),
        format!("sha256:{hex}/."),
        format!("sha256:{hex}%2"),
        format!("sha256/../{hex}aa"),
        format!("../sha256:{hex}aa"),
        format!("sha256:{hex}aa/signature-1"),
    ] {
        assert!(wharf_reference::Digest::parse(&text).is_err(), "{text}");
    }
    for text in [
        "registry.example/../app",
        "registry.example/a/./b",
        "registry.example/a//b",
        "registry.example/..",
    ] {
        assert!(wharf_reference::Repository::parse(text).is_err(), "{text}");
    }
}
