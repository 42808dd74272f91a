//! An engine that is stopped by SIGSTOP while clients push and pull, for longer than anything waits for it, and that goes on.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use wharf_testkit::{PostgreSql, Random, SeaweedFs, sha256};

use crate::{
    client::Client,
    clients,
    crowd::{Addresses, Crowd, Image},
    engines::Engines,
    process::Process,
    verify,
    worker::{LOOK, Mode},
};

/// The time of a request to an engine.
const PATIENCE: Duration = Duration::from_secs(1);
/// The connections of a process to its database, by default.
const CONNECTIONS: usize = 8;
/// How often the connections that are left are counted.
const COUNTS: usize = 600;
/// The pushes for which each step is waited.
const PUSHES: u64 = 5;

/// The engine that is stopped.
#[derive(Clone, Copy)]
pub(crate) enum Stopped<'a> {
    /// The database, with a store in this directory.
    Database(&'a Path),
    /// This store.
    Store(&'a SeaweedFs),
}

/// Two processes, of which none is taken away.
struct Both([Process; 2]);

impl Addresses for Both {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn address(&self, index: usize) -> Option<String> {
        self.0.get(index).map(|process| process.address.clone())
    }
}

pub(crate) async fn run(stopped: Stopped<'_>, seed: u64) -> String {
    let server = PostgreSql::builder().start();
    let url = server.socket_url(&server.create_database());
    let engines = match stopped {
        Stopped::Database(directory) => Engines::in_directory(url, directory),
        Stopped::Store(store) => Engines::in_bucket(url, store),
    };
    let engines = engines.with_patience(PATIENCE);
    let start = async || Process::start(&engines, Mode::Quiet).await.expect("it serves");
    let both = Arc::new(Both([start().await, start().await]));
    let crowd = Arc::new(Crowd::new(Arc::clone(&both) as _));
    let clients = clients::start(&crowd, seed);
    let kept = Image::with_layers(&[10_000], &mut Random::new(seed));
    for process in &both.0 {
        assert_eq!(
            Client::new(&process.address, "kept").push(&kept, "v1").await,
            Ok(())
        );
        assert_eq!(process.readiness().await, Ok(()));
    }
    crowd.wait_for_pushes(PUSHES).await;

    match stopped {
        Stopped::Database(_) => server.stall(),
        Stopped::Store(store) => store.stall(),
    }
    let mut asked = 0;
    for process in &both.0 {
        let client = Client::new(&process.address, "kept");
        let reason = loop {
            asked += assert_answers(stopped, &client, &kept).await;
            if let Err(reason) = process.readiness().await {
                break reason;
            }
        };
        let told = ["the storage does not answer: ", "changes cannot be recorded: "];
        assert!(told.iter().any(|told| reason.starts_with(told)), "{reason}");
    }
    match stopped {
        Stopped::Database(_) => server.go_on(),
        Stopped::Store(store) => store.go_on(),
    }
    for process in &both.0 {
        process.ready().await;
        assert!(
            Client::new(&process.address, "kept").pull(&kept).await,
            "it is there"
        );
    }
    crowd.wait_for_pushes(PUSHES).await;
    clients.end(&crowd).await;
    let found = verify::all(&crowd, &engines).await;
    assert_no_connection_is_left(&server, both.0.len()).await;
    format!(
        "{asked} requests were answered with 503 or by what was there; {}; {found}",
        crowd.counts()
    )
}

/// Makes requests of each kind: none is answered with what is not known.
async fn assert_answers(stopped: Stopped<'_>, client: &Client, kept: &Image) -> usize {
    let blob = format!("blobs/{}", sha256(&kept.blobs[1]));
    let push = format!("blobs/uploads/?digest={}", sha256(b"new"));
    let absent = format!("manifests/{}", sha256(b"absent"));
    let mut requests: Vec<(&str, &str, &[u8], u16)> =
        vec![("GET", &blob, b"", 503), ("POST", &push, b"new", 503)];
    // What needs the database alone is answered while the store is away.
    let of_database: [(&str, &str, &[u8], u16); 6] = [
        ("HEAD", &blob, b"", 200),
        ("GET", "manifests/v1", b"", 200),
        ("GET", &absent, b"", 404),
        ("GET", "tags/list", b"", 200),
        ("POST", "blobs/uploads/", b"", 202),
        ("PUT", "manifests/v2", &kept.manifest, 201),
    ];
    requests.extend(of_database.map(|(method, path, body, status)| match stopped {
        Stopped::Store(_) => (method, path, body, status),
        Stopped::Database(_) => (method, path, body, 503),
    }));
    let count = requests.len();
    let answers = requests
        .into_iter()
        .map(|(method, path, body, status)| async move {
            let answer = client.ask(method, path, body).await.expect("an answer");
            assert_eq!(
                (answer.status, answer.asks_to_wait),
                (status, status == 503),
                "{method} {path}"
            );
        });
    join_all(answers).await;
    count
}

/// Waits until the processes have no more connections than they may, whatever became of those on which nothing was answered.
async fn assert_no_connection_is_left(server: &PostgreSql, processes: usize) {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wharf-registry'";
    for _ in 0..COUNTS {
        let left: usize = server.query("postgres", count).parse().expect("a number");
        if left <= processes * CONNECTIONS {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("connections are left");
}
