//! Archives that come as streams.

use std::{io::Write as _, path::Path};

use bytes::Bytes;
use wharf_archive::{Archive, Form, Loaded, Writer, WriterOptions, load, read_stream};
use wharf_content::{
    ByteStream, Error, ErrorKind, Name, Platform, Sink as _, Source as _, SourceExt as _, Target,
};
use wharf_reference::Digest;
use wharf_store::{Layout, Memory};
use wharf_testkit::{Image, Index, noise, sha256};

use crate::{
    support::{Scratch, push, push_index, refused},
    tarball::{self, M, archive},
};

const FULL: &str = "docker.io/library/app:1";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The bytes in pieces of this size.
fn stream(bytes: &[u8], piece: usize) -> ByteStream {
    let pieces: Vec<Result<Bytes, Error>> = bytes
        .chunks(piece)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    Box::pin(futures_util::stream::iter(pieces))
}

async fn hybrid(path: &Path, image: &Image) -> Vec<u8> {
    let writer = Writer::create(path).await.unwrap();
    push(image, &writer).await;
    writer.tag(&name(FULL), image.manifest().digest()).unwrap();
    writer.finish().await.unwrap();
    std::fs::read(path).unwrap()
}

/// The members of an archive without directories.
fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
    tarball::read(path)
        .into_iter()
        .filter(|(name, _)| !name.ends_with('/'))
        .collect()
}

fn archive_of(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    archive(
        members
            .iter()
            .map(|(name, content)| (name.as_str(), M::File(content.clone()))),
    )
}

async fn is_whole(store: &Memory, image: &Image) {
    let read = store.manifest(&Target::Name(name(FULL))).await.unwrap();
    assert_eq!(read, *image.manifest());
    for (descriptor, bytes) in image.blobs() {
        assert_eq!(
            store
                .blob(descriptor)
                .await
                .unwrap()
                .read_to_end(u64::MAX)
                .await
                .unwrap(),
            *bytes
        );
    }
}

#[tokio::test]
async fn a_hybrid_is_loaded_in_pieces_of_any_size_and_members_in_any_order() {
    let scratch = Scratch::new();
    let image = Image::builder()
        .noise(1, 300_000)
        .plain_files(&[("plain", b"tar")])
        .finish();
    let whole = hybrid(&scratch.path("a.tar"), &image).await;
    for piece in [1000, 511, 1, 1 << 20] {
        let store = Memory::new();
        let loaded = load(stream(&whole, piece), &store).await.unwrap();
        assert_eq!(loaded.len(), 1);
        assert_eq!(loaded[0].names, [name(FULL)]);
        assert_eq!(loaded[0].descriptor.digest(), image.manifest().digest());
        assert_eq!(loaded[0].image_id.as_ref(), Some(image.blobs()[0].0.digest()));
        is_whole(&store, &image).await;
    }
    let mut members = members(&scratch.path("a.tar"));
    for turn in 0..members.len() {
        members.rotate_left(1);
        if turn == 3 {
            members.reverse();
        }
        let store = Memory::new();
        load(stream(&archive_of(&members), 7000), &store).await.unwrap();
        is_whole(&store, &image).await;
    }
}

#[tokio::test]
async fn an_archive_that_is_compressed_as_a_whole_is_loaded() {
    let scratch = Scratch::new();
    let image = Image::builder().noise(1, 300_000).finish();
    let whole = hybrid(&scratch.path("a.tar"), &image).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&whole).unwrap();
    let gzip = gzip.finish().unwrap();
    for piece in [1, 5000, 1 << 20] {
        let store = Memory::new();
        load(stream(&gzip, piece), &store).await.unwrap();
        is_whole(&store, &image).await;
    }
    for (bytes, kind) in [
        (gzip[..gzip.len() / 2].to_vec(), ErrorKind::Corrupt),
        ([gzip.as_slice(), b"junk"].concat(), ErrorKind::Corrupt),
        (
            [b"\xfd7zXZ\0".as_slice(), &whole].concat(),
            ErrorKind::Unsupported,
        ),
        (
            [b"BZh91AY&SY".as_slice(), &whole].concat(),
            ErrorKind::Unsupported,
        ),
    ] {
        let store = Memory::new();
        let failure = refused(load(stream(&bytes, 5000), &store).await);
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(store.images().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_index_is_loaded_with_its_images() {
    let scratch = Scratch::new();
    let path = scratch.path("index.tar");
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64"))
        .files(&[("arm", b"")])
        .finish();
    let index = Index::of(vec![Image::small("amd"), arm]);
    let writer = Writer::create(&path).await.unwrap();
    push_index(&index, &writer).await;
    for text in [FULL, "quay.io/a/b:2"] {
        writer.tag(&name(text), index.manifest().digest()).unwrap();
    }
    writer.finish().await.unwrap();
    let store = Layout::create(scratch.path("store")).await.unwrap();
    let loaded = load(read_stream(std::fs::File::open(&path).unwrap()), &store)
        .await
        .unwrap();
    assert_eq!(loaded[0].names, [name(FULL), name("quay.io/a/b:2")]);
    assert_eq!(loaded[0].image_id, None);
    assert!(store.check().await.unwrap().is_clean());
    for image in index.images() {
        let read = store.manifest(&image.manifest().digest().into()).await.unwrap();
        assert_eq!(store.config_bytes(&read).await.unwrap(), image.blobs()[0].1);
    }
    // From one stream to the next: every digest is in a name.
    let out = scratch.path("again.tar");
    let writer = Writer::stream(std::fs::File::create(&out).unwrap(), WriterOptions::default())
        .await
        .unwrap();
    load(read_stream(std::fs::File::open(&path).unwrap()), &writer)
        .await
        .unwrap();
    writer.finish().await.unwrap();
    let archive = Archive::open(&out, Form::Oci).await.unwrap();
    assert_eq!(
        archive.named(&name(FULL)).unwrap().descriptor().digest(),
        index.manifest().digest()
    );
}

/// The old format, with links to members that come later.
fn old(image: &Image) -> Vec<(&'static str, M)> {
    let [(_, config), (_, first), (_, second)] = image.blobs() else {
        panic!("three blobs");
    };
    let manifest = r#"[{"Config":"c.json","RepoTags":["docker.io/library/app:1"],"Layers":["one/layer.tar","two/layer.tar"]}]"#;
    vec![
        ("one/layer.tar", M::Link("../first.tar")),
        ("manifest.json", M::text(manifest)),
        ("two/", M::Directory),
        ("two/layer.tar", M::File(second.to_vec())),
        ("c.json", M::File(config.to_vec())),
        ("first.tar", M::File(first.to_vec())),
        ("repositories", M::text("{}")),
    ]
}

#[tokio::test]
async fn an_old_docker_archive_is_loaded_into_what_takes_unknown_digests() {
    let scratch = Scratch::new();
    let image = Image::builder()
        .plain_files(&[("a", b"1")])
        .files(&[("b", b"2")])
        .finish();
    let bytes = archive(old(&image));
    let store = Layout::create(scratch.path("store")).await.unwrap();
    let loaded: Vec<Loaded> = load(stream(&bytes, 3000), &store).await.unwrap();
    assert_eq!(
        (loaded[0].names.len(), loaded[0].image_id.as_ref()),
        (1, Some(image.blobs()[0].0.digest()))
    );
    let read = store.manifest(&name(FULL).into()).await.unwrap();
    let digests: Vec<&Digest> = read.blobs().map(wharf_content::Descriptor::digest).collect();
    let expected: Vec<&Digest> = image
        .blobs()
        .iter()
        .map(|(descriptor, _)| descriptor.digest())
        .collect();
    assert_eq!(digests, expected);
    assert!(store.check().await.unwrap().is_clean());

    // The file that is read in place has the same image.
    let path = scratch.path("old.tar");
    std::fs::write(&path, &bytes).unwrap();
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    assert_eq!(archive.only().unwrap().descriptor().digest(), read.digest());

    let pipe = Writer::stream(Vec::new(), WriterOptions::default())
        .await
        .unwrap();
    assert!(!pipe.can_ingest());
    let failure = refused(load(stream(&bytes, 3000), &pipe).await);
    assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
    assert!(failure.to_string().contains("layer.tar"), "{failure}");
}

#[tokio::test]
async fn an_image_without_a_name_is_listed_without_one() {
    let scratch = Scratch::new();
    let image = Image::small("unnamed");
    let mut without_names = old(&Image::builder()
        .plain_files(&[("a", b"1")])
        .files(&[("b", b"2")])
        .finish());
    without_names[1].1 =
        M::text(r#"[{"Config":"c.json","RepoTags":null,"Layers":["one/layer.tar","two/layer.tar"]}]"#);
    let path = scratch.path("unnamed.tar");
    let writer = Writer::create(&path).await.unwrap();
    push(&image, &writer).await;
    writer.finish().await.unwrap();
    for (form, bytes) in [
        ("hybrid", std::fs::read(&path).unwrap()),
        ("old", archive(without_names)),
    ] {
        let store = Layout::create(scratch.path(form)).await.unwrap();
        for _ in 0..2 {
            let loaded = load(stream(&bytes, 3000), &store).await.unwrap();
            assert!(loaded[0].names.is_empty(), "{form}");
            let listed = store.images().await.unwrap();
            assert_eq!((listed.len(), listed[0].name()), (1, None), "{form}");
            assert_eq!(
                listed[0].descriptor().digest(),
                loaded[0].descriptor.digest(),
                "{form}"
            );
        }
    }
}

#[tokio::test]
async fn a_broken_stream_sets_no_name() {
    let scratch = Scratch::new();
    let image = Image::builder().noise(1, 100_000).finish();
    let whole = hybrid(&scratch.path("a.tar"), &image).await;
    let broken: ByteStream = Box::pin(futures_util::stream::iter([
        Ok(Bytes::copy_from_slice(&whole[..whole.len() - 3000])),
        Err(Error::new(ErrorKind::Network, "it broke")),
    ]));
    let mut flipped = whole.clone();
    flipped[20_000] ^= 1;
    let two = [whole.clone(), archive([("x", M::text("y"))])].concat();
    let duplicate = {
        let mut members = members(&scratch.path("a.tar"));
        members.push(("index.json".to_owned(), b"{}".to_vec()));
        archive_of(&members)
    };
    let without_layer = {
        let mut members = members(&scratch.path("a.tar"));
        let layer = image.manifest().layers()[0].digest().encoded();
        members.retain(|(name, _)| !name.contains(layer));
        archive_of(&members)
    };
    let mut wrong_diff_id = old(&Image::builder()
        .plain_files(&[("a", b"1")])
        .files(&[("b", b"2")])
        .finish());
    wrong_diff_id[5].1 = M::File(archive([("other", M::text("tar"))]));
    for (bytes, kind) in [
        (broken, ErrorKind::Network),
        (stream(&whole[..50_000], 1000), ErrorKind::Corrupt),
        (stream(&whole[..1536], 1000), ErrorKind::Invalid),
        (stream(&[], 1000), ErrorKind::Invalid),
        (stream(&flipped, 1000), ErrorKind::Mismatch),
        (stream(&two, 1000), ErrorKind::Ambiguous),
        (stream(&duplicate, 1000), ErrorKind::Ambiguous),
        (stream(&without_layer, 1000), ErrorKind::NotFound),
        (stream(&archive(wrong_diff_id), 1000), ErrorKind::Mismatch),
        (stream(&archive([("a", M::text("b"))]), 1000), ErrorKind::Invalid),
        (
            stream(&archive([("h", M::Hard("/etc/passwd"))]), 1000),
            ErrorKind::Unsupported,
        ),
        (
            stream(&archive([("s", M::Sparse(1 << 40))]), 1000),
            ErrorKind::Unsupported,
        ),
    ] {
        let store = Memory::new();
        let failure = refused(load(bytes, &store).await);
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(store.images().await.unwrap().is_empty(), "{failure}");
    }
}

/// What is kept in memory until its meaning is known is bounded; what is larger is a blob.
#[tokio::test]
async fn documents_in_memory_are_bounded() {
    let json = |size: usize| [b"{".as_slice(), &vec![b' '; size - 1]].concat();
    let names: Vec<String> = (0..6).map(|number| format!("{number}.json")).collect();
    let many = names.iter().map(|name| (name.as_str(), M::File(json(4 << 20))));
    let failure = refused(load(stream(&archive(many), 1 << 20), &Memory::new()).await);
    assert_eq!(failure.kind(), ErrorKind::TooLarge, "{failure}");

    let large = json((4 << 20) + 1);
    let digest = sha256(&large);
    let path = format!("blobs/sha256/{}", digest.encoded());
    let store = Memory::new();
    let failure = refused(load(stream(&archive([(&*path, M::File(large))]), 1 << 20), &store).await);
    assert_eq!(failure.kind(), ErrorKind::Invalid, "{failure}"); // no list of images
    let descriptor =
        wharf_content::Descriptor::new(wharf_content::MediaType::OCTET_STREAM, digest, (4 << 20) + 1);
    assert!(store.contains(&descriptor.unwrap()).await.unwrap());

    let endless = futures_util::stream::unfold(0_u32, |number| async move {
        let bytes = if number == 0 {
            noise(1, 10)
        } else {
            vec![b'{'; 1 << 16]
        };
        Some((Ok(Bytes::from(bytes)), number + 1))
    });
    let failure = refused(load(Box::pin(endless), &Memory::new()).await);
    assert_eq!(failure.kind(), ErrorKind::Corrupt, "{failure}");
}
