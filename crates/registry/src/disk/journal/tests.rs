use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
};

use super::{open::SLACK_AT_START, *};

mod legacy;
mod rewriting;
mod sorted;

type Records = BTreeMap<String, String>;

fn put(key: &str, value: &str) -> Vec<Entry> {
    vec![Entry {
        key: key.into(),
        value: Some(value.into()),
    }]
}

fn remove(key: &str) -> Vec<Entry> {
    vec![Entry {
        key: key.into(),
        value: None,
    }]
}

/// Opens the journal, which has passed on the records that it lists.
fn open(root: &tempfile::TempDir) -> Result<Journal, Error> {
    let mut passed = BTreeMap::new();
    let journal = Journal::open(root.path(), &mut |key, value| {
        match value {
            Some(value) => drop(passed.insert(key.to_vec(), value.to_vec())),
            None => drop(passed.remove(key)),
        }
        Ok(())
    })?;
    let (mut scan, length) = journal.shared.scan()?;
    let mut listed = BTreeMap::new();
    merge::current(&mut scan, length, |key, value| {
        listed.insert(key.to_vec(), value.to_vec());
        Ok(())
    })?;
    assert!(passed == listed);
    Ok(journal)
}

async fn records(journal: &Journal) -> Records {
    let records = journal.records().all().await.unwrap();
    assert!(records.is_sorted(), "in the order of their keys, each once");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let records = records.into_iter().map(|(key, value)| (text(key), text(value)));
    records.collect()
}

fn path(root: &tempfile::TempDir) -> PathBuf {
    root.path().join("journal")
}

fn length(root: &tempfile::TempDir) -> u64 {
    fs::metadata(path(root)).unwrap().len()
}

/// The offsets of the groups of a journal.
fn groups(path: &Path) -> Vec<usize> {
    let file = File::open(path).unwrap();
    let end = file.metadata().unwrap().len();
    let mut reader = format::Reader::new(file, end).unwrap().unwrap();
    let mut offsets = Vec::new();
    loop {
        let offset = reader.offset;
        match reader.next().unwrap() {
            format::Next::Group(_) => offsets.push(usize::try_from(offset).unwrap()),
            format::Next::End => return offsets,
            format::Next::Corrupt => panic!("the journal is whole"),
        }
    }
}

/// Writes the changes of seven writers at once. Returns the records that were acknowledged before, the bytes
/// of the file, and the offset in the file at which its last group begins.
async fn written(root: &tempfile::TempDir, size: usize) -> (Records, Vec<u8>, usize) {
    let journal = open(root).unwrap();
    for number in 0..3 {
        journal
            .write(&put(&format!("k{number}"), "acknowledged"))
            .await
            .unwrap();
    }
    let acknowledged = records(&journal).await;
    drop(journal);
    let journal = open(root).unwrap(); // nobody writes to this one yet
    let values = (0..7)
        .map(|number| "x".repeat(size + 7 * number))
        .collect::<Vec<_>>();
    let changes = values.iter().enumerate();
    let changes = changes
        .map(|(number, value)| put(&format!("m/{number}"), value))
        .collect::<Vec<_>>();
    let waiting = changes.iter().map(|change| {
        let (sender, _) = oneshot::channel();
        encode(change, sender)
    });
    let mut permit = None;
    for waiting in waiting {
        permit = permit.or(WritePermit::queue(&journal.shared, waiting).unwrap());
    }
    permit.unwrap().run();
    assert_eq!(records(&journal).await.len(), 10);
    drop(journal);
    let file = fs::read(path(root)).unwrap();
    let last = *groups(&path(root)).last().unwrap();
    (acknowledged, file, last)
}

/// The journal opens with what was acknowledged, and goes on from there.
async fn opens(root: &tempfile::TempDir, file: &[u8], expected: &Records, what: &str) {
    fs::write(path(root), file).unwrap();
    let journal = open(root).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(records(&journal).await == *expected, "{what}");
    journal.write(&put("after", "1")).await.unwrap();
    drop(journal);
    let journal = open(root).unwrap();
    assert_eq!(records(&journal).await.len(), expected.len() + 1, "{what}");
}

#[tokio::test]
async fn an_append_that_was_not_acknowledged_may_be_cut_at_every_byte() {
    let root = tempfile::tempdir().unwrap();
    let (acknowledged, file, last) = written(&root, 20).await;
    for cut in last..file.len() {
        fs::write(path(&root), &file[..cut]).unwrap();
        let journal = open(&root).unwrap_or_else(|error| panic!("{cut}: {error}"));
        assert_eq!(length(&root), last as u64, "{cut}");
        if cut % 31 == 0 {
            drop(journal);
            opens(&root, &file[..cut], &acknowledged, &format!("cut at {cut}")).await;
        }
    }
}

/// Sectors that did not get to the disk, in any combination of what else may be there.
#[tokio::test]
async fn an_append_that_was_not_acknowledged_may_be_torn_at_every_sector() {
    let root = tempfile::tempdir().unwrap();
    let (acknowledged, file, last) = written(&root, 500).await;
    let garbage = wharf_testkit::noise(7, 512);
    let lines = b"\n0000000000000000 00000010 0123456789abcdef 0123456789abcdef [[\"k0\",null]]\n".repeat(8);
    let fills: [(&str, &[u8]); 4] = [
        ("zeros", &[0; 512]),
        ("ones", &[0xff; 512]),
        ("garbage", &garbage),
        ("lines", &lines[..512]),
    ];
    let sectors = (0..file.len().div_ceil(512)).map(|sector| sector * 512..(sector + 1) * 512);
    let sectors = sectors.filter(|sector| sector.end > last).collect::<Vec<_>>();
    assert!(sectors.len() >= 8);
    for (name, fill) in fills {
        for first in 0..sectors.len() {
            for count in [1, 3, sectors.len()] {
                let mut torn = file.clone();
                torn.resize(sectors[sectors.len() - 1].end, 0);
                for sector in sectors.iter().skip(first).step_by(2).take(count) {
                    let start = sector.start.max(last);
                    torn[start..sector.end].copy_from_slice(&fill[start - sector.start..]);
                }
                if torn[last..file.len()] == file[last..] {
                    continue; // only what is beyond the group
                }
                opens(
                    &root,
                    &torn,
                    &acknowledged,
                    &format!("{name} from {first}, {count}"),
                )
                .await;
            }
        }
    }
    // The order of two sectors is another.
    for swapped in sectors
        .windows(2)
        .filter(|pair| pair[0].start >= last && pair[1].end <= file.len())
    {
        let mut torn = file.clone();
        torn[swapped[0].clone()].copy_from_slice(&file[swapped[1].clone()]);
        torn[swapped[1].clone()].copy_from_slice(&file[swapped[0].clone()]);
        opens(&root, &torn, &acknowledged, "swapped").await;
    }
}

#[tokio::test]
async fn what_a_crash_leaves_behind_the_last_group_is_no_corruption() {
    let root = tempfile::tempdir().unwrap();
    let (_, file, last) = written(&root, 500).await;
    let all = {
        let journal = open(&root).unwrap();
        records(&journal).await
    };
    let other = tempfile::tempdir().unwrap();
    let (_, elsewhere, _) = written(&other, 500).await;
    for (what, more) in [
        ("zeros", vec![0; 100_000]),
        ("a newline", b"\n".to_vec()),
        ("garbage", wharf_testkit::noise(3, 70_000)),
        ("the group again", file[last..].to_vec()),
        ("another journal", elsewhere.clone()),
        ("an old line", b"0123456789abcdef [[\"k0\",null]]\n".to_vec()),
    ] {
        opens(&root, &[file.clone(), more].concat(), &all, what).await;
    }
}

#[tokio::test]
async fn corruption_of_what_was_acknowledged_is_found_at_every_byte() {
    let root = tempfile::tempdir().unwrap();
    let (_, file, last) = written(&root, 20).await;
    for position in 0..last {
        for bit in [1, 0x80] {
            let mut corrupt = file.clone();
            corrupt[position] ^= bit;
            fs::write(path(&root), &corrupt).unwrap();
            let error = open(&root).err();
            let error = error.unwrap_or_else(|| panic!("byte {position} was not missed"));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{position}: {error}");
            assert!(error.to_string().contains("restore it from a backup"), "{error}");
            assert!(fs::read(path(&root)).unwrap() == corrupt, "it is left as it was");
        }
    }
    for missing in [0..last, 83..last, last - 10..last, 90..91] {
        let mut corrupt = file.clone();
        corrupt.drain(missing.clone());
        fs::write(path(&root), &corrupt).unwrap();
        let error = open(&root).err();
        let error = error.unwrap_or_else(|| panic!("{missing:?} were not missed"));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{missing:?}: {error}");
    }
}

#[tokio::test]
async fn a_group_whose_head_alone_is_whole_tells_that_the_one_before_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let (_, file, last) = written(&root, 500).await;
    for kept in [60, 61, 500] {
        let mut corrupt = file[..last + kept].to_vec();
        corrupt[last - 5] ^= 1;
        fs::write(path(&root), &corrupt).unwrap();
        let error = open(&root).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{kept}");
    }
}

/// The journal of a registry that fails to sync as often as it is told to.
fn failing(root: &tempfile::TempDir) -> (Journal, Arc<AtomicI64>) {
    let failures = Arc::new(AtomicI64::new(0));
    let left = Arc::clone(&failures);
    let sync = move |file: &File| {
        if left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(io::Error::other("the disk has gone"));
        }
        left.store(0, Ordering::SeqCst);
        file.sync_all()
    };
    let journal =
        Journal::with_sync(root.path(), Box::new(sync), Duration::ZERO, &mut |_, _| Ok(())).unwrap();
    (journal, failures)
}

#[tokio::test]
async fn after_a_failed_sync_the_journal_is_written_anew() {
    for failures in 1..5 {
        let root = tempfile::tempdir().unwrap();
        let (journal, left) = failing(&root);
        journal.write(&put("before", "1")).await.unwrap();
        left.store(failures, Ordering::SeqCst);
        let error = journal.write(&put("lost", "1")).await.unwrap_err();
        assert!(error.to_string().contains("the disk has gone"), "{error}");
        for _ in 2..failures {
            let error = journal.write(&put("lost", "2")).await.unwrap_err();
            assert!(error.to_string().contains("no change can be recorded"), "{error}");
            assert!(error.to_string().contains("the disk has gone"), "{error}");
            assert!(journal.shared.queue().health().is_err());
        }
        journal.write(&put("after", "1")).await.unwrap();
        journal.health().unwrap();
        assert_eq!(
            fs::read_dir(root.path()).unwrap().count(),
            1,
            "no new journal is left"
        );
        let expected = Records::from([("before".into(), "1".into()), ("after".into(), "1".into())]);
        assert_eq!(records(&journal).await, expected);
        drop(journal);
        let journal = open(&root).unwrap();
        assert_eq!(records(&journal).await, expected);
    }
}

/// Whoever watches a registry's health and sends it no more requests because of it triggers the rewrite all
/// the same.
#[tokio::test]
async fn who_asks_for_the_health_has_the_journal_mended() {
    let root = tempfile::tempdir().unwrap();
    let (journal, left) = failing(&root);
    left.store(4, Ordering::SeqCst);
    journal.write(&put("lost", "1")).await.unwrap_err();
    let mut asked = 0;
    while let Err(error) = journal.health() {
        assert!(error.to_string().contains("the disk has gone"), "{error}");
        asked += 1;
        tokio::task::yield_now().await;
    }
    assert!(asked >= 2, "{asked}");
    journal.write(&put("after", "1")).await.unwrap();
}

#[tokio::test]
async fn a_journal_stays_within_twice_what_lives_over_any_number_of_restarts() {
    let root = tempfile::tempdir().unwrap();
    let mut expected = Records::new();
    for round in 0..30_usize {
        let journal = open(&root).unwrap();
        for number in 0..40 {
            let (key, value) = (
                format!("kept/{}", number % (round + 1)),
                format!("{round}.{number}").repeat(50),
            );
            journal.write(&put(&key, &value)).await.unwrap();
            expected.insert(key, value);
            let passing = format!("passing/{number}");
            journal.write(&put(&passing, &"y".repeat(2000))).await.unwrap();
            journal.write(&remove(&passing)).await.unwrap();
        }
        drop(journal); // as kill -9 would
        let journal = open(&root).unwrap();
        let lives: usize = expected
            .iter()
            .map(|(key, value)| key.len() + value.len() + 8)
            .sum();
        assert!(
            length(&root) <= 2 * lives as u64 + SLACK_AT_START,
            "{round}: {}",
            length(&root)
        );
        assert!(records(&journal).await == expected, "{round}");
    }
}
