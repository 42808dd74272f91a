//! A crowd at a registry: many clients push, pull, mount, list and delete while garbage is collected. Nothing may
//! fail, every byte must be right, and the registry must be at the end what it was before: no larger heap, no more
//! open files, no more threads, nothing left behind.
//!
//! `cargo test -p wharf --test crowd` has 64 clients for a few rounds, at a registry on the disk and at one in
//! memory that keeps a request log. More is asked for after `--`:
//!
//! | flag | meaning | default |
//! |---|---|---|
//! | `--clients` | how many clients at once | 64 |
//! | `--rounds` | how often each does everything | 3 |
//! | `--seconds` | go on for so long instead | |
//! | `--visits` | how often the crowd comes, each time for so many rounds or seconds | 1 |
//! | `--seed` | what is pushed, and who pulls what, follows from it | 1 |
//! | `--memory` | the registry keeps everything in memory instead of on the disk | |
//! | `--log` | it keeps its request log, as registries in memory do | |
//! | `--attack` | attackers beside honest clients instead, each phase for so many seconds (see [`siege`]) | |
//! | `--strict` | fail if the attackers make honest pulls take more than twice as long | |
//!
//! The registry is a process of its own: this program again, which counts the bytes it has allocated. That tells
//! what is kept for ever from what the allocator keeps for later, which resident memory alone does not.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program reports by panicking, and prints its counts"
)]

mod attack;
mod client;
mod measure;
mod server;
mod siege;
mod tally;

use std::{
    alloc::System,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use stats_alloc::StatsAlloc;
use tokio::task::JoinSet;

use self::{client::Crowd, measure::Figures, server::Served, siege::Siege, tally::Tally};

#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

/// Rounds of each client before the first measurement: buffers have their size then, caches are filled.
const WARM_UP: u64 = 1;
/// Bytes that the heap may have grown by, when nobody is there: hash maps keep the room they once needed.
const SLACK: u64 = 512 * 1024;
/// Bytes that the request log may have: ten thousand requests, most of them shorter than this.
const LOG: u64 = 10_000 * 2000;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) clients: u64,
    pub(crate) rounds: u64,
    pub(crate) time: Option<Duration>,
    pub(crate) visits: u64,
    pub(crate) seed: u64,
    pub(crate) memory: bool,
    pub(crate) log: bool,
    pub(crate) siege: Option<Siege>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(root) = std::env::var_os(server::ROOT) {
        server::serve(root.as_ref());
        return ExitCode::SUCCESS;
    }
    if let Ok(address) = std::env::var(attack::ADDRESS) {
        attack::attack(&address);
        return ExitCode::SUCCESS;
    }
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| -> Option<u64> {
        let position = arguments.iter().position(|argument| argument == name)?;
        let value = arguments.get(position + 1).and_then(|value| value.parse().ok());
        Some(value.unwrap_or_else(|| panic!("{name} needs a number")))
    };
    // Started by `cargo test` with a filter or a wish that is not for this program.
    let other = arguments
        .first()
        .is_some_and(|first| !first.starts_with('-') && !"crowd".contains(first));
    if other || given("--list") || given("--ignored") || !measure::is_possible() {
        return ExitCode::SUCCESS;
    }
    let settings = Settings {
        clients: value("--clients").unwrap_or(64),
        rounds: value("--rounds").unwrap_or(3),
        time: value("--seconds").map(Duration::from_secs),
        visits: value("--visits").unwrap_or(1),
        seed: value("--seed").unwrap_or(1),
        memory: given("--memory"),
        log: given("--log"),
        siege: given("--attack").then(|| Siege {
            strict: given("--strict"),
        }),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut all = vec![settings.clone()];
    if arguments.iter().all(|argument| !argument.starts_with("--")) {
        // The other kind of registry, as tests have it.
        let (memory, log) = (true, true);
        all.push(Settings {
            memory,
            log,
            ..settings.clone()
        });
        let siege = Some(Siege { strict: false });
        all.push(Settings { siege, ..settings });
    }
    for settings in all {
        let outcome = runtime.block_on(async {
            match settings.siege {
                Some(siege) => siege.lay(&settings).await,
                None => gather(&settings).await,
            }
        });
        if let Err(problems) = outcome {
            println!("FAILED {problems}\nrepeat with --seed {}", settings.seed);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Lets the crowd in to warm up, then as often as is wanted, and compares what the registry is before and after.
async fn gather(settings: &Settings) -> Result<(), String> {
    println!(
        "a crowd of {}, seed {}{}{}",
        settings.clients,
        settings.seed,
        if settings.memory {
            ", in memory"
        } else {
            ", on disk"
        },
        if settings.log { ", with a request log" } else { "" },
    );
    let served = Arc::new(Served::start(settings));
    let crowd = Arc::new(Crowd::prepare(Arc::clone(&served), settings).await);
    let empty = served.at_rest(None).await;

    let mut warm_up = settings.clone();
    (warm_up.rounds, warm_up.time) = (WARM_UP, None);
    let first = visit(&crowd, &warm_up, 0).await;
    let before = served.at_rest(Some(&empty)).await;
    println!("  empty:     {empty}\n  warmed up: {before}");
    let mut problems = first.problems();
    let mut after = before.clone();
    for number in 1..=settings.visits {
        let started = Instant::now();
        let tally = visit(&crowd, settings, number).await;
        println!(
            "visit {number}, {:.1} s: {tally}",
            started.elapsed().as_secs_f64()
        );
        after = served.at_rest(Some(&empty)).await;
        println!("  after:     {after}");
        problems.extend(tally.problems());
    }
    Arc::into_inner(crowd).expect("no client is left");
    let ended_well = Arc::into_inner(served).expect("no client is left").end();

    let slack = SLACK + if settings.log { LOG } else { 0 };
    problems.extend(grown(&before, &after, slack));
    if !ended_well {
        problems.push("the registry did not end well".to_owned());
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems.join("\nFAILED "))
}

/// All clients at once, until the rounds are done or the time is over, and a collector beside them.
async fn visit(crowd: &Arc<Crowd>, settings: &Settings, phase: u64) -> Tally {
    let mut clients = JoinSet::new();
    let until = settings.time.map(|time| Instant::now() + time);
    for number in 0..settings.clients {
        let (crowd, rounds) = (Arc::clone(crowd), settings.rounds);
        clients.spawn(async move { crowd.client(number, phase, rounds, until).await });
    }
    let mut tally = Tally::default();
    while let Some(done) = clients.join_next().await {
        tally.add(done.expect("no client panics"));
    }
    tally
}

/// What the registry has more than it had, nobody being there.
fn grown(before: &Figures, after: &Figures, slack: u64) -> Vec<String> {
    let mut grown = Vec::new();
    if after.heap > before.heap + slack {
        grown.push(format!(
            "the heap grew from {} to {} bytes",
            before.heap, after.heap
        ));
    }
    if after.threads > server::IDLE_THREADS {
        grown.push(format!("{} threads are left", after.threads));
    }
    if !after.held.is_within(&before.held) {
        grown.push(format!("held before: {}, after: {}", before.held, after.held));
    }
    grown
}
