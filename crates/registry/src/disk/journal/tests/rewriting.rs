//! Rewriting a journal while others write to it.

use std::fs;

use super::{
    super::{beside::Beside, *},
    length, open, path, put, records, remove, written,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_written_anew_beside_its_writers() {
    let root = tempfile::tempdir().unwrap();
    let journal = Arc::new(open(&root).unwrap());
    journal.write(&put("kept", "1")).await.unwrap();
    let first = fs::read(path(&root)).unwrap()[..66].to_vec();
    for round in 0..30 {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let journal = Arc::clone(&journal);
            writers.spawn(async move {
                let large = format!("{round}").repeat(100_000);
                journal.write(&put(&format!("w/{writer}"), &large)).await.unwrap();
                if round % 3 == writer % 3 {
                    journal.write(&remove(&format!("w/{writer}"))).await.unwrap();
                }
            });
        }
        writers.join_all().await;
    }
    // However slow the rewriting is: sooner or later it is done.
    while length(&root) > 4_000_000 {
        journal.write(&put("small", "1")).await.unwrap();
    }
    journal.write(&remove("small")).await.unwrap();
    // Records are read while nobody writes, or rewrites the file.
    while Arc::strong_count(&journal.shared) > 1 {
        tokio::task::yield_now().await;
    }
    assert!(
        fs::read(path(&root)).unwrap()[..66] != first,
        "it is another file"
    );
    let now = records(&journal).await;
    assert_eq!(now.len(), 4); // of writers 0, 1 and 3 the last, and what was kept
    assert_eq!(now["kept"], "1");
    drop(journal);
    let journal = open(&root).unwrap();
    assert!(records(&journal).await == now);
}

/// Writes changes, or queues them if writers have to wait.
fn write_now(journal: &Journal, changes: &[Entry]) -> oneshot::Receiver<Result<(), Error>> {
    let (sender, written) = oneshot::channel();
    let changes = encode(changes, sender);
    let permit = WritePermit::queue(&journal.shared, changes).unwrap();
    permit.expect("nobody else writes").run();
    written
}

/// Waits until nobody rewrites the journal or writes to it.
async fn until_at_rest(journal: &Journal) {
    let at_rest = |queue: &Queue| matches!(queue.rewriting, Beside::None) && queue.tail.is_some();
    while !at_rest(&journal.shared.queue()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn writers_wait_for_a_rewriting_that_they_outpace() {
    const SIZE: usize = 50_000;
    for (current, removes) in [(0, false), (1, false), (1, true), (20, false), (50, true)] {
        let root = tempfile::tempdir().unwrap();
        let journal =
            Journal::with_sync(root.path(), Box::new(|_| Ok(())), RETRY, &mut |_, _| Ok(())).unwrap();
        for number in 0..current {
            let change = put(&format!("current/{number}"), &"x".repeat(SIZE));
            write_now(&journal, &change).try_recv().unwrap().unwrap();
            until_at_rest(&journal).await;
        }
        // Begun, and so slow that nothing of it is done while others write.
        let shared = &journal.shared;
        let now = length(&root);
        shared.queue().rewriting = Beside::Begun(2 * (2 * now + SLACK));
        let mut waiting = None;
        for number in 0..1000 {
            let mut changes = put("outdated", &format!("{number:0SIZE$}"));
            if removes {
                changes.extend(remove("outdated"));
            }
            let mut written = write_now(&journal, &changes);
            if written.try_recv().is_err() {
                waiting = Some((number, written));
                break;
            }
        }
        let case = format!("{current} records, {removes}");
        let (last, written) = waiting.unwrap_or_else(|| panic!("nobody waits: {case}"));
        let limit = 4 * now + 2 * SLACK;
        let longest = length(&root);
        assert!(longest > limit && longest < limit + 60_000, "{case}: {longest}");

        shared.end_rewriting(shared.write_beside());
        written.await.unwrap().unwrap();
        let after = length(&root);
        assert!(after <= 2 * now + SLACK, "{case}: {after}");
        let last = (!removes).then(|| format!("{last:0SIZE$}"));
        let kept = records(&journal).await;
        assert!(kept.get("outdated") == last.as_ref(), "{case}");
        assert_eq!(kept.len(), current + usize::from(last.is_some()), "{case}");
    }
}

#[tokio::test]
async fn a_rewriting_that_fails_lets_its_writers_go_on() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(&root).unwrap();
    journal.shared.queue().rewriting = Beside::Begun(0);
    let mut written = write_now(&journal, &put("a", "1"));
    assert!(written.try_recv().is_err());
    let full = Error::new(ErrorKind::NoSpace, "full");
    journal.shared.end_rewriting(Err(full));
    written.await.unwrap().unwrap();
    assert_eq!(records(&journal).await.len(), 1);
}

#[tokio::test]
async fn what_is_left_of_a_rewriting_that_was_killed_goes() {
    for left in [
        Vec::new(),
        b"wharf journal 2 ".to_vec(),
        wharf_testkit::noise(1, 5000),
    ] {
        let root = tempfile::tempdir().unwrap();
        let (_, file, _) = written(&root, 500).await;
        for name in ["journal.new", "journal.01234567.new"] {
            fs::write(root.path().join(name), &left).unwrap();
        }
        let journal = open(&root).unwrap();
        assert_eq!(records(&journal).await.len(), 10);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert!(fs::read(path(&root)).unwrap() == file);
    }
}
