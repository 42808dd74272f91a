//! A process that is stopped by SIGSTOP at a step of a push, a mount, a delete or a collection, until another has collected twice, and that
//! goes on.
//!
//! A step is a message to the database, which gets it while the process is stopped, or a request to the store: to a directory before it is
//! made or after, to a server that answers it while the process is stopped, or gets it afterwards. Locks that the
//! process holds are taken from it by the database after the time of a request.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use wharf_registry::{Backend as _, GcOptions, Registry, Server};
use wharf_registry_object::ObjectBackend;
use wharf_testkit::{PostgreSql, Random, SeaweedFs};

use crate::{
    client::{Client, Refusal},
    crowd::Image,
    engines::{self, Engines},
    gate::{Gate, Messages, Proxy},
    process::Process,
    store_faults::Faults,
    verify,
    worker::Mode,
};

/// The time of a request to an engine by those who go on.
const TIME: Duration = Duration::from_secs(60);
/// The bytes of a blob that stores take in parts.
const LARGE: usize = (5 << 20) + 1000;

/// The steps at which a process is stopped.
#[derive(Clone, Copy)]
pub(crate) enum Steps<'a> {
    /// Messages to the database, with a store in this directory.
    Database(&'a Path),
    /// Requests to a store in this directory.
    Directory(&'a Path),
    /// Requests to this server, which answers them while the process is stopped.
    Answers(&'a SeaweedFs),
    /// Requests to this server, which gets them after the process goes on.
    Requests(&'a SeaweedFs),
}

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database(_) => "messages to the database",
            Self::Directory(_) => "requests to a directory",
            Self::Answers(_) => "answers of a server",
            Self::Requests(_) => "requests to a server",
        })
    }
}

/// The work in which the process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Push,
    /// A push of a blob that stores take in parts.
    LargePush,
    Mount,
    Delete,
    Collection,
}

/// The steps at which a process was stopped, counted.
#[derive(Default)]
pub(crate) struct Stalls {
    pushes: usize,
    mounts: usize,
    deletes: usize,
    collections: usize,
    refused: usize,
}

impl fmt::Display for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {} steps of pushes, {} of mounts, {} of deletes, {} of collections; {} refused, damaged 0, forgotten 0",
            self.pushes, self.mounts, self.deletes, self.collections, self.refused
        )
    }
}

/// Stops a process at one of so many messages to the database, or of a quarter as many requests to a store, which lock nothing.
pub(crate) async fn run(server: &PostgreSql, steps: Steps<'_>, one_in: usize, mut random: Random) -> Stalls {
    let one_in = match steps {
        Steps::Database(_) => one_in,
        _ => one_in.div_ceil(4),
    };
    let stage = Stage::new(server, steps).await;
    let mut done = Stalls::default();
    for work in [
        Work::Push,
        Work::LargePush,
        Work::Mount,
        Work::Delete,
        Work::Collection,
    ] {
        let first = random.index(one_in);
        for step in (first..).step_by(one_in) {
            let Some(is_refused) = stage.stop(work, step, &mut random).await else {
                break;
            };
            done.refused += usize::from(is_refused);
            *match work {
                Work::Push | Work::LargePush => &mut done.pushes,
                Work::Mount => &mut done.mounts,
                Work::Delete => &mut done.deletes,
                Work::Collection => &mut done.collections,
            } += 1;
        }
    }
    verify::assert_whole(&stage.other).await;
    done
}

struct Stage {
    /// Between the process and what gets its messages.
    gate: Arc<Gate>,
    /// Whether the message is held back until the process goes on.
    holds: bool,
    process: Process,
    /// Another process, which goes on.
    other: ObjectBackend,
    /// One that leaves uploads and what is written alone.
    lenient: ObjectBackend,
    serving: Server,
}

impl Stage {
    async fn new(server: &PostgreSql, steps: Steps<'_>) -> Self {
        let database = server.create_database();
        let url = server.socket_url(&database);
        let engines = match steps {
            Steps::Database(directory) | Steps::Directory(directory) => Engines::in_directory(url, directory),
            Steps::Answers(store) | Steps::Requests(store) => Engines::in_bucket(url, store),
        };
        let gate = Arc::new(Gate::default());
        let stopped = engines.clone();
        let stopped = match steps {
            Steps::Database(_) => {
                let proxy = Proxy::start(server.port(), Arc::clone(&gate), Messages::All).await;
                let url = server.tcp_url(&database) + "&sslmode=disable";
                stopped.with_database(url.replace(&format!(":{}/", server.port()), &format!(":{proxy}/")))
            }
            Steps::Directory(_) => stopped.with_gate(gate.serve().await),
            Steps::Answers(store) | Steps::Requests(store) => {
                let proxy = Proxy::start(store.port(), Arc::clone(&gate), Messages::Requests).await;
                stopped.with_endpoint(format!("http://127.0.0.1:{proxy}"))
            }
        };
        let engines = engines.with_patience(TIME);
        let other = engines.open(&Faults::none(), engines::at_once()).await;
        let other = other.expect("a backend");
        let mut times = engines::at_once();
        for time in [&mut times.uploads, &mut times.pending] {
            *time = Duration::from_secs(3600);
        }
        let lenient = engines.open(&Faults::none(), times).await;
        let registry = Registry::open(other.clone()).await.expect("a registry");
        Self {
            gate,
            holds: matches!(steps, Steps::Requests(_)),
            process: Process::start(&stopped, Mode::Obeys).await.expect("it serves"),
            other,
            lenient: lenient.expect("a backend"),
            serving: registry.serve().await.expect("a port"),
        }
    }

    /// Whether the work was refused; `None` if it has fewer steps.
    async fn stop(&self, work: Work, step: usize, random: &mut Random) -> Option<bool> {
        let address = self.serving.address().to_string();
        let [app, lib, tools] = ["app", "lib", "tools"].map(|name| Client::new(&address, name));
        let stopped = Client::new(&self.process.address, "app");
        let image = match work {
            Work::LargePush => Image::with_layers(&[LARGE], random),
            _ => Image::with_layers(&[1000, 30_000], random),
        };
        // Another repository has most of the blobs too, and loses them while the process is stopped, and one has one of them, and keeps it.
        let twin = match work {
            Work::Mount => image.clone(),
            Work::LargePush => Image::of(image.blobs[..1].to_vec()),
            _ => Image::of(image.blobs[..2].to_vec()),
        };
        let kept = Image::of(image.blobs[..1].to_vec());
        for (client, image, tag) in [(&lib, &twin, "twin"), (&tools, &kept, "kept")] {
            assert_eq!(
                client.push(image, tag).await,
                Ok(()),
                "{tag} before {work:?} {step}"
            );
        }
        let is_there_before = matches!(work, Work::Delete | Work::Collection);
        if is_there_before {
            assert_eq!(app.push(&image, "image").await, Ok(()), "before {work:?} {step}");
        }
        if work == Work::Collection {
            assert_eq!(app.delete(&image).await, Ok(()), "before {work:?} {step}");
        }
        let collector = if random.coin() { &self.other } else { &self.lenient };
        let act = async {
            while lib.delete(&twin).await == Err(Some(503)) {} // the stopped process has locked it for a while
            // What was removed, or is about to be, is needed again.
            let pushed = is_there_before && app.push(&image, "image").await == Ok(());
            collect_twice(collector).await;
            pushed
        };
        let (ended, acted) = match work {
            Work::Push | Work::LargePush => self.stop_at(step, stopped.push(&image, "image"), act).await,
            Work::Mount => {
                self.stop_at(step, stopped.mount("lib", &image, "image"), act)
                    .await
            }
            Work::Delete => self.stop_at(step, stopped.delete(&image), act).await,
            Work::Collection => {
                let collection = async {
                    self.process.collect().await;
                    Ok(())
                };
                self.stop_at(step, collection, act).await
            }
        };
        assert_ne!(ended, Err(Some(500)), "{work:?} {step}");
        let is_there = app.pull(&image).await;
        match (work, ended, acted) {
            (Work::Push | Work::LargePush | Work::Mount, Ok(()), _) => {
                assert!(is_there, "{work:?} {step} was acknowledged");
            }
            (Work::Collection, _, Some(true)) => assert!(is_there, "it was pushed during {work:?} {step}"),
            (_, ended, None) => assert_eq!(ended, Ok(()), "nothing was in the way of {work:?} {step}"),
            _ => {}
        }
        assert!(tools.pull(&kept).await, "what {work:?} {step} has shared is kept");
        acted.map(|_| ended.is_err())
    }

    /// Stops the process at its next step but so many, until others have acted, and lets it go on. Returns what comes of both; nothing
    /// of the others if there were not that many steps.
    async fn stop_at<A>(
        &self,
        step: usize,
        running: impl Future<Output = Result<(), Refusal>>,
        act: impl Future<Output = A>,
    ) -> (Result<(), Refusal>, Option<A>) {
        let reached = self.gate.arm(step);
        let mut running = std::pin::pin!(running);
        tokio::select! {
            ended = &mut running => {
                self.gate.release();
                return (ended, None);
            }
            () = reached.notified() => {}
        }
        self.process.signal("STOP");
        if !self.holds {
            self.gate.release();
        }
        let acted = act.await;
        self.process.signal("CONT");
        self.gate.release();
        (running.await, Some(acted))
    }
}

/// Collects twice. What the stopped process has locked is free after a while.
async fn collect_twice(backend: &ObjectBackend) {
    let options = GcOptions::default()
        .with_grace(Duration::ZERO)
        .with_untagged(true);
    let mut done = 0;
    while done < 2 {
        done += usize::from(backend.collect(&options).await.is_ok());
    }
}
