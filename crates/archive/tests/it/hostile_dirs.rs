//! Directories that somebody else has filled.

use std::{fs, os::unix::fs::symlink, process::Command};

use wharf_archive::Dir;
use wharf_content::{ErrorKind, Source as _};
use wharf_testkit::{Image, Index};

use crate::support::{Scratch, files, names, push_index, refused, refused_to_write, write_dir};

#[tokio::test]
async fn changed_bytes_are_a_mismatch() {
    let scratch = Scratch::new();
    let index = Index::of(vec![Image::small("one")]);
    let image = &index.images()[0];
    let writer = Dir::create(scratch.path("list")).await.unwrap();
    push_index(&index, &writer).await;
    let dir = writer.finish().await.unwrap();
    let path = scratch.path("list");

    let flip = |name: &str| {
        let mut bytes = fs::read(path.join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path.join(name), bytes).unwrap();
    };
    let child = image.manifest().digest();
    flip(&format!("{}.manifest.json", child.encoded()));
    let failure = refused(dir.manifest(&child.into()).await);
    assert_eq!(failure.kind(), ErrorKind::Mismatch, "{failure}");
    assert!(failure.to_string().contains("manifest.json"), "{failure}");

    let layer = &image.manifest().layers()[0];
    let read = || async { dir.blob(layer).await.unwrap().read_to_end(1 << 20).await };
    flip(layer.digest().encoded());
    assert_eq!(refused(read().await).kind(), ErrorKind::Mismatch);
    fs::write(path.join(layer.digest().encoded()), "short").unwrap();
    assert_eq!(refused(read().await).kind(), ErrorKind::Mismatch);
    fs::write(path.join(layer.digest().encoded()), vec![0; 100_000]).unwrap();
    assert_eq!(refused(read().await).kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn links_pipes_and_directories_are_not_read_as_content() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let layer = &image.manifest().layers()[0];
    for kind in ["link", "dangling", "pipe", "directory"] {
        let path = scratch.path(kind);
        let dir = write_dir(&path, &image).await;
        let file = path.join(layer.digest().encoded());
        fs::rename(&file, scratch.path("moved")).unwrap();
        let make = |at: &std::path::Path| match kind {
            "link" => symlink(scratch.path("moved"), at).unwrap(),
            "dangling" => symlink("/nonexistent", at).unwrap(),
            "pipe" => assert!(Command::new("mkfifo").arg(at).status().unwrap().success()),
            _ => fs::create_dir(at).unwrap(),
        };
        make(&file);
        let failure = refused(dir.blob(layer).await.unwrap().read_to_end(1 << 20).await);
        assert_eq!(failure.kind(), ErrorKind::Storage, "{kind}: {failure}");
        for name in ["manifest.json", "version"] {
            fs::rename(path.join(name), scratch.path("moved")).unwrap();
            make(&path.join(name));
            let failure = refused(Dir::open(&path).await);
            assert_eq!(failure.kind(), ErrorKind::Storage, "{kind} {name}: {failure}");
            if kind == "directory" {
                fs::remove_dir(path.join(name)).unwrap();
            } else {
                fs::remove_file(path.join(name)).unwrap();
            }
            fs::rename(scratch.path("moved"), path.join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn large_documents_are_not_read() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let path = scratch.path("image");
    write_dir(&path, &image).await;
    let file = fs::File::create(path.join("manifest.json")).unwrap();
    file.set_len(1 << 40).unwrap();
    let failure = refused(Dir::open(&path).await);
    assert_eq!(failure.kind(), ErrorKind::TooLarge, "{failure}");
}

#[tokio::test]
async fn a_directory_without_an_image_is_not_found() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("empty")).unwrap();
    fs::write(scratch.path("file"), "").unwrap();
    for (name, kind) in [
        ("empty", ErrorKind::NotFound),
        ("absent", ErrorKind::NotFound),
        ("file", ErrorKind::Storage),
    ] {
        let failure = refused(Dir::open(scratch.path(name)).await);
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(failure.to_string().contains(name), "{failure}");
    }
}

/// A link that the user names is followed; the directory at its end is replaced, and the link stays.
#[tokio::test]
async fn a_link_to_the_directory_is_followed() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("volume")).unwrap();
    write_dir(&scratch.path("volume/image"), &Image::small("old")).await;
    symlink(scratch.path("volume/image"), scratch.path("link")).unwrap();
    let new = Image::small("new");
    let dir = write_dir(&scratch.path("link"), &new).await;
    assert_eq!(dir.root(), new.manifest());
    assert!(scratch.path("link").is_symlink());
    assert_eq!(names(&scratch.path("volume")), ["image"]);

    symlink("/nonexistent/image", scratch.path("dangling")).unwrap();
    assert_eq!(
        refused_to_write(&scratch.path("dangling")).await.kind(),
        ErrorKind::NotFound
    );
    assert_eq!(names(&scratch.path(".")), ["dangling", "link", "volume"]);
}

/// Who can write beside the image cannot direct its bytes elsewhere.
#[tokio::test]
async fn a_link_where_the_new_image_is_written_is_not_followed() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("elsewhere")).unwrap();
    fs::write(scratch.path("elsewhere/kept"), "kept").unwrap();
    symlink(scratch.path("elsewhere"), scratch.path(".image.wharf-new")).unwrap();
    let failure = refused_to_write(&scratch.path("image")).await;
    assert_eq!(failure.kind(), ErrorKind::Storage, "{failure}");
    assert_eq!(files(&scratch.path("elsewhere")).len(), 1);
}

#[cfg(not(wharf_portable_fs))]
#[tokio::test]
async fn the_mode_of_a_directory_that_is_replaced_stays() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = Scratch::new();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for before in ["empty", "image"] {
        let path = scratch.path(before);
        fs::create_dir(&path).unwrap();
        if before == "image" {
            write_dir(&path, &Image::small("old")).await;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2770)).unwrap();
        write_dir(&path, &Image::small("new")).await;
        assert_eq!(mode(&path), 0o2770, "{before}");
    }
}
