//! The sorted part: its end is known, so that nothing that is wrong in it is taken for a torn append.

use std::fs;

use super::{
    super::{format::*, rewrite::Rewriting, *},
    groups, open, path, put, records, remove,
};

/// A journal with a sorted part of several groups, and appended ones: its bytes, and the offsets of its groups.
async fn rewritten(root: &tempfile::TempDir) -> (Vec<u8>, Vec<usize>, usize) {
    let journal = open(root).unwrap();
    for number in 0..40 {
        let key = format!("k{:02}", number * 7 % 40);
        journal
            .write(&put(&key, &format!("{number} ").repeat(2000)))
            .await
            .unwrap();
    }
    journal.write(&remove("k03")).await.unwrap();
    let before = records(&journal).await;
    drop(journal);
    let journal = open(root).unwrap(); // which rewrites it
    assert!(records(&journal).await == before && before.len() == 39);
    let sorted = usize::try_from(length_of(root)).unwrap();
    journal.write(&put("k05", "later")).await.unwrap();
    journal.write(&remove("k07")).await.unwrap();
    drop(journal);
    let all = groups(&path(root));
    assert!(all.iter().filter(|offset| **offset < sorted).count() > 2);
    (fs::read(path(root)).unwrap(), all, sorted)
}

fn length_of(root: &tempfile::TempDir) -> u64 {
    fs::metadata(path(root)).unwrap().len()
}

fn is_refused(root: &tempfile::TempDir, file: &[u8], what: &str) {
    fs::write(path(root), file).unwrap();
    let error = open(root)
        .err()
        .unwrap_or_else(|| panic!("{what} was not missed"));
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
    assert!(
        fs::read(path(root)).unwrap() == file,
        "{what}: it is left as it was"
    );
}

#[tokio::test]
async fn the_state_after_a_rewriting_is_the_state_before() {
    let root = tempfile::tempdir().unwrap();
    let noise = wharf_testkit::noise(11, 8_000);
    let mut expected = std::collections::BTreeMap::new();
    for round in noise.chunks(800) {
        let journal = open(&root).unwrap();
        for step in round.chunks(4) {
            let key = format!("{}", u16::from(step[0]) * 3);
            if step[1] % 4 == 0 {
                journal.write(&remove(&key)).await.unwrap();
                expected.remove(&key);
            } else {
                let value = format!("{}", step[2]).repeat(usize::from(step[3] % 20));
                journal.write(&put(&key, &value)).await.unwrap();
                expected.insert(key, value);
            }
        }
        assert!(records(&journal).await == expected);
        drop(journal);
        let tail = open::rewrite(&path(&root), length_of(&root), &|_| Ok(())).unwrap();
        assert_eq!((tail.sorted, tail.length), (length_of(&root), length_of(&root)));
        assert!(records(&open(&root).unwrap()).await == expected);
    }
}

#[tokio::test]
async fn a_sorted_part_that_is_cut_anywhere_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (file, groups, sorted) = rewritten(&root).await;
    for offset in groups.iter().copied().filter(|offset| *offset <= sorted) {
        for cut in [
            offset.saturating_sub(1),
            offset,
            offset + 1,
            offset + 60,
            offset + 100,
        ] {
            if cut < sorted && cut > 0 {
                is_refused(&root, &file[..cut], &format!("cut at {cut}"));
            }
        }
    }
    fs::write(path(&root), &file[..sorted]).unwrap();
    assert_eq!(
        records(&open(&root).unwrap()).await.len(),
        39,
        "all but what was appended"
    );
}

#[tokio::test]
async fn a_sorted_part_with_a_wrong_byte_is_refused_also_where_nothing_follows() {
    let root = tempfile::tempdir().unwrap();
    let (file, groups, sorted) = rewritten(&root).await;
    let heads = groups.iter().flat_map(|offset| *offset..offset + 70);
    let positions = (0..90)
        .chain(heads)
        .chain((0..sorted).step_by(997))
        .chain([sorted - 1]);
    for (number, position) in positions.filter(|position| *position < sorted).enumerate() {
        let mut corrupt = if number % 2 == 0 {
            file.clone()
        } else {
            file[..sorted].to_vec()
        };
        corrupt[position] ^= 1;
        is_refused(&root, &corrupt, &format!("byte {position}"));
    }
}

#[tokio::test]
async fn a_sorted_part_of_other_groups_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (file, offsets, sorted) = rewritten(&root).await;
    let other = tempfile::tempdir().unwrap();
    let (elsewhere, ..) = rewritten(&other).await;
    let header = offsets[0];
    is_refused(
        &root,
        &[&file[..header], &elsewhere[header..]].concat(),
        "what another journal has",
    );
    let without = [&file[..offsets[0]], &file[offsets[1]..]].concat();
    is_refused(&root, &without, "one that lacks a group");
    let swapped = [
        &file[..header],
        &file[offsets[1]..offsets[2]],
        &file[header..offsets[1]],
    ]
    .concat();
    is_refused(
        &root,
        &[&*swapped, &file[offsets[2]..]].concat(),
        "one whose groups are swapped",
    );
    is_refused(&root, &file[..sorted - 1], "one that is shorter by a byte");
    is_refused(&root, b"PK\x03\x04 of others", "a file of others");
}

/// Whoever could write sums could write these; no program does.
#[tokio::test]
async fn a_sorted_part_with_changes_that_it_cannot_have_is_refused() {
    type Changes<'c> = &'c [(&'c str, Option<&'c str>)];
    let cases: [(&str, Changes<'_>); 4] = [
        ("out of order", &[("b", Some("1")), ("a", Some("1"))]),
        ("a key twice", &[("a", Some("1")), ("a", Some("2"))]),
        ("a removal", &[("a", Some("1")), ("b", None)]),
        ("nothing wrong", &[("a", Some("1")), ("b", Some("2"))]),
    ];
    for (what, changes) in cases {
        let root = tempfile::tempdir().unwrap();
        let mut writing = Rewriting::begin(&path(&root)).unwrap();
        for (key, value) in changes {
            writing.push(key.as_bytes(), value.map(str::as_bytes)).unwrap();
        }
        writing.end_sorted().unwrap();
        writing.replace(&path(&root), &|_| Ok(())).unwrap();
        if what == "nothing wrong" {
            assert_eq!(records(&open(&root).unwrap()).await.len(), 2);
        } else {
            is_refused(&root, &fs::read(path(&root)).unwrap(), what);
        }
    }
    // Bytes that are no changes, with a sum that is right.
    let root = tempfile::tempdir().unwrap();
    let id = FileId::new().unwrap();
    let header = id.header(Form::Packed(0)).unwrap();
    for changes in [&[5, 0, 0][..], &[0, 9, 1], &[0, 1, b'k', 200], b"[[\"k\",null]]"] {
        let group = id.group(header.len() as u64, changes).unwrap();
        is_refused(&root, &[&*header, &group].concat(), "no changes");
    }
}
