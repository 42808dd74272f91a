use std::sync::Arc;

use wharf_content::MediaType;
use wharf_reference::{Digest, Tag};

use super::*;
use crate::{BlobRecord, ManifestRecord, Record};

fn digest(number: u64) -> Digest {
    match number % 5 {
        3 => Digest::parse(&format!(
            "sha512:{}",
            format!("{number:02x}").repeat(64).get(..128).unwrap()
        )),
        4 => Digest::parse(&format!("blake3:{number}")),
        _ => Digest::parse(&format!(
            "sha256:{}",
            format!("{number:02x}").repeat(64).get(..64).unwrap()
        )),
    }
    .unwrap()
}

fn manifest(parts: u32) -> ManifestRecord {
    let has = |part: u32| parts & 1 << part != 0;
    ManifestRecord {
        media_type: MediaType::from_document(if has(0) {
            "sbom"
        } else {
            MediaType::OCI_MANIFEST.as_str()
        }),
        size: u64::from(parts) << (parts % 50),
        subject: has(1).then(|| digest(parts.into())),
        artifact_type: has(2).then(|| MediaType::from_document(if has(0) { "" } else { "x/y" })),
        annotations: (0..u32::from(has(3)) * 3)
            .map(|n| (format!("name {n}"), "ä".repeat(100)))
            .collect(),
        blobs: (0..u64::from(has(4)) * 7)
            .map(|n| (digest(n), 1 << (n * 9)))
            .collect(),
        manifests: (0..u64::from(has(5)) * 7).map(|n| digest(n + 3)).collect(),
        user: has(6).then(|| "mel".into()),
        content: None,
    }
}

fn records() -> Vec<Record> {
    let mut records = (0..128)
        .map(|parts| Record::Manifest(digest(u64::from(parts)), Arc::new(manifest(parts))))
        .collect::<Vec<_>>();
    records.push(Record::Blob(digest(4), BlobRecord::new(u64::MAX)));
    records.push(Record::Blob(digest(3), BlobRecord::new(0).with_user("somebody")));
    records.push(Record::Tag(Tag::latest(), digest(2)));
    records
}

#[test]
fn records_read_back_and_no_beginning_of_them_is_one() {
    for record in records() {
        let (key, value) = (pack_key(&record.key()), pack_value(&record));
        assert_eq!(unpack(&key, &value), Some(record.clone()));
        for cut in 0..value.len() {
            assert_eq!(unpack(&key, &value[..cut]), None, "{record:?} cut at {cut}");
        }
        assert_eq!(unpack(&key, &[&*value, &[0]].concat()), None);
        if let Record::Blob(_, BlobRecord { size, user, .. }) = &record {
            let counted = Counted::of(&value).unwrap();
            assert_eq!((counted.size, counted.user), (*size, user.as_deref()));
        }
        if let Record::Manifest(_, manifest) = &record {
            let parts = PackedManifest::parse(&value).unwrap();
            assert_eq!(
                parts.needed().count(),
                manifest.blobs.len() + manifest.manifests.len()
            );
            assert_eq!(parts.subject.and_then(unpack_digest), manifest.subject);
        }
    }
}

#[test]
fn packed_records_stay_as_they_are() {
    let digests = records()
        .iter()
        .flat_map(|record| [pack_key(&record.key()), pack_value(record)])
        .collect::<Vec<_>>();
    let all = wharf_content::Hasher::sha256(&digests.concat());
    assert_eq!(
        all,
        "sha256:e92c6baada9132f0c5964877a081a7a815343037fa1b2a94164545c8687e6822"
    );
}
