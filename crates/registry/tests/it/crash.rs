//! `kill -9` while clients push: what was acknowledged is there afterwards, what was not is whole or gone.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_reference::Digest;
use wharf_registry::{DiskBackend, Registry};

use crate::wire::{self, Answer, MANIFEST, digest, manifest, with_digest};

const ROOT: &str = "WHARF_TEST_CRASH_ROOT";
const ROUNDS: u64 = 12;

/// The process that is killed: this test program again, serving from a directory until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "serves until it is killed, for the test below"]
async fn child() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    let backend = DiskBackend::open(root).await.unwrap();
    let server = Registry::open(backend).await.unwrap().serve().await.unwrap();
    println!("\nat {}", server.address());
    std::future::pending::<()>().await;
}

struct Victim {
    process: Child,
    address: SocketAddr,
}

impl Victim {
    fn start(root: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--ignored", "--nocapture"])
            .env(ROOT, root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("at ").map(|address| address.parse().unwrap()));
        Self {
            process,
            address: address.expect("the child says where it is"),
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One request; `None` if the server died.
async fn call(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {MANIFEST}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.ok()?;
    let whole = received.windows(4).any(|window| window == b"\r\n\r\n");
    whole.then(|| wire::read(&received, method == "HEAD"))
}

/// What a client has been told.
#[derive(Default)]
struct Told {
    blobs: Vec<(Digest, Vec<u8>)>,
    tags: Vec<(String, Vec<u8>)>,
    /// An upload that was open, its bytes, and how many of them were acknowledged.
    open: Option<(String, Vec<u8>, usize)>,
}

/// Pushes images until the server dies.
async fn push(address: SocketAddr, client: u64, round: u64) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        let layer = format!("{client}-{round}-{number}-").repeat(20_000).into_bytes();
        let own = digest(&layer);
        let Some(opened) = call(address, "POST", "/v2/a/blobs/uploads/", b"").await else {
            return told;
        };
        let session = opened.location();
        told.open = Some((session.clone(), layer.clone(), 0));
        let half = layer.len() / 2;
        if call(address, "PATCH", &session, &layer[..half]).await.is_none() {
            return told;
        }
        told.open = Some((session.clone(), layer.clone(), half));
        if call(address, "PUT", &with_digest(&session, &own), &layer[half..])
            .await
            .is_none()
        {
            return told;
        }
        told.open = None;
        told.blobs.push((own, layer.clone()));
        let empty = with_digest("/v2/a/blobs/uploads/", &digest(b"{}"));
        if call(address, "POST", &empty, b"{}").await.is_none() {
            return told;
        }
        let document = manifest(b"{}", &[&layer]);
        let tag = format!("t{client}-{round}-{number}");
        let pushed = call(address, "PUT", &format!("/v2/a/manifests/{tag}"), &document).await;
        match pushed {
            Some(pushed) => assert_eq!(pushed.status, 201),
            None => return told,
        }
        told.tags.push((tag, document));
    }
    told
}

async fn check(address: SocketAddr, told: &Told) {
    for (own, layer) in &told.blobs {
        let answer = call(address, "GET", &format!("/v2/a/blobs/{own}"), b"")
            .await
            .unwrap();
        assert!(answer.status == 200 && answer.body == *layer);
    }
    for (tag, document) in &told.tags {
        let answer = call(address, "GET", &format!("/v2/a/manifests/{tag}"), b"")
            .await
            .unwrap();
        assert!(answer.status == 200 && answer.body == *document);
    }
    let Some((session, layer, acknowledged)) = &told.open else {
        return;
    };
    let own = digest(layer);
    let there = call(address, "GET", &format!("/v2/a/blobs/{own}"), b"")
        .await
        .unwrap();
    assert!(there.status == 404 || there.body == *layer);
    let status = call(address, "GET", session, b"").await.unwrap();
    if status.status == 404 {
        // Only the upload's own end makes it go.
        assert!(*acknowledged == 0 || *acknowledged == layer.len() / 2);
        return;
    }
    let last: usize = status.header("range").unwrap()[2..].parse().unwrap();
    let kept = if last == 0 { 0 } else { last + 1 };
    assert!(kept >= *acknowledged, "{kept} of {acknowledged}");
    let closed = call(address, "PUT", &with_digest(session, &own), &layer[kept..])
        .await
        .unwrap();
    assert_eq!(closed.status, 201);
    let answer = call(address, "GET", &format!("/v2/a/blobs/{own}"), b"")
        .await
        .unwrap();
    assert!(answer.body == *layer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let root = tempfile::tempdir().unwrap();
    let (mut all, mut interrupted) = (Vec::<Told>::new(), 0);
    for round in 0..ROUNDS {
        let mut victim = Victim::start(root.path());
        for told in &all {
            check(victim.address, told).await;
        }
        for told in &mut all {
            told.open = None;
        }
        let clients = (0..3).map(|client| tokio::spawn(push(victim.address, client, round)));
        let clients = clients.collect::<Vec<_>>();
        // Any moment is a good one; no two rounds take the same.
        tokio::time::sleep(Duration::from_millis(20 + round * 17)).await;
        victim.kill();
        for client in clients {
            let told = client.await.unwrap();
            interrupted += usize::from(told.open.is_some());
            all.push(told);
        }
    }
    let victim = Victim::start(root.path());
    for told in &all {
        check(victim.address, told).await;
    }
    assert!(all.iter().any(|told| !told.tags.is_empty()));
    assert!(interrupted > 0, "no upload was interrupted");
}

/// Tags that one client moves to and fro, all in one change.
struct Moved {
    tags: Vec<String>,
    documents: [Vec<u8>; 2],
    /// How often that was acknowledged.
    times: usize,
}

impl Moved {
    fn new(client: usize) -> Self {
        let tags = (0..32).map(|number| format!("{client}-{number}-{}", "x".repeat(100)));
        Self {
            tags: tags.collect(),
            documents: [manifest(b"{}", &[]), manifest(b"{}", &[b"{}"])],
            times: 0,
        }
    }

    /// Moves them until the server dies.
    async fn run(mut self, address: SocketAddr) -> Self {
        let empty = with_digest("/v2/a/blobs/uploads/", &digest(b"{}"));
        if call(address, "POST", &empty, b"{}").await.is_none() {
            return self;
        }
        loop {
            let document = &self.documents[self.times % 2];
            let path = format!(
                "/v2/a/manifests/{}?tag={}",
                digest(document),
                self.tags.join("&tag=")
            );
            let Some(moved) = call(address, "PUT", &path, document).await else {
                return self;
            };
            assert_eq!(moved.status, 201);
            self.times += 1;
        }
    }

    /// All of them are where they were acknowledged to be, or where the change that was on its way puts them.
    async fn check(&mut self, address: SocketAddr) {
        let mut found = Vec::new();
        for tag in &self.tags {
            let answer = call(address, "GET", &format!("/v2/a/manifests/{tag}"), b"").await;
            found.push(answer.map(|answer| (answer.status, answer.body)).unwrap());
        }
        assert!(found.iter().all(|one| *one == found[0]), "a change is whole");
        let (status, body) = &found[0];
        let [last, next] = [self.times + 1, self.times].map(|times| &self.documents[times % 2]);
        if self.times == 0 && *status == 404 {
            return;
        }
        assert!(*status == 200 && (body == next || self.times > 0 && body == last));
        self.times += usize::from(body == next);
    }
}

/// The journal is being rewritten beside the old one.
fn rewrites(root: &Path) -> bool {
    let names = std::fs::read_dir(root.join("registry")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.any(|name| name.starts_with("journal."))
}

/// What names this journal, and no other.
fn id(root: &Path) -> String {
    let journal = std::fs::File::open(root.join("registry/journal")).unwrap();
    BufReader::new(journal).lines().next().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_while_the_journal_is_written_anew() {
    let root = tempfile::tempdir().unwrap();
    let mut clients = (0..3).map(Moved::new).collect::<Vec<_>>();
    for round in 0..8 {
        let mut victim = Victim::start(root.path());
        for client in &mut clients {
            client.check(victim.address).await;
        }
        let before = id(root.path());
        let moving = clients
            .into_iter()
            .map(|client| tokio::spawn(client.run(victim.address)));
        let moving = moving.collect::<Vec<_>>();
        // One time while the new journal is there, the other when it has just taken the old one's place.
        while !moving.iter().all(tokio::task::JoinHandle::is_finished) {
            let seen = match round % 2 {
                0 => rewrites(root.path()),
                _ => id(root.path()) != before,
            };
            if seen {
                break;
            }
            tokio::task::yield_now().await;
        }
        let died = moving.iter().any(tokio::task::JoinHandle::is_finished);
        victim.kill();
        assert!(!died, "the registry ended by itself");
        clients = Vec::new();
        for client in moving {
            clients.push(client.await.unwrap());
        }
    }
    let victim = Victim::start(root.path());
    for client in &mut clients {
        client.check(victim.address).await;
    }
    assert!(!rewrites(root.path()), "what was left of a journal stays");
}
