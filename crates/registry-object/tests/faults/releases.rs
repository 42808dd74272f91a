//! Processes of two releases, as there are while one replaces the other under load. The later one is this code with a migration more, or
//! with another layout of the store.

use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};

use wharf_testkit::{PostgreSql, Random};

use crate::{
    client::Client,
    clients,
    crowd::{Addresses, Crowd, Image},
    engines::{Engines, Release},
    process::Process,
    verify,
    worker::Mode,
};

/// The pushes for which each step of the update is waited.
const PUSHES: u64 = 5;

/// The addresses that a balancer sends requests to.
#[derive(Default)]
struct Fleet(Mutex<Vec<String>>);

impl Addresses for Fleet {
    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    fn address(&self, index: usize) -> Option<String> {
        self.0.lock().expect("no panic").get(index).cloned()
    }
}

impl Fleet {
    fn set(&self, processes: &[&Process]) {
        let addresses = processes.iter().map(|process| process.address.clone());
        *self.0.lock().expect("no panic") = addresses.collect();
    }
}

/// Replaces two processes of this release by two of a later one while clients push, pull, delete and move tags, and goes back if that is
/// possible.
pub(crate) async fn run(server: &PostgreSql, store: &Path, next: Release, seed: u64) -> String {
    let database = server.create_database();
    let engines = Engines::in_directory(server.socket_url(&database), store);
    let newer = engines.clone().with_release(next);
    let start = async |engines: &Engines| Process::start(engines, Mode::Quiet).await.expect("it serves");
    let (one, two) = (start(&engines).await, start(&engines).await);
    let fleet = Arc::new(Fleet::default());
    fleet.set(&[&one, &two]);
    let crowd = Arc::new(Crowd::new(Arc::clone(&fleet) as _));
    let clients = clients::start(&crowd, seed);
    crowd.wait_for_pushes(PUSHES).await;
    let kept = Image::with_layers(&[10_000], &mut Random::new(seed));
    assert_eq!(Client::new(&one.address, "kept").push(&kept, "v1").await, Ok(()));
    for old in [&one, &two] {
        assert_eq!(old.readiness().await, Ok(()), "before {next:?}");
    }

    let three = start(&newer).await;
    fleet.set(&[&one, &two, &three]);
    if next == Release::Adds {
        crowd.wait_for_pushes(PUSHES).await;
        server.query(&database, "UPDATE tags SET pinned = true WHERE name = 'v1'");
        // The tag is moved by an older process, which does not know of the column.
        let moved = Client::new(&one.address, "kept").push(&kept, "v1").await;
        assert_eq!(moved, Ok(()));
        assert_eq!(one.readiness().await, Ok(()), "beside {next:?}");
    } else {
        for old in [&one, &two] {
            let reason = old.unready().await;
            assert!(reason.contains("run a newer release"), "{next:?}: {reason}");
        }
        fleet.set(&[&three]);
        assert_reads_on(&one, &kept).await;
        crowd.wait_for_pushes(PUSHES).await;
    }

    let four = start(&newer).await;
    fleet.set(&[&three, &four]);
    crowd.wait_for_pushes(PUSHES).await; // no request goes to the others any more
    one.drain().await;
    two.drain().await;
    crowd.wait_for_pushes(PUSHES).await;

    let again = Process::start(&engines, Mode::Quiet).await;
    let last = if next == Release::Adds {
        let again = again.expect("it uses tables that were extended");
        fleet.set(&[&again]);
        crowd.wait_for_pushes(PUSHES).await;
        three.drain().await;
        crowd.wait_for_pushes(PUSHES).await;
        let pinned = server.query(&database, "SELECT pinned FROM tags WHERE name = 'v1'");
        assert_eq!(pinned, "t");
        assert_eq!(crowd.unanswered.load(Ordering::Relaxed), 0, "requests go on");
        again
    } else {
        let reason = again.err().expect("there is no way back");
        assert!(reason.contains("run a newer release"), "{next:?}: {reason}");
        three
    };
    clients.end(&crowd).await;
    assert!(
        Client::new(&last.address, "kept").pull(&kept).await,
        "after {next:?}"
    );
    let found = verify::all(&crowd, &newer).await;
    drop(four);
    format!("{}; {found}", crowd.counts())
}

/// A process that may not write answers each change with 503 and reads on.
async fn assert_reads_on(old: &Process, kept: &Image) {
    let client = Client::new(&old.address, "kept");
    assert!(client.pull(kept).await, "it reads on");
    let begun = client.ask("POST", "blobs/uploads/", b"").await;
    let tagged = client.ask("PUT", "manifests/v2", &kept.manifest).await;
    let deleted = client.ask("DELETE", "manifests/v1", b"").await;
    for (what, answer) in [("POST", begun), ("PUT", tagged), ("DELETE", deleted)] {
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.asks_to_wait), (503, true), "{what}");
    }
    assert!(client.pull(kept).await, "nothing has changed");
}
