//! What is read in place is what is loaded from a stream.

use std::{fs, io::Cursor};

use wharf_archive::{Archive, Form, load, read_stream};
use wharf_content::{ErrorKind, Hasher, Source as _};
use wharf_reference::{Algorithm, Digest};
use wharf_store::Memory;

use crate::{
    support::{Scratch, refused},
    tarball::{M, archive, header, member, padded},
};

/// A docker-archive of one layer, and whether it is read in place and loaded: to the same manifest, or to the same kind of
/// error.
async fn read_both_ways(config: (&str, String), layer: (&str, Vec<u8>)) -> Result<Digest, ErrorKind> {
    let manifest = format!(r#"[{{"Config":"{}","Layers":["{}"]}}]"#, config.0, layer.0);
    let scratch = Scratch::new();
    let path = scratch.path("saved.tar");
    let bytes = archive([
        (config.0, M::text(config.1)),
        (layer.0, M::File(layer.1)),
        ("manifest.json", M::text(manifest)),
    ]);
    fs::write(&path, &bytes).unwrap();
    let loaded = load(read_stream(Cursor::new(bytes)), &Memory::new()).await;
    let loaded = loaded
        .map(|images| images[0].descriptor.digest().clone())
        .map_err(|error| error.kind());
    let opened = match Archive::open(&path, Form::Docker).await {
        Ok(archive) => {
            let image = archive.only().unwrap();
            let manifest = archive.manifest(&image.target()).await.unwrap();
            let mut read = Ok(manifest.digest().clone());
            for descriptor in manifest.blobs() {
                let blob = archive.blob(descriptor).await.unwrap();
                if let Err(error) = blob.read_to_end(u64::MAX).await {
                    read = Err(error.kind());
                }
            }
            read
        }
        Err(error) => Err(error.kind()),
    };
    assert_eq!(
        opened,
        loaded,
        "in place, and as a stream: {manifest}",
        manifest = config.0
    );
    opened
}

#[tokio::test]
async fn a_docker_archive_is_the_same_in_place_and_as_a_stream() {
    let layer = vec![0; 1024];
    let json = b"{} as a layer that begins as a document".to_vec();
    let config = |diff_id: &str| {
        format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
        )
    };
    let sha256 = |bytes: &[u8]| Hasher::sha256(bytes).to_string();
    let sha512 = |bytes: &[u8]| Hasher::digest(Algorithm::Sha512, bytes).unwrap().to_string();
    let right = config(&sha256(&layer));
    let blob = |digest: &str| format!("blobs/{}", digest.replace(':', "/"));
    let rows = [
        (
            "config.json".to_owned(),
            right.clone(),
            "layer.tar".to_owned(),
            &layer,
            Ok(()),
        ),
        (
            blob(&sha256(right.as_bytes())),
            right.clone(),
            blob(&sha256(&layer)),
            &layer,
            Ok(()),
        ),
        // Of another algorithm: a diff_id is no digest of the blob then, and a name is one.
        (
            "config.json".to_owned(),
            config(&sha512(&layer)),
            "layer.tar".to_owned(),
            &layer,
            Ok(()),
        ),
        (
            "config.json".to_owned(),
            right.clone(),
            blob(&sha512(&layer)),
            &layer,
            Ok(()),
        ),
        (
            "config.json".to_owned(),
            config(&sha256(&json)),
            blob(&sha512(&json)),
            &json,
            Ok(()),
        ),
        // Bytes that are not those of the name, or of the config.
        (
            blob(&sha256(b"x")),
            right.clone(),
            "layer.tar".to_owned(),
            &layer,
            Err(ErrorKind::Mismatch),
        ),
        (
            "config.json".to_owned(),
            right.clone(),
            blob(&sha256(b"x")),
            &layer,
            Err(ErrorKind::Mismatch),
        ),
        (
            "config.json".to_owned(),
            config(&sha256(&json)),
            blob(&sha256(b"x")),
            &json,
            Err(ErrorKind::Mismatch),
        ),
        (
            "config.json".to_owned(),
            right,
            "layer.tar".to_owned(),
            &json,
            Err(ErrorKind::Mismatch),
        ),
    ];
    for (number, (config_name, config, layer_name, layer, expected)) in rows.into_iter().enumerate() {
        let read = read_both_ways((&config_name, config), (&layer_name, layer.clone())).await;
        assert_eq!(read.map(drop), expected, "row {number}");
    }
}

/// A PAX header with one record, before a file whose own header states another size.
fn sized_twice(name: &str, by_record: u64, by_header: u64) -> Vec<u8> {
    let record = |length: usize| format!("{length} size={by_record}\n");
    let length = (1..40).find(|&length| record(length).len() == length).unwrap();
    let record = record(length);
    let mut bytes = header("PaxHeaders/x", b'x', "", record.len() as u64);
    bytes.extend(padded(record.as_bytes()));
    bytes.extend(header(name, b'0', "", by_header));
    bytes
}

/// An archive that is refused, the kind of the error, and a part of its text.
type Row = (&'static str, Vec<u8>, ErrorKind, &'static str);

/// The members of a docker-archive of one layer.
fn saved(config_name: &str, layer: &str) -> Vec<u8> {
    let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;
    let manifest = format!(r#"[{{"Config":"{config_name}","Layers":["{layer}"]}}]"#);
    members(&[
        ("manifest.json", M::text(manifest)),
        ("config.json", M::text(config)),
        ("layer.tar", M::File(vec![0; 1024])),
    ])
}

/// The bytes with the two blocks of zeros that end an archive.
fn ended(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Archives with a member that no archive of images has.
fn with_hostile_members() -> Vec<Row> {
    let long: &'static str = "n/".repeat(2500).leak();
    let rows = [
        ("hard", M::Hard("/etc/passwd"), ErrorKind::Unsupported, "hard"),
        ("device", M::Device, ErrorKind::Unsupported, "device"),
        ("fifo", M::Fifo, ErrorKind::Unsupported, "fifo"),
        ("sparse", M::Sparse(1 << 40), ErrorKind::Unsupported, "sparse"),
        ("a/../../escape", M::text("x"), ErrorKind::Invalid, "escape"),
        (long, M::text("x"), ErrorKind::TooLarge, "n/n/"),
        (
            "./config.json",
            M::text("{}"),
            ErrorKind::Ambiguous,
            "config.json",
        ),
    ];
    let rows = rows.map(|(name, content, kind, part)| {
        let bytes = [saved("config.json", "layer.tar"), member(name, &content)].concat();
        (part, ended(bytes), kind, part)
    });
    rows.into()
}

/// Archives whose links or names lead nowhere.
fn with_hostile_links() -> Vec<Row> {
    let links = |links: &[(&str, M)]| ended([saved("config.json", "a/layer.tar"), members(links)].concat());
    vec![
        (
            "cycle of links",
            links(&[("a/layer.tar", M::Link("b")), ("a/b", M::Link("layer.tar"))]),
            ErrorKind::Invalid,
            "layer.tar",
        ),
        (
            "link out of the archive",
            links(&[("a/layer.tar", M::Link("/etc/passwd"))]),
            ErrorKind::Invalid,
            "layer.tar",
        ),
        ("absent layer", links(&[]), ErrorKind::NotFound, "layer.tar"),
        (
            "absent config",
            ended(saved("absent.json", "layer.tar")),
            ErrorKind::NotFound,
            "absent.json",
        ),
    ]
}

/// Archives that are no archive of images as a whole.
fn with_hostile_ends() -> Vec<Row> {
    let usual = |end: Vec<u8>| [saved("config.json", "layer.tar"), end].concat();
    vec![
        (
            "terabyte beyond the end",
            usual(header("far", b'0', "", 1 << 40)),
            ErrorKind::Corrupt,
            "far",
        ),
        (
            "size by record beyond the end",
            usual(sized_twice("far", 1 << 40, 0)),
            ErrorKind::Corrupt,
            "far",
        ),
        ("cut in a header", usual(vec![b'x'; 100]), ErrorKind::Corrupt, ""),
        (
            "second archive",
            [ended(usual(vec![])), ended(usual(vec![]))].concat(),
            ErrorKind::Ambiguous,
            "",
        ),
        (
            "nothing of an image",
            ended(member("file", &M::text("x"))),
            ErrorKind::Invalid,
            "",
        ),
    ]
}

/// Each of these is refused by both, for the same reason, and the error names the member.
#[tokio::test]
async fn hostile_archives_are_refused_alike_in_place_and_as_a_stream() {
    let scratch = Scratch::new();
    let path = scratch.path("hostile.tar");
    for (what, bytes, kind, part) in
        [with_hostile_members(), with_hostile_links(), with_hostile_ends()].concat()
    {
        fs::write(&path, &bytes).unwrap();
        let opened = refused(Archive::open(&path, Form::Detect).await);
        let loaded = refused(load(read_stream(Cursor::new(bytes)), &Memory::new()).await);
        for failure in [opened, loaded] {
            assert_eq!(failure.kind(), kind, "{what}: {failure}");
            let text = failure.to_string();
            assert!(text.contains(part) && text.len() < 600, "{what}: {text}");
        }
    }
}

/// The bytes of these members, without an end.
fn members(members: &[(&str, M)]) -> Vec<u8> {
    members
        .iter()
        .flat_map(|(name, content)| member(name, content))
        .collect()
}

/// A link may stand before the member that it leads to, and the documents anywhere.
#[tokio::test]
async fn the_order_of_members_does_not_matter() {
    let layer = vec![0; 1024];
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Hasher::sha256(&layer)
    );
    let mut parts = vec![
        ("a/layer.tar", M::Link("../b/layer.tar")),
        (
            "manifest.json",
            M::text(r#"[{"Config":"config.json","Layers":["a/layer.tar"]}]"#),
        ),
        ("config.json", M::text(config)),
        ("b/layer.tar", M::File(layer)),
    ];
    let scratch = Scratch::new();
    let path = scratch.path("saved.tar");
    let mut digests = Vec::new();
    for _ in 0..2 {
        for _ in 0..parts.len() {
            parts.rotate_left(1);
            let bytes = archive(parts.clone());
            fs::write(&path, &bytes).unwrap();
            let opened = Archive::open(&path, Form::Detect).await.unwrap();
            digests.push(opened.only().unwrap().descriptor().digest().clone());
            let loaded = load(read_stream(Cursor::new(bytes)), &Memory::new())
                .await
                .unwrap();
            digests.push(loaded[0].descriptor.digest().clone());
        }
        parts.reverse();
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}
