//! A process: a registry that clients reach by HTTP, and that collects garbage.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use wharf_content::{Error, ErrorKind};
use wharf_registry::{GcOptions, Readiness, Registry};
use wharf_testkit::faults::WORKER;

use crate::{
    engines::{self, Engines, GRACE},
    store_faults::{Fault, Faults},
};

/// The time from one collection of a process to the next.
const INTERVAL: Duration = Duration::from_millis(500);
/// One of so many requests to a store that has a server fails.
const ONCE_IN: u64 = 8;
/// The ways in which requests fail.
const FAULTS: [Fault; 7] = [
    Fault::SlowDown,
    Fault::TooManyRequests,
    Fault::Reset,
    Fault::FailedAfterEffect,
    Fault::LostReply,
    Fault::HalfBody,
    Fault::Forbidden,
];

/// The orders of the parent, each a byte.
pub(crate) const COLLECT: u8 = b'c';
pub(crate) const READINESS: u8 = b'r';
pub(crate) const DRAIN: u8 = b'd';
/// The time after which a process that is not ready, or not yet, is asked again.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// The work of a process by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It collects, and requests to its store fail where the store has a server.
    Disturbed,
    /// It collects.
    Quiet,
    /// It collects when it is told so, and keeps nothing that nobody needs.
    Obeys,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Disturbed, Self::Quiet, Self::Obeys];

    /// The first argument of this program as such a process.
    pub(crate) const fn argument(self) -> &'static str {
        match self {
            Self::Disturbed => WORKER,
            Self::Quiet => "--worker-that-is-quiet",
            Self::Obeys => "--worker-that-obeys",
        }
    }

    pub(crate) fn parse(argument: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.argument() == argument)
    }
}

/// Serves until it is killed, or its parent has ended.
pub(crate) fn run(arguments: &[String], mode: Mode) {
    let (order, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut byte = [0];
        while std::io::stdin().read(&mut byte).is_ok_and(|count| count > 0) {
            let _ = order.send(byte[0]); // it may not serve yet
        }
        std::process::exit(0);
    });
    let (engines, seed) = Engines::parse(arguments);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(serve(&engines, seed, mode, orders));
}

async fn serve(engines: &Engines, seed: u64, mode: Mode, mut orders: UnboundedReceiver<u8>) {
    let (reclamation, grace) = match mode {
        Mode::Obeys => (engines::at_once(), Duration::ZERO),
        _ => (engines::reclamation(), GRACE),
    };
    let options = GcOptions::default()
        .with_grace(grace)
        .with_untagged(mode == Mode::Obeys);
    let faults = if engines.has_server() && mode == Mode::Disturbed {
        Faults::new(seed, ONCE_IN, &FAULTS)
    } else {
        Faults::none()
    };
    let opened = async { Registry::open(engines.open(&faults, reclamation).await?).await };
    let registry = match opened.await {
        Ok(registry) => registry,
        // Engines that do not answer: the parent starts another process.
        Err(_) if mode == Mode::Disturbed => return,
        Err(error) => return say(&format!("cannot serve: {error}")),
    };
    let server = registry.clone().serve().await.expect("a port");
    say(&format!("serves {}", server.url()));
    let mut readiness = None;
    loop {
        let order = tokio::select! {
            order = orders.recv() => order.unwrap_or(DRAIN),
            () = tokio::time::sleep(INTERVAL), if mode != Mode::Obeys => COLLECT,
        };
        match order {
            COLLECT => {
                match registry.collect_garbage(&options).await {
                    Ok(report) => say(&format!("collected {}", report.content)),
                    Err(error) if is_of_engines(&error, &faults) => {}
                    Err(error) => say(&format!("failed {error}")),
                }
                say(&format!("met {}", faults.take_hits()));
            }
            READINESS => {
                let readiness = readiness.get_or_insert_with(|| Readiness::watch(&registry));
                match readiness.check() {
                    Ok(()) => say("ready now"),
                    Err(reason) => say(&format!("unready {reason}")),
                }
            }
            _ => return server.shutdown().await,
        }
    }
}

/// Whether an engine failed that is made to fail.
fn is_of_engines(error: &Error, faults: &Arc<Faults>) -> bool {
    let kinds = [
        ErrorKind::Server,
        ErrorKind::RateLimited,
        ErrorKind::Unauthorized,
        ErrorKind::Denied,
    ];
    matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout)
        || faults.has_any() && kinds.contains(&error.kind())
}

/// Tells the parent a line.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}
