//! A process: a registry that clients reach by HTTP, and that collects garbage.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use wharf_content::{Error, ErrorKind};
use wharf_registry::{GcOptions, Registry};

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

/// Serves until it is killed, or its parent has ended. One that obeys collects for each byte of its input, and keeps nothing that nobody
/// needs; another collects by itself.
pub(crate) fn run(arguments: &[String], obeys: bool) {
    let (order, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while std::io::stdin().read(&mut [0]).is_ok_and(|count| count > 0) {
            let _ = order.send(()); // it may not serve yet
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
        .block_on(serve(&engines, seed, obeys.then_some(orders)));
}

async fn serve(engines: &Engines, seed: u64, mut orders: Option<UnboundedReceiver<()>>) {
    let (reclamation, grace) = match orders {
        Some(_) => (engines::at_once(), Duration::ZERO),
        None => (engines::reclamation(), GRACE),
    };
    let options = GcOptions::default()
        .with_grace(grace)
        .with_untagged(orders.is_some());
    let faults = if engines.has_server() {
        Faults::new(seed, ONCE_IN, &FAULTS)
    } else {
        Faults::none()
    };
    // Engines that do not answer: the parent starts another process.
    let Ok(backend) = engines.open(&faults, reclamation).await else {
        return;
    };
    let Ok(registry) = Registry::open(backend).await else {
        return;
    };
    let server = registry.clone().serve().await.expect("a port");
    say(&format!("serves {}", server.url()));
    loop {
        match &mut orders {
            Some(orders) => orders.recv().await.unwrap_or_default(),
            None => tokio::time::sleep(INTERVAL).await,
        }
        match registry.collect_garbage(&options).await {
            Ok(report) => say(&format!("collected {}", report.content)),
            Err(error) if is_of_engines(&error, &faults) => {}
            Err(error) => say(&format!("failed {error}")),
        }
        say(&format!("met {}", faults.take_hits()));
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
