//! Journals of older forms, as older programs have written them.

use std::fs;

use super::{open, path, put, records};
use crate::disk::{journal::*, records as entries};

const GOLDEN: [(&str, &[u8]); 2] = [
    ("lines", include_bytes!("golden/journal-1")),
    ("groups of JSON", include_bytes!("golden/journal-2")),
];

/// The records of a journal, as text.
async fn shown(journal: &Journal) -> Vec<String> {
    let all = journal.records().all().await.unwrap().into_iter();
    let decoded = all.map(|(key, value)| entries::decode(&key, &value).unwrap());
    decoded
        .map(|(path, record)| format!("{path} {record:?}"))
        .collect()
}

#[tokio::test]
async fn journals_of_older_forms_are_read_and_rewritten() {
    for (form, golden) in GOLDEN {
        let root = tempfile::tempdir().unwrap();
        fs::write(path(&root), golden).unwrap();
        let all = shown(&open(&root).unwrap()).await;
        let expected = [
            ("Blob", "size: 2, user: Some(\"mel\")"),
            ("Manifest", "annotations: {\"n\": \"v\"}"),
            ("Tag", "\"v1\", \"sha256:2b2b"),
        ];
        assert_eq!(all.len(), expected.len(), "{form}");
        for (shown, (kind, part)) in all.iter().zip(expected) {
            assert!(
                shown.starts_with(&format!("lib/app {kind}(")) && shown.contains(part),
                "{form}: {shown}"
            );
        }
        let rewritten = fs::read(path(&root)).unwrap();
        assert!(rewritten.starts_with(b"wharf journal 3 "), "{form}");
        let journal = open(&root).unwrap();
        assert!(fs::read(path(&root)).unwrap() == rewritten, "{form}: once");
        assert_eq!(shown(&journal).await, all);
    }
}

#[tokio::test]
async fn the_end_of_a_journal_of_an_older_form_may_be_torn_and_nothing_else() {
    for (form, golden) in GOLDEN {
        let root = tempfile::tempdir().unwrap();
        let last = golden[..golden.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        for (what, file, kept) in [
            ("cut", golden[..golden.len() - 1].to_vec(), last),
            ("cut in its head", golden[..last + 9].to_vec(), last),
            ("zeros after it", [golden, &[0; 4096]].concat(), golden.len()),
        ] {
            fs::write(path(&root), &file).unwrap();
            let journal = open(&root).unwrap();
            let records = shown(&journal).await.len();
            assert_eq!(records, if kept == last { 5 } else { 3 }, "{form}, {what}");
            let torn = journal.torn().map(|torn| (torn.offset, torn.bytes));
            assert_eq!(
                torn,
                Some((kept as u64, (file.len() - kept) as u64)),
                "{form}, {what}"
            );
        }
        for position in (0..last).step_by(7) {
            let mut corrupt = golden.to_vec();
            corrupt[position] ^= 1;
            fs::write(path(&root), &corrupt).unwrap();
            let error = open(&root).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{form}, {position}");
            assert!(fs::read(path(&root)).unwrap() == corrupt, "it is left as it was");
        }
    }
}

#[tokio::test]
async fn a_journal_of_a_newer_form_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(&root).unwrap();
    journal.write(&put("a", "1")).await.unwrap();
    assert_eq!(records(&journal).await.len(), 1);
    drop(journal);
    let sum = wharf_content::Hasher::sha256(b"wharf journal 4 anything else");
    let sum = sum.encoded().get(..16).unwrap();
    let header = format!("wharf journal 4 anything else {sum}\n");
    for (what, header, kind) in [
        ("whole", header.clone(), ErrorKind::Unsupported),
        ("damaged", header.replace("else", "elsf"), ErrorKind::Corrupt),
        ("no number", header.replace('4', "x"), ErrorKind::Corrupt),
    ] {
        let file = [header.as_bytes(), &[7; 1000]].concat();
        fs::write(path(&root), &file).unwrap();
        let error = open(&root).err().unwrap();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(fs::read(path(&root)).unwrap() == file, "{what}");
    }
}
