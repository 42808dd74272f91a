//! A process that is stopped by SIGSTOP at a step of a push or of a collection, until another has collected twice, and that goes on.
//!
//! A step is a message to the database, which gets it while the process is stopped. Locks that the process holds are taken
//! from it by the database after the time of a request.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::sync::{
    Mutex as AsyncMutex, Notify,
    mpsc::{self, UnboundedReceiver},
};
use wharf_registry::{Backend as _, GcOptions, Registry, Server};
use wharf_registry_object::ObjectBackend;
use wharf_testkit::{PostgreSql, Random, sha256};

use crate::{
    crowd::{Image, MANIFEST},
    engines::{self, Engines},
    gate::{Gate, Proxy},
    http::{Answer, request_within},
    store_faults::Faults,
    verify,
};

/// The first argument of this program as the process that is stopped.
pub(crate) const WORKER: &str = "--worker-that-obeys";
/// The longest time of a request, which includes that for which the process is stopped.
const TIME: Duration = Duration::from_secs(120);
const BYTES: &str = "application/octet-stream";

/// The steps at which the process was stopped, counted.
#[derive(Default)]
pub(crate) struct Stalls {
    pushes: usize,
    acknowledged: usize,
    collections: usize,
}

impl fmt::Display for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pushes were stopped at {} steps, of which {} were acknowledged; collections at {}; damaged 0, forgotten 0",
            self.pushes, self.acknowledged, self.collections
        )
    }
}

/// Stops a process at one of so many steps.
pub(crate) async fn run(store: &Path, one_in: usize, random: &mut Random) -> Stalls {
    let server = PostgreSql::builder().start();
    let stage = Stage::new(&server, store).await;
    let mut done = Stalls::default();
    let first = random.index(one_in);
    for step in (first..).step_by(one_in) {
        let (is_stopped, is_acknowledged) = stage.stop_a_push(step, random).await;
        if !is_stopped {
            assert!(is_acknowledged, "nothing was in its way");
            break;
        }
        done.pushes += 1;
        done.acknowledged += usize::from(is_acknowledged);
    }
    for step in (first..).step_by(one_in) {
        if !stage.stop_a_collection(step, random).await {
            break;
        }
        done.collections += 1;
    }
    done
}

struct Stage {
    /// Between the process and the database.
    gate: Arc<Gate>,
    process: Process,
    /// Another process, which goes on.
    other: ObjectBackend,
    serving: Server,
}

impl Stage {
    async fn new(server: &PostgreSql, store: &Path) -> Self {
        let database = server.create_database();
        let gate = Arc::new(Gate::default());
        let proxy = Proxy::start(server.port(), Arc::clone(&gate)).await;
        let url = server.tcp_url(&database) + "&sslmode=disable";
        let through = url.replace(&format!(":{}/", server.port()), &format!(":{proxy}/"));
        let engines = Engines::in_directory(server.socket_url(&database), store);
        let other = engines.open(&Faults::none(), engines::at_once()).await;
        let other = other.expect("a backend");
        let registry = Registry::open(other.clone()).await.expect("a registry");
        Self {
            process: Process::start(&Engines::in_directory(through, store)).await,
            gate,
            other,
            serving: registry.serve().await.expect("a port"),
        }
    }

    /// Whether the push has so many steps, and whether it was acknowledged.
    async fn stop_a_push(&self, step: usize, random: &mut Random) -> (bool, bool) {
        let (image, tag) = (Image::new(random), format!("push-{step}"));
        let reached = self.gate.arm(step);
        let mut pushing = {
            let (address, image, tag) = (self.process.address.clone(), image.clone(), tag.clone());
            tokio::spawn(async move { push(&address, &image, &tag).await })
        };
        let ended = tokio::select! {
            ended = &mut pushing => Some(ended),
            () = reached.notified() => None,
        };
        let is_stopped = ended.is_none();
        let is_acknowledged = if let Some(ended) = ended {
            self.gate.release();
            ended
        } else {
            self.process.signal("STOP");
            self.gate.release();
            self.collect_twice().await;
            self.process.signal("CONT");
            pushing.await
        };
        let is_acknowledged = is_acknowledged.expect("no panic");
        if is_acknowledged {
            self.assert_pulled(&image, &tag).await;
        }
        verify::assert_whole(&self.other).await;
        (is_stopped, is_acknowledged)
    }

    /// Whether the collection has so many steps.
    async fn stop_a_collection(&self, step: usize, random: &mut Random) -> bool {
        let (garbage, needed) = (Image::new(random), Image::new(random));
        let address = self.address();
        let [unneeded, kept] = ["garbage", "needed"].map(|name| format!("{name}-{step}"));
        for (image, tag) in [(&garbage, &unneeded), (&needed, &kept)] {
            assert!(push(&address, image, tag).await, "{tag} is pushed");
        }
        let path = format!("/v2/app/manifests/{unneeded}");
        let deleted = ask(&address, "DELETE", &path, "", b"").await;
        assert!(deleted.is_some_and(|answer| answer.status == 202), "{path}");
        let reached = self.gate.arm(step);
        self.process.order();
        let is_stopped = self.process.is_stopped_by(&reached).await;
        if is_stopped {
            self.process.signal("STOP");
            self.gate.release();
            // The same image once more: what was to be removed is needed again.
            let is_pushed = push(&address, &garbage, &unneeded).await;
            self.collect_twice().await;
            self.process.signal("CONT");
            self.process.wait_for_the_end().await;
            if is_pushed {
                self.assert_pulled(&garbage, &unneeded).await;
            }
        } else {
            self.gate.release();
        }
        self.assert_pulled(&needed, &kept).await;
        verify::assert_whole(&self.other).await;
        is_stopped
    }

    /// Collects twice. What the stopped process has locked is free after a while.
    async fn collect_twice(&self) {
        let options = GcOptions::default()
            .with_grace(Duration::ZERO)
            .with_untagged(true);
        let mut done = 0;
        while done < 2 {
            done += usize::from(self.other.collect(&options).await.is_ok());
        }
    }

    fn address(&self) -> String {
        self.serving.address().to_string()
    }

    async fn assert_pulled(&self, image: &Image, tag: &str) {
        let manifest = (format!("/v2/app/manifests/{tag}"), &image.manifest);
        let blobs = image.blobs.iter();
        let blobs = blobs.map(|blob| (format!("/v2/app/blobs/{}", sha256(blob)), blob));
        for (path, bytes) in std::iter::once(manifest).chain(blobs) {
            let answer = ask(&self.address(), "GET", &path, "", b"")
                .await
                .expect("an answer");
            assert_eq!(answer.status, 200, "{path} of {tag} was acknowledged");
            assert!(answer.body == *bytes, "{path} of {tag} has other bytes");
        }
    }
}

async fn ask(address: &str, method: &str, path: &str, media_type: &str, body: &[u8]) -> Option<Answer> {
    request_within(TIME, address, [method, path, media_type], body)
        .await
        .ok()
}

/// Whether the whole image was acknowledged.
async fn push(address: &str, image: &Image, tag: &str) -> bool {
    for blob in &image.blobs {
        if push_blob(address, blob).await.is_none() {
            return false;
        }
    }
    let path = format!("/v2/app/manifests/{tag}");
    let answer = ask(address, "PUT", &path, MANIFEST, &image.manifest).await;
    answer.is_some_and(|answer| answer.status == 201)
}

async fn push_blob(address: &str, blob: &[u8]) -> Option<()> {
    let begun = ask(address, "POST", "/v2/app/blobs/uploads/", "", b"").await?;
    let (first, rest) = blob.split_at(blob.len() / 2);
    let written = ask(address, "PATCH", &begun.location?, BYTES, first).await?;
    let location = written.location?;
    let separator = if location.contains('?') { '&' } else { '?' };
    let close = format!("{location}{separator}digest={}", sha256(blob));
    let closed = ask(address, "PUT", &close, BYTES, rest).await?;
    (closed.status == 201).then_some(())
}

/// The process that is stopped.
struct Process {
    child: Child,
    orders: Mutex<ChildStdin>,
    address: String,
    lines: AsyncMutex<UnboundedReceiver<String>>,
}

impl Process {
    async fn start(engines: &Engines) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(WORKER)
            .args(engines.arguments(0))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a worker starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (line, mut lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for told in output.map_while(Result::ok) {
                let _ = line.send(told); // the test may have ended
            }
        });
        let serves = lines.recv().await.expect("it serves");
        let address = serves.trim_start_matches("serves http://").to_owned();
        Self {
            orders: Mutex::new(child.stdin.take().expect("a pipe")),
            child,
            address,
            lines: AsyncMutex::new(lines),
        }
    }

    /// Makes it collect.
    fn order(&self) {
        let written = self.orders.lock().expect("no panic").write_all(b"c");
        written.expect("it reads");
    }

    /// Whether a step is reached before the collection has ended.
    async fn is_stopped_by(&self, reached: &Notify) -> bool {
        tokio::select! {
            () = self.wait_for_the_end() => false,
            () = reached.notified() => true,
        }
    }

    async fn wait_for_the_end(&self) {
        let mut lines = self.lines.lock().await;
        loop {
            let line = lines.recv().await.expect("it runs");
            assert!(!line.starts_with("failed"), "{line}");
            if line.starts_with("met") {
                return;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success(), "the process is there");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}
