//! Images that are unpacked to a directory.

use std::{fs, io, sync::Arc};

use bytes::Bytes;
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_image::{Codec, Options, UnpackOptions, export, unpack};
use wharf_layer::{
    ApplyOptions, DiffOptions, Ownership, Root, Snapshot, diff,
    tar::{Member, Writer},
};
use wharf_reference::Algorithm;
use wharf_testkit::campaign;

use crate::{MIB, One, Repeated, bombs, encoded, mebibyte, size_in_mib, type_of};

/// The images that are unpacked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Case {
    /// One large file.
    Large(Codec),
    /// Files, and directories of a thousand of them, which are packed again and exported, too.
    Many(usize),
    /// A layer of a stranger, by its number.
    Bomb(usize),
}

pub(crate) const CASES: [Case; 9] = [
    Case::Large(Codec::Plain),
    Case::Large(Codec::Gzip),
    Case::Large(Codec::Zstd),
    Case::Many(50_000),
    Case::Bomb(0),
    Case::Bomb(1),
    Case::Bomb(2),
    Case::Bomb(3),
    Case::Bomb(4),
];

pub(crate) async fn run(number: usize) {
    match CASES[number] {
        Case::Large(codec) => large(codec).await,
        Case::Many(count) => many(count).await,
        Case::Bomb(number) => bomb(number).await,
    }
}

async fn large(codec: Codec) {
    let count = size_in_mib();
    let member = Member::file("large", (count * MIB) as u64).unwrap();
    let header = Writer::new().member(&member).unwrap();
    let tar = Repeated {
        start: header.into(),
        part: mebibyte().into(), // it needs no padding
        count,
        end: Bytes::from(vec![0; 1024]),
    };
    let layer = match codec {
        Codec::Plain => tar.clone(),
        codec => Repeated {
            start: encoded(&tar.start, codec).into(),
            part: encoded(&tar.part, codec).into(),
            end: encoded(&tar.end, codec).into(),
            count,
        },
    };
    let image = One::new(&type_of(codec), layer.clone(), &layer.digest(), &tar.digest());
    let (directory, unpacked) = unpacked(image).await;
    unpacked.unwrap();
    let file = fs::metadata(directory.path().join("root/large")).unwrap();
    assert_eq!(file.len(), (count * MIB) as u64);
}

async fn many(count: usize) {
    let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
    let mut encoder = crate::encoder(Codec::Gzip);
    let mut layer = Vec::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(bytes);
        encoder.encode(bytes, &mut layer).unwrap();
    };
    let mut writer = Writer::new();
    for number in 0..count {
        let name = format!("directory-{:03}/file-{number:06}", number / 1000);
        let member = Member::file(name, 1).unwrap();
        add(&writer.member(&member).unwrap());
        writer.content(1).unwrap();
        add(b"1");
        add(writer.end_member().unwrap());
    }
    add(writer.finish().unwrap());
    encoder.finish(&mut layer).unwrap();
    let layer = Repeated::of(layer, 1);
    let diff_id = hasher.finish().unwrap();
    let image = || One::new(&type_of(Codec::Gzip), layer.clone(), &layer.digest(), &diff_id);
    let (directory, unpacked) = unpacked(image()).await;
    unpacked.unwrap();
    let root = directory.path().join("root");
    let directories = fs::read_dir(&root).unwrap().count();
    assert_eq!(directories, count.div_ceil(1000));
    let root = Root::open(root).unwrap();
    let options = DiffOptions::default().with_ownership(Ownership::Current);
    let packed = |before: &Snapshot| diff(before, &root, &options, io::sink()).unwrap();
    let whole = packed(&Snapshot::empty());
    assert_eq!(whole.members, (count + directories) as u64);
    assert_eq!(packed(&Snapshot::of(&root).unwrap()).members, 0);
    let (image, options) = (image(), Options::default());
    let target = image.manifest.digest().into();
    let length = export(Arc::new(image), &target, io::sink(), &options)
        .await
        .unwrap();
    assert_eq!(length, whole.size);
}

async fn bomb(number: usize) {
    let (field, codec, layer) = bombs().swap_remove(number);
    let diff_id = Hasher::sha256(b"it is not read to its end");
    let image = One::new(&type_of(codec), layer.clone(), &layer.digest(), &diff_id);
    let (directory, unpacked) = unpacked(image).await;
    let error = unpacked.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let limit = format!("the limit `{field}` is");
    assert!(error.to_string().contains(&limit), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

async fn unpacked(image: One) -> (tempfile::TempDir, Result<(), Error>) {
    let directory = campaign::directory("wharf-memory-");
    let target = image.manifest.digest().into();
    let apply = ApplyOptions::default().with_ownership(Ownership::Current);
    let options = UnpackOptions::default().with_apply(apply);
    let unpacked = unpack(Arc::new(image), &target, directory.path().join("root"), &options).await;
    (directory, unpacked.map(drop))
}
