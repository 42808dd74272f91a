//! Image directories are written as Skopeo writes them, replaced as a whole, and read.

use std::fs;

use wharf_archive::Dir;
use wharf_content::{
    Descriptor, ErrorKind, Manifest, MediaType, Name, Platform, Signature, Sink as _, Source as _,
    SourceExt as _, Target, Wanted,
};
use wharf_reference::Algorithm;
use wharf_testkit::{Image, Index};

use crate::support::{Scratch, blob, files, names, push, push_index, refused, refused_to_write, write_dir};

const VERSION_1_1: &[u8] = b"Directory Transport Version: 1.1\n";

#[tokio::test]
async fn the_files_of_an_image_are_its_manifest_its_blobs_and_the_version() {
    let scratch = Scratch::new();
    let image = Image::small("plain");
    write_dir(&scratch.path("image"), &image).await;
    let mut expected: Vec<(String, Vec<u8>)> = vec![
        ("manifest.json".to_owned(), image.manifest().bytes().to_vec()),
        ("version".to_owned(), VERSION_1_1.to_vec()),
    ];
    for (descriptor, bytes) in image.blobs() {
        expected.push((descriptor.digest().encoded().to_owned(), bytes.to_vec()));
    }
    assert_eq!(files(&scratch.path("image")), expected.into_iter().collect());
    #[cfg(unix)]
    for name in names(&scratch.path("image")) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(scratch.path("image").join(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o644, "{name}");
    }
}

#[tokio::test]
async fn an_index_has_its_images_beside_it() {
    let scratch = Scratch::new();
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64"))
        .noise(1, 10)
        .finish();
    let index = Index::of(vec![Image::small("amd"), arm]);
    let writer = Dir::create(scratch.path("list")).await.unwrap();
    push_index(&index, &writer).await;
    let dir = writer.finish().await.unwrap();
    let written = files(&scratch.path("list"));
    assert_eq!(written["manifest.json"], *index.manifest().bytes());
    assert_eq!(written["version"], VERSION_1_1);
    for image in index.images() {
        let digest = image.manifest().digest();
        assert_eq!(
            written[&format!("{}.manifest.json", digest.encoded())],
            *image.manifest().bytes()
        );
        let read = dir.manifest(&digest.into()).await.unwrap();
        assert_eq!(read, *image.manifest());
        assert_eq!(dir.config_bytes(&read).await.unwrap(), image.blobs()[0].1);
    }
    assert_eq!(written.len(), 1 + 1 + 2 + 3 + 2);
}

#[tokio::test]
async fn an_index_without_its_images_is_written_and_read() {
    let scratch = Scratch::new();
    let index = Index::of(vec![Image::small("one"), Image::small("two")]);
    let writer = Dir::create(scratch.path("index-only")).await.unwrap();
    writer.push_manifest(index.manifest(), None).await.unwrap();
    let dir = writer.finish().await.unwrap();
    assert_eq!(names(&scratch.path("index-only")), ["manifest.json", "version"]);
    assert_eq!(dir.root(), index.manifest());
    let child = index.images()[0].manifest();
    let missing = refused(dir.manifest(&child.digest().into()).await);
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let blob = dir.blob(&child.layers()[0]).await.unwrap();
    assert_eq!(
        refused(blob.read_to_end(1 << 20).await).kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_digest_that_is_not_sha256_is_in_the_name_and_the_version_says_so() {
    let scratch = Scratch::new();
    let image = Image::builder()
        .algorithm(Algorithm::Sha512)
        .noise(7, 100)
        .finish();
    let dir = write_dir(&scratch.path("image"), &image).await;
    let written = files(&scratch.path("image"));
    assert_eq!(written["version"], b"Directory Transport Version: 1.2\n");
    for (descriptor, bytes) in image.blobs() {
        let digest = descriptor.digest();
        assert_eq!(written[&format!("sha512-{}", digest.encoded())], *bytes);
        assert_eq!(
            dir.blob(descriptor)
                .await
                .unwrap()
                .read_to_end(1 << 20)
                .await
                .unwrap(),
            *bytes
        );
        // As Skopeo named it before version 1.2.
        let path = scratch.path("image");
        fs::rename(
            path.join(format!("sha512-{}", digest.encoded())),
            path.join(digest.encoded()),
        )
        .unwrap();
        assert_eq!(
            dir.blob(descriptor)
                .await
                .unwrap()
                .read_to_end(1 << 20)
                .await
                .unwrap(),
            *bytes
        );
    }
    // The root is found by its digest of either algorithm.
    let sha512 = wharf_content::Hasher::digest(Algorithm::Sha512, image.manifest().bytes()).unwrap();
    let read = dir.manifest(&sha512.clone().into()).await.unwrap();
    assert_eq!((read.digest(), read.bytes()), (&sha512, image.manifest().bytes()));
}

#[tokio::test]
async fn an_image_takes_the_place_of_nothing_of_an_empty_directory_and_of_an_image() {
    let scratch = Scratch::new();
    let (old, new) = (Image::small("old"), Image::small("new"));
    fs::create_dir(scratch.path("empty")).unwrap();
    for version in ["1.0", "1.1\n", "1.2\n"] {
        let path = scratch.path(version.trim());
        write_dir(&path, &old).await;
        fs::write(
            path.join("version"),
            format!("Directory Transport Version: {version}"),
        )
        .unwrap();
    }
    fs::create_dir(scratch.path("version-alone")).unwrap();
    fs::write(scratch.path("version-alone/version"), VERSION_1_1).unwrap();
    for name in ["absent", "a/b/c", "empty", "1.0", "1.1", "1.2", "version-alone"] {
        let path = scratch.path(name);
        let writer = Dir::create(&path)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        push(&new, &writer).await;
        let before = path.join("manifest.json");
        if before.exists() {
            assert_eq!(fs::read(&before).unwrap(), *old.manifest().bytes(), "{name}");
        }
        let dir = writer.finish().await.unwrap();
        assert_eq!(dir.root(), new.manifest(), "{name}");
        assert_eq!(files(&path).len(), 2 + new.blobs().len(), "{name}");
    }
    let left = ["1.0", "1.1", "1.2", "a", "absent", "empty", "version-alone"];
    assert_eq!(names(&scratch.path(".")), left);
}

#[tokio::test]
async fn whatever_else_is_there_is_not_replaced() {
    let scratch = Scratch::new();
    let path = |name: &str| scratch.path(name);
    fs::write(path("file"), "mine").unwrap();
    for (name, file, text) in [
        ("documents", "letter.txt", "Dear"),
        ("malformed", "version", "x"),
        ("newer", "version", "Directory Transport Version: 1.3\n"),
        ("long", "version", &"Directory Transport Version: 1.1".repeat(100)),
        ("layout", "oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
    ] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join(file), text).unwrap();
    }
    fs::create_dir_all(path("version-is-a-directory/version")).unwrap();
    let before = names(&path("."));
    for name in [
        "file",
        "documents",
        "malformed",
        "newer",
        "long",
        "layout",
        "version-is-a-directory",
    ] {
        let refused = refused_to_write(&path(name)).await;
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{name}: {refused}");
        assert!(refused.to_string().contains(name), "{refused}");
    }
    assert_eq!(fs::read_to_string(path("documents/letter.txt")).unwrap(), "Dear");
    assert_eq!(names(&path(".")), before);
}

#[tokio::test]
async fn what_cannot_be_renamed_is_refused() {
    let mut paths = vec!["/", "."];
    if cfg!(all(target_os = "linux", not(wharf_portable_fs))) {
        paths.push("/proc");
    }
    for path in paths {
        let refused = refused_to_write(path.as_ref()).await;
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{path}: {refused}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_finished_leaves_nothing() {
    let scratch = Scratch::new();
    let (old, new) = (Image::small("old"), Image::small("new"));
    write_dir(&scratch.path("image"), &old).await;
    let before = files(&scratch.path("image"));
    let writer = Dir::create(scratch.path("image")).await.unwrap();
    push(&new, &writer).await;
    assert_eq!(names(&scratch.path(".")).len(), 2);
    drop(writer);
    assert_eq!(names(&scratch.path(".")), ["image"]);
    assert_eq!(files(&scratch.path("image")), before);

    let writer = Dir::create(scratch.path("image")).await.unwrap();
    writer.push_blob(blob(&new.blobs()[0])).await.unwrap();
    assert_eq!(refused(writer.finish().await).kind(), ErrorKind::Invalid); // no manifest
    drop(writer);
    assert_eq!(files(&scratch.path("image")), before);
}

#[tokio::test]
async fn nothing_is_pushed_after_the_end() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let writer = Dir::create(scratch.path("image")).await.unwrap();
    push(&image, &writer).await;
    writer.finish().await.unwrap();
    let before = files(&scratch.path("image"));
    let other = Image::small("two");
    for kind in [
        refused(writer.push_blob(blob(&other.blobs()[2])).await).kind(),
        refused(writer.push_manifest(other.manifest(), None).await).kind(),
        refused(writer.finish().await).kind(),
    ] {
        assert_eq!(kind, ErrorKind::Unsupported);
    }
    assert_eq!(files(&scratch.path("image")), before);
    // The path is free for the next writer while the old one is alive.
    write_dir(&scratch.path("image"), &other).await;
}

#[tokio::test]
async fn a_name_is_refused_because_a_directory_has_none() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let writer = Dir::create(scratch.path("image")).await.unwrap();
    let name = Name::parse("app:1").unwrap();
    let failure = refused(writer.push_manifest(image.manifest(), Some(&name)).await);
    assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
    push(&image, &writer).await;
    let dir = writer.finish().await.unwrap();
    let target = Target::Name(name);
    assert_eq!(refused(dir.resolve(&target).await).kind(), ErrorKind::NotFound);
}

#[cfg(all(unix, not(wharf_portable_fs)))] // directories have no locks elsewhere
#[tokio::test]
async fn one_writer_at_a_time() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let first = Dir::create(scratch.path("image")).await.unwrap();
    let second = refused_to_write(&scratch.path("image")).await;
    assert_eq!(second.kind(), ErrorKind::Conflict, "{second}");
    push(&image, &first).await;
    first.finish().await.unwrap();
}

/// The directory changed after the writer began.
#[tokio::test]
async fn what_appears_meanwhile_is_not_replaced() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let writer = Dir::create(scratch.path("image")).await.unwrap();
    push(&image, &writer).await;
    fs::create_dir(scratch.path("image")).unwrap();
    fs::write(scratch.path("image/letter.txt"), "Dear").unwrap();
    for _ in 0..2 {
        let failure = refused(writer.finish().await);
        assert_eq!(failure.kind(), ErrorKind::Conflict, "{failure}");
    }
    assert_eq!(names(&scratch.path("image")), ["letter.txt"]);
    fs::remove_dir_all(scratch.path("image")).unwrap();
    assert_eq!(writer.finish().await.unwrap().root(), image.manifest());
}

#[tokio::test]
async fn what_a_killed_writer_left_is_cleared_away() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path(".image.wharf-new")).unwrap();
    fs::write(scratch.path(".image.wharf-new/tmp-0"), "half").unwrap();
    fs::create_dir_all(scratch.path(".image.wharf-new/notes/more")).unwrap(); // of an image that was replaced
    write_dir(&scratch.path(".image.wharf-old"), &Image::small("older")).await;
    let image = Image::small("one");
    write_dir(&scratch.path("image"), &image).await;
    assert_eq!(names(&scratch.path(".")), ["image"]);
    assert_eq!(files(&scratch.path("image")).len(), 2 + image.blobs().len());
}

#[tokio::test]
async fn an_interrupted_replacement_says_where_the_old_image_is() {
    let scratch = Scratch::new();
    write_dir(&scratch.path("image"), &Image::small("old")).await;
    fs::rename(scratch.path("image"), scratch.path(".image.wharf-old")).unwrap();
    let failure = refused(Dir::open(scratch.path("image")).await);
    assert_eq!(failure.kind(), ErrorKind::NotFound);
    assert!(failure.to_string().contains(".image.wharf-old"), "{failure}");
}

#[tokio::test]
async fn long_names_are_written_too() {
    let scratch = Scratch::new();
    for length in [200, 243, 244, 245, 246, 255] {
        let path = scratch.path(&"n".repeat(length));
        write_dir(&path, &Image::small("one")).await;
        assert_eq!(names(&scratch.path(".")).len(), 1);
        write_dir(&path, &Image::small("two")).await;
        fs::remove_dir_all(path).unwrap();
    }
}

#[tokio::test]
async fn a_reader_keeps_the_image_that_it_opened() {
    let scratch = Scratch::new();
    let (old, new) = (Image::small("old"), Image::small("new"));
    let dir = write_dir(&scratch.path("image"), &old).await;
    write_dir(&scratch.path("image"), &new).await;
    assert_eq!(dir.root(), old.manifest());
    let gone = dir.blob(&old.manifest().layers()[1]).await.unwrap();
    assert_eq!(
        refused(gone.read_to_end(1 << 20).await).kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        Dir::open(scratch.path("image")).await.unwrap().root(),
        new.manifest()
    );
}

#[tokio::test]
async fn versions_are_read_up_to_the_newest_that_is_known() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    write_dir(&scratch.path("image"), &image).await;
    let version = scratch.path("image/version");
    for known in ["1.0\n", "1.1", "1.1\n", "1.2\n"] {
        fs::write(&version, format!("Directory Transport Version: {known}")).unwrap();
        assert_eq!(
            Dir::open(scratch.path("image")).await.unwrap().root(),
            image.manifest()
        );
    }
    for (text, kind) in [
        ("Directory Transport Version: 1.3\n", ErrorKind::Unsupported),
        ("Directory Transport Version: 2.0\n", ErrorKind::Unsupported),
        ("x", ErrorKind::Invalid),
        ("", ErrorKind::Invalid),
    ] {
        fs::write(&version, text).unwrap();
        let failure = refused(Dir::open(scratch.path("image")).await);
        assert_eq!(failure.kind(), kind, "{text}: {failure}");
        assert!(failure.to_string().contains("version"), "{failure}");
    }
    fs::remove_file(&version).unwrap();
    assert_eq!(
        Dir::open(scratch.path("image")).await.unwrap().root(),
        image.manifest()
    );
}

#[tokio::test]
async fn signatures_are_read_in_the_order_of_their_numbers() {
    let scratch = Scratch::new();
    let index = Index::of(vec![Image::small("one")]);
    let writer = Dir::create(scratch.path("list")).await.unwrap();
    push_index(&index, &writer).await;
    let dir = writer.finish().await.unwrap();
    let child = index.images()[0].manifest().digest();
    let file = |name: &str, text: &[u8]| fs::write(scratch.path("list").join(name), text).unwrap();
    file("signature-1", b"\x90one");
    file(
        "signature-2",
        b"\0sigstore-json\n{\"mimeType\":\"a/b\",\"payload\":\"e30=\",\"annotations\":{}}",
    );
    file("signature-3", b"<html>");
    file("signature-5", b"\x90five");
    file(&format!("{}.signature-1", child.encoded()), b"\x90child");

    let kinds = |signatures: Vec<Signature>| -> Vec<&str> {
        let kinds = signatures.iter().map(|signature| match signature {
            Signature::Simple(_) => "simple",
            Signature::Attachment { .. } => "attachment",
            Signature::Unknown { .. } => "unknown",
            _ => "other",
        });
        kinds.collect()
    };
    let root = dir.root().digest();
    for (wanted, expected) in [
        (Wanted::EVERYTHING, vec!["simple", "attachment", "unknown"]),
        (Wanted::SIMPLE, vec!["simple", "unknown"]),
        (Wanted::ATTACHMENTS, vec!["attachment", "unknown"]),
        (Wanted::NOTHING, vec![]),
    ] {
        assert_eq!(
            kinds(dir.signatures(root, wanted).await.unwrap()),
            expected,
            "{wanted:?}"
        );
    }
    let of_child = dir.signatures(child, Wanted::EVERYTHING).await.unwrap();
    assert_eq!(of_child, [Signature::Simple(b"\x90child".as_slice().into())]);
    let other = Image::small("other");
    let none = dir
        .signatures(other.manifest().digest(), Wanted::EVERYTHING)
        .await
        .unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn signatures_are_written_beside_what_they_sign_and_once() {
    let scratch = Scratch::new();
    let index = Index::of(vec![Image::small("one")]);
    let child = index.images()[0].manifest();
    let simple = |text: &str| Signature::Simple(format!("\u{90}{text}").into_bytes().into());
    let attachment = Signature::Attachment {
        media_type: MediaType::parse("a/b").unwrap(),
        payload: "{}".into(),
        annotations: [("dev.cosignproject.cosign/signature".to_owned(), "x".to_owned())].into(),
    };
    let writer = Dir::create(scratch.path("list")).await.unwrap();
    push_index(&index, &writer).await;
    let root = index.manifest().descriptor();
    let both = [simple("a"), attachment.clone()];
    assert_eq!(writer.push_signatures(root, None, &both).await.unwrap(), 2);
    assert_eq!(writer.push_signatures(root, None, &both).await.unwrap(), 0);
    assert_eq!(
        writer
            .push_signatures(root, None, &[simple("b"), simple("a")])
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        writer
            .push_signatures(child.descriptor(), None, &[simple("c")])
            .await
            .unwrap(),
        1
    );
    for other in [
        Signature::Bundle("{}".into()),
        Signature::from_blob("<html>".into()),
    ] {
        let failure = refused(writer.push_signatures(root, None, &[other]).await);
        assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
    }
    assert!(
        writer
            .accepts_signatures(Wanted::SIMPLE.or(Wanted::ATTACHMENTS), None)
            .await
            .is_ok()
    );
    let bundles = refused(writer.accepts_signatures(Wanted::EVERYTHING, None).await);
    assert_eq!(bundles.kind(), ErrorKind::Unsupported, "{bundles}");
    let dir = writer.finish().await.unwrap();

    let written: Vec<String> = names(&scratch.path("list"))
        .into_iter()
        .filter(|name| name.contains("signature"))
        .collect();
    let of_child = format!("{}.signature-1", child.digest().encoded());
    let mut expected = [
        of_child,
        "signature-1".to_owned(),
        "signature-2".to_owned(),
        "signature-3".to_owned(),
    ];
    expected.sort();
    assert_eq!(written, expected);
    let read = dir.signatures(root.digest(), Wanted::EVERYTHING).await.unwrap();
    assert_eq!(read, [simple("a"), attachment, simple("b")]);
    assert_eq!(
        dir.signatures(child.digest(), Wanted::EVERYTHING).await.unwrap(),
        [simple("c")]
    );
}

#[tokio::test]
async fn referrers_are_found_by_their_subject() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let signature = Image::builder()
        .subject(image.manifest().descriptor())
        .artifact_type(MediaType::parse("application/x-signature").unwrap())
        .noise(3, 10)
        .finish();
    let writer = Dir::create(scratch.path("image")).await.unwrap();
    push(&signature, &writer).await;
    push(&image, &writer).await;
    let dir = writer.finish().await.unwrap();
    let found: Vec<Descriptor> = dir.referrers(image.manifest().digest()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].digest(), signature.manifest().digest());
    assert_eq!(
        found[0].artifact_type().unwrap().as_str(),
        "application/x-signature"
    );
    assert!(
        dir.referrers(signature.manifest().digest())
            .await
            .unwrap()
            .is_empty()
    );
}

/// The type of a manifest is that of its content, since nothing else says it.
#[tokio::test]
async fn the_type_of_a_manifest_is_found_in_it() {
    let scratch = Scratch::new();
    for (number, image) in [
        Image::builder().docker().noise(1, 10).finish(),
        Image::builder().noise(1, 10).finish(),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = write_dir(&scratch.path(&number.to_string()), &image).await;
        assert_eq!(dir.root().media_type(), image.manifest().media_type());
    }
    let both = br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{"mediaType":"a/b","size":0,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}"#;
    assert!(Manifest::parse(both.as_slice().into(), None).is_err());
    fs::write(scratch.path("0/manifest.json"), both).unwrap();
    let failure = refused(Dir::open(scratch.path("0")).await);
    assert_eq!(failure.kind(), ErrorKind::Ambiguous, "{failure}");
}
