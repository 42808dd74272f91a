//! The registry as a process of its own, and this side of the pipe to it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};
use wharf_registry::{DiskBackend, GcOptions, Htpasswd, Limits, MemoryBackend, Registry};

use crate::{
    Settings,
    measure::{Figures, Held, Own},
    siege,
};

/// Names the directory in the environment of the process that serves.
pub(crate) const ROOT: &str = "WHARF_CROWD_ROOT";
const MEMORY: &str = "WHARF_CROWD_MEMORY";
const LOG: &str = "WHARF_CROWD_LOG";
const CLIENTS: &str = "WHARF_CROWD_CLIENTS";
const ATTACKED: &str = "WHARF_CROWD_ATTACKED";
pub(crate) const PASSWORD: &str = "correct-horse";

/// Short, so that many tokens expire.
const TOKEN_LIFETIME: Duration = Duration::from_secs(5);
const WORKERS: usize = 4;
/// These, the one that reads this pipe, and those that the measuring itself keeps busy. A leak has more: one for each client.
pub(crate) const IDLE_THREADS: u64 = 16;
/// Idle threads end soon, so that their number can be compared.
const THREAD_LIFETIME: Duration = Duration::from_millis(100);
/// How long a blob may wait for its manifest, longer than any push here.
const GRACE: Duration = Duration::from_secs(10);
/// How long what is under way may take to end when everybody has left.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Serves, and does what the lines on standard input say, until there are no more.
pub(crate) fn serve(root: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_keep_alive(THREAD_LIFETIME)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(async {
        let mut registry = match std::env::var_os(MEMORY) {
            Some(_) => Registry::open(MemoryBackend::default()).await.unwrap(),
            None => Registry::open(DiskBackend::open(root).await.unwrap())
                .await
                .unwrap(),
        };
        let clients: u64 = std::env::var(CLIENTS).unwrap().parse().unwrap();
        for client in 0..clients {
            registry = registry.with_basic(&user(client), PASSWORD);
        }
        registry = registry.with_token_lifetime(TOKEN_LIFETIME);
        registry = registry.with_request_log(std::env::var_os(LOG).is_some());
        if std::env::var_os(ATTACKED).is_some() {
            let limits = Limits::default().with_connections(siege::CONNECTIONS);
            let users = Htpasswd::parse(&siege::htpasswd()).unwrap();
            registry = registry
                .with_htpasswd(&users)
                .with_anonymous(true)
                .with_limits(limits);
        }
        registry.serve().await.unwrap()
    });
    answer(&server.address().to_string());
    for line in std::io::stdin().lines() {
        let registry = server.service();
        match line.unwrap().as_str() {
            "measure" => answer(&own(registry)),
            "collect" => answer(&runtime.block_on(collect(registry, GRACE))),
            "rest" => answer(&runtime.block_on(rest(registry))),
            other => panic!("{other} is not known"),
        }
    }
    runtime.block_on(server.shutdown());
}

pub(crate) fn user(client: u64) -> String {
    format!("client-{client}")
}

fn answer(value: &impl Serialize) {
    println!("{}", serde_json::to_string(value).unwrap());
}

async fn collect(registry: &Registry, grace: Duration) -> u64 {
    let options = GcOptions::default().with_grace(grace).with_untagged(true);
    registry.collect_garbage(&options).await.unwrap().content
}

/// Ends what nobody will go on with: uploads whose client left before it was told of them, tokens, garbage. How
/// many uploads that were.
async fn rest(registry: &Registry) -> usize {
    let uploads = registry.inventory().uploads;
    let impatient = Limits::default().with_upload_expiry(Duration::ZERO);
    let expired = registry.clone().with_limits(impatient).expire_uploads().await;
    expired.unwrap();
    registry.revoke_tokens().await.unwrap();
    collect(registry, Duration::ZERO).await;
    uploads
}

fn own(registry: &Registry) -> Own {
    let statistics = crate::ALLOCATOR.stats();
    let inventory = registry.inventory();
    Own {
        heap: u64::try_from(statistics.bytes_allocated - statistics.bytes_deallocated).unwrap(),
        inventory: [
            inventory.repositories as u64,
            inventory.tags as u64,
            inventory.manifests as u64,
            inventory.blobs as u64,
            inventory.bytes,
            inventory.uploads as u64,
            inventory.verified as u64,
        ],
    }
}

/// The process that serves, from outside.
pub(crate) struct Served {
    child: Mutex<Child>,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub(crate) address: String,
    root: tempfile::TempDir,
}

impl Served {
    pub(crate) fn start(settings: &Settings) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), settings)
    }

    /// Another process over what this one has stored.
    pub(crate) fn restart(self, settings: &Settings) -> Self {
        drop(self.pipes);
        let status = self.child.into_inner().unwrap().wait();
        assert!(status.unwrap().success(), "the registry did not end well");
        Self::launch(self.root, settings)
    }

    fn launch(root: tempfile::TempDir, settings: &Settings) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(ROOT, root.path())
            .env(CLIENTS, settings.clients.to_string());
        if settings.memory {
            command.env(MEMORY, "");
        }
        if settings.log {
            command.env(LOG, "");
        }
        if settings.siege.is_some() {
            command.env(ATTACKED, "");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipes = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Self {
            address: read(&mut pipes.1),
            child: Mutex::new(child),
            pipes: Mutex::new(pipes),
            root,
        }
    }

    fn ask<T: DeserializeOwned>(&self, what: &str) -> T {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{what}").unwrap();
        read(&mut pipes.1)
    }

    /// Collects what has been garbage for a while; how much that was.
    pub(crate) fn collect(&self) -> u64 {
        self.ask("collect")
    }

    /// Waits until everybody is gone and all garbage is too, and measures. What is held is at last what it was
    /// when nobody had come yet, or this ends without that.
    pub(crate) async fn at_rest(&self, empty: Option<&Figures>) -> Figures {
        let given_up = Instant::now() + TIMEOUT;
        let mut expired = 0;
        loop {
            expired += self.ask::<u64>("rest");
            let figures = self.figures(expired);
            let is_empty = |held: &Held| empty.is_none_or(|empty| held.is_within(&empty.held));
            if is_empty(&figures.held) && figures.threads <= IDLE_THREADS || Instant::now() > given_up {
                return figures;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its figures at this moment.
    pub(crate) fn now(&self) -> Figures {
        self.figures(0)
    }

    fn figures(&self, expired: u64) -> Figures {
        let own: Own = self.ask("measure");
        let content = std::fs::read_dir(self.root.path().join("blobs/sha256"));
        let process = self.child.lock().unwrap().id();
        Figures::of(process, &own, expired, content.map_or(0, Iterator::count))
    }

    /// Closes the pipe; whether the process ended well.
    pub(crate) fn end(self) -> bool {
        drop(self.pipes);
        let status = self.child.into_inner().unwrap().wait();
        status.unwrap().success()
    }
}

fn read<T: DeserializeOwned>(from: &mut BufReader<ChildStdout>) -> T {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?} is no answer"))
}
