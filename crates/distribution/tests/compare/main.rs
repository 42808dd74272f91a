//! The same attacks on this client and on another, as a table: which ended as they should, and which did not.
//! What this client does is asserted; what the other does is only shown, since it differs between versions.
//!
//! `cargo test -p wharf-distribution --test compare`, with part of a script's name to run some only.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the tests that reports on standard output"
)]

mod ours;
mod play;
mod scripts;

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use wharf_testkit::hostile::{Driver, Outcome, Skopeo};

use self::{ours::Ours, play::Play, scripts::Script};

/// The time of one script with one client. It is there to end what does not end; what does, takes a second.
const LIMIT: Duration = Duration::from_secs(15);
/// How many scripts run at once.
const SIDE_BY_SIDE: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Ours,
    Skopeo,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_wanted =
        |script: &Script| wanted.is_empty() || wanted.iter().any(|word| script.what.contains(word.as_str()));
    let scripts: Vec<Script> = scripts::all().into_iter().filter(is_wanted).collect();
    let version = Skopeo::version();
    assert!(
        version.is_some() || std::env::var("WHARF_REQUIRE_PEERS").as_deref() != Ok("1"),
        "skopeo is not installed"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let rows = runtime.block_on(run(scripts, version.is_some()));
    println!(
        "| row | script | wharf | {} |",
        version.as_deref().unwrap_or("skopeo, not installed")
    );
    println!("|---|---|---|---|");
    let mut ok = true;
    for (script, ours, theirs) in rows {
        let theirs = theirs.map_or_else(String::new, |outcome| outcome.to_string());
        println!("| {} | {} | {ours} | {theirs} |", script.row, script.what);
        if ours != script.expected {
            println!("^ wharf should have ended with: {}", script.expected);
            ok = false;
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(scripts: Vec<Script>, with_skopeo: bool) -> Vec<(Script, Outcome, Option<Outcome>)> {
    let permits = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let start = |script: &Script, who: Who| {
        let (script, permits) = (script.clone(), Arc::clone(&permits));
        tokio::spawn(async move {
            let _permit = permits.acquire().await;
            let play = Play::new(&script).await;
            let registry = play.target(&script).name().to_owned();
            let login = Some(("alice", &*play.password));
            let driver: Box<dyn Driver> = match who {
                Who::Ours => Box::new(Ours::new(&play.stage, &registry, &play.password)),
                Who::Skopeo => Box::new(Skopeo::new(&play.stage, &registry, login, LIMIT)),
            };
            play.judge(&script, &*driver, LIMIT).await
        })
    };
    let mut running = Vec::new();
    for script in scripts {
        let ours = start(&script, Who::Ours);
        let theirs = with_skopeo.then(|| start(&script, Who::Skopeo));
        running.push((script, ours, theirs));
    }
    let mut rows = Vec::new();
    for (script, ours, theirs) in running {
        let ours = ours.await.unwrap();
        let theirs = match theirs {
            Some(theirs) => Some(theirs.await.unwrap()),
            None => None,
        };
        rows.push((script, ours, theirs));
    }
    rows
}
