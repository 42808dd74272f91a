//! Layouts that are not quite as the specification has them: read where that is safe, described where it is
//! not.

use std::{fs, path::Path};

use wharf_content::{Error, ErrorKind, Source as _};
use wharf_reference::Digest;
use wharf_store::Layout;
use wharf_testkit::Image;

use crate::{
    foreign::{named, read_all, state, write},
    support::{Scratch, name, push},
};

/// Reads an image whole.
async fn read(path: &Path, image: &Image) -> Result<(), Error> {
    let store = Layout::open(path).await?;
    store.manifest(&name("v1").into()).await?;
    for (descriptor, _) in image.blobs() {
        store.blob(descriptor).await?.read_to_end(u64::MAX).await?;
    }
    Ok(())
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let index = fs::read_to_string(path.join("index.json")).unwrap();
    fs::write(path.join("index.json"), change(&index)).unwrap();
}

/// Ways to differ that change no meaning.
fn vary(path: &Path, how: &str) {
    let version = |text: &str| fs::write(path.join("oci-layout"), text).unwrap();
    match how {
        "no oci-layout" => fs::remove_file(path.join("oci-layout")).unwrap(),
        "oci-layout with a byte order mark" => version("\u{feff} {\"imageLayoutVersion\": \"1.0.0\"} \r\n"),
        "oci-layout with more keys" => version(r#"{"imageLayoutVersion":"1.0.0","x":[null]}"#),
        "index.json with a byte order mark" => edit(path, |index| format!("\u{feff}\n{index}\n")),
        "members that are null" => {
            edit(path, |index| {
                index.replacen('{', r#"{"mediaType":null,"annotations":null,"subject":null,"#, 1)
            });
        }
        "no schemaVersion" => edit(path, |index| index.replacen(r#""schemaVersion":2,"#, "", 1)),
        "an image twice" => edit(path, |index| {
            let entry = index.split_once('[').unwrap().1.rsplit_once(']').unwrap().0;
            format!(r#"{{"schemaVersion":2,"manifests":[{entry},{entry}]}}"#)
        }),
        "indented" => edit(path, |index| {
            let index: serde_json::Value = serde_json::from_str(index).unwrap();
            serde_json::to_string_pretty(&index).unwrap()
        }),
        "other files" => {
            fs::write(path.join("manifest.json"), "[]").unwrap();
            fs::write(path.join("repositories"), "{}").unwrap();
            fs::create_dir(path.join("blobs/sha1")).unwrap();
        }
        _ => unreachable!("{how}"),
    }
}

#[tokio::test]
async fn layouts_that_differ_in_what_does_not_matter_are_read() {
    let image = Image::small("x");
    for how in [
        "no oci-layout",
        "oci-layout with a byte order mark",
        "oci-layout with more keys",
        "index.json with a byte order mark",
        "members that are null",
        "no schemaVersion",
        "an image twice",
        "indented",
        "other files",
    ] {
        let scratch = Scratch::new();
        let path = scratch.path("store");
        write(&path, &[&image], &[named(&image, "v1")]);
        vary(&path, how);
        let before = state(&path);
        read_all(&Layout::open(&path).await.expect(how), &image, "v1").await;
        assert!(before == state(&path), "{how}");
        let store = scratch.store().await;
        push(&Image::small("y"), &store, "v2").await;
        read_all(&store, &image, "v1").await;
    }
}

fn first_layer(image: &Image) -> &Digest {
    let layer = image.manifest().layers().first();
    layer.unwrap().digest()
}

/// Ways to be no layout, or not a whole one.
fn spoil(path: &Path, image: &Image, how: &str) {
    let remove = |name: &str| {
        let path = path.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    };
    let put = |name: &str, text: &str| fs::write(path.join(name), text).unwrap();
    let layer = format!("blobs/sha256/{}", first_layer(image).encoded());
    let bare = |names: &[&str]| {
        for name in names {
            remove(name);
        }
    };
    match how {
        "nothing" => fs::remove_dir_all(path).unwrap(),
        "an archive" => {
            fs::remove_dir_all(path).unwrap();
            fs::write(path, "an archive").unwrap();
        }
        "an unpacked docker-archive" => {
            bare(&["oci-layout", "index.json", "blobs"]);
            put("manifest.json", "[]");
            put("repositories", "{}");
        }
        "a directory of dir:" => {
            bare(&["oci-layout", "index.json", "blobs"]);
            put("version", "Directory Transport Version: 1.1\n");
            put("manifest.json", "{}");
        }
        "the storage of a registry" => {
            bare(&["oci-layout", "index.json", "blobs"]);
            fs::create_dir_all(path.join("docker/registry/v2")).unwrap();
        }
        "a layout one level down" => {
            fs::create_dir(path.join("inner")).unwrap();
            for name in ["oci-layout", "index.json", "blobs"] {
                fs::rename(path.join(name), path.join("inner").join(name)).unwrap();
            }
        }
        "blobs alone" => bare(&["oci-layout", "index.json"]),
        "no index.json" => remove("index.json"),
        "an empty oci-layout" => put("oci-layout", ""),
        "a version that is a number" => put("oci-layout", r#"{"imageLayoutVersion":1}"#),
        "another version" => put("oci-layout", r#"{"imageLayoutVersion":"2.0.0\u001b"}"#),
        "a manifest as index.json" => fs::write(path.join("index.json"), image.manifest().bytes()).unwrap(),
        "an empty index.json" => put("index.json", " "),
        "a layer left out" => remove(&layer),
        "no blobs of sha256" => remove("blobs/sha256"),
        "a directory as a layer" => {
            remove(&layer);
            fs::create_dir(path.join(&layer)).unwrap();
        }
        _ => unreachable!("{how}"),
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_described() {
    let image = Image::small("x");
    for (how, kind, part) in [
        ("nothing", ErrorKind::NotFound, "cannot open the layout"),
        ("an archive", ErrorKind::Storage, "unpack it first"),
        (
            "an unpacked docker-archive",
            ErrorKind::NotFound,
            "docker save; convert",
        ),
        ("a directory of dir:", ErrorKind::NotFound, "skopeo copy dir:"),
        (
            "the storage of a registry",
            ErrorKind::NotFound,
            "pull from the registry",
        ),
        (
            "a layout one level down",
            ErrorKind::NotFound,
            "directory \"inner\" is one",
        ),
        ("blobs alone", ErrorKind::NotFound, "blobs but no index.json"),
        ("no index.json", ErrorKind::Corrupt, "index.json is missing"),
        ("an empty oci-layout", ErrorKind::Corrupt, "it is empty"),
        (
            "a version that is a number",
            ErrorKind::Corrupt,
            "content should be {\"imageLayoutVersion\":\"1.0.0\"}",
        ),
        (
            "another version",
            ErrorKind::Unsupported,
            "version \"2.0.0\\u{1b}\", but only 1.0.0",
        ),
        (
            "a manifest as index.json",
            ErrorKind::Corrupt,
            "it is an image manifest",
        ),
        ("an empty index.json", ErrorKind::Corrupt, "it is empty"),
        (
            "a layer left out",
            ErrorKind::NotFound,
            "the layout is incomplete",
        ),
        (
            "no blobs of sha256",
            ErrorKind::NotFound,
            "there is no manifest sha256:",
        ),
        (
            "a directory as a layer",
            ErrorKind::Unsupported,
            "not a regular file",
        ),
    ] {
        let scratch = Scratch::new();
        let path = scratch.path("store");
        write(&path, &[&image], &[named(&image, "v1")]);
        spoil(&path, &image, how);
        let error = read(&path, &image).await.expect_err(how);
        assert_eq!(error.kind(), kind, "{how}: {error}");
        assert!(error.to_string().contains(part), "{how}: {error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{how}: {error}"
        );
        assert!(!path.join(".wharf").exists(), "{how}");
    }
}

/// As Bazel makes layouts: of links to the files of its cache.
#[cfg(unix)]
#[tokio::test]
async fn links_are_described_and_not_followed() {
    use std::os::unix::fs::symlink;

    let image = Image::small("x");
    let layer = format!("blobs/sha256/{}", first_layer(&image).encoded());
    let manifest = format!("blobs/sha256/{}", image.manifest().digest().encoded());
    for (linked, outside) in [
        (layer.as_str(), true),
        (layer.as_str(), false),
        (manifest.as_str(), true),
        ("blobs/sha256", true),
        ("blobs", true),
        ("blobs", false),
        ("index.json", true),
        ("oci-layout", true),
    ] {
        let scratch = Scratch::new();
        let path = scratch.path("store");
        write(&path, &[&image], &[named(&image, "v1")]);
        let target = if outside {
            scratch.path("target")
        } else {
            path.join("target")
        };
        fs::rename(path.join(linked), &target).unwrap();
        symlink(&target, path.join(linked)).unwrap();
        let before = state(&path);
        let error = read(&path, &image).await.expect_err(linked);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{linked}: {error}");
        let expected = format!("{} is a symbolic link", path.join(linked).display());
        assert!(error.to_string().starts_with(&expected), "{linked}: {error}");
        assert!(before == state(&path));
    }
}
