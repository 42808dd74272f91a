//! Attackers beside honest clients. Pulls are timed while nobody else is there, then beside attackers; nobody honest
//! may fail, no attacker may be kept waiting beyond the registry's limits, and when the attackers have left, the
//! registry must be what it was.
//!
//! The attackers are a process of their own, and come from other addresses. Yet they share the processor with the
//! registry and with the honest clients, so that their rates are bounded (see `attack::PLANS`): on a machine with few
//! cores, or one that does something else too, the times tell little, and only `--strict` asserts them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time};
use wharf::{Client, Credential, Name, Registry, Repository, Tag, distribution::Remote};
use wharf_testkit::Image;

use crate::{
    SLACK, Settings,
    attack::Attackers,
    client::{pull, push},
    grown,
    server::{PASSWORD, Served},
};

/// Connections that the registry has room for; the attackers want more.
pub(crate) const CONNECTIONS: usize = 128;
/// Honest clients, and the time from one pull of theirs to the next.
const CLIENTS: u64 = 4;
const PACE: Duration = Duration::from_millis(100);
/// Pulls of a client before it logs in anew, on new connections.
const VISIT: usize = 8;
/// How long each phase is, unless that is said.
const TIME: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_secs(1);
/// How many times as long as without attackers pulls may take, where that is asserted.
const FACTOR: f64 = 2.0;
/// Threads that the registry may have beside attackers: its workers, 8 for what is cold, two for the check of a
/// password, and those that read files for honest clients.
const MOST_THREADS: u64 = 64;
/// Bytes that its heap may grow by meanwhile: a connection has some buffers of 16 kB, a hash one of a megabyte.
const MOST_HEAP: u64 = 64 * 1024 * 1024;

const BASE: &str = "siege/base";
const COLD: &str = "siege/cold";
/// Blobs of which attackers want ranges before anybody has read them, and the least size of each.
const COLD_BLOBS: u64 = 8;
pub(crate) const COLD_SIZE: usize = 8_000_000;

#[derive(Clone, Copy)]
enum Phase {
    WarmUp,
    Quiet,
    Attack,
}

/// Users whose hashes are slow to check. In each phase others log in, since what was checked is remembered.
pub(crate) fn htpasswd() -> String {
    const BCRYPT: &str = "$2b$10$l/mf6vgyXDvtjifcvoOsxuBxsIO3UP9nj1U4Ef8lKz3wypmbKdm/S";
    let phases = [Phase::WarmUp, Phase::Quiet, Phase::Attack].into_iter();
    let users = phases.flat_map(|phase| (0..CLIENTS).map(move |number| user(phase, number)));
    let lines = users.map(|user| format!("{user}:{BCRYPT}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn user(phase: Phase, number: u64) -> String {
    format!("honest-{}-{number}", phase as u8)
}

/// What honest clients met in one phase.
#[derive(Default)]
struct Times {
    /// The first pulls, whose passwords are checked.
    logins: Vec<Duration>,
    pulls: Vec<Duration>,
    wrong: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Siege {
    /// Whether honest pulls that take too long are a failure.
    pub(crate) strict: bool,
}

impl Siege {
    /// Says what went wrong.
    pub(crate) async fn lay(self, settings: &Settings) -> Result<(), String> {
        println!(
            "attackers beside {CLIENTS} honest clients, seed {}",
            settings.seed
        );
        let served = Served::start(settings);
        let base = Image::builder()
            .noise(settings.seed, 300_000)
            .noise(!settings.seed, 2000)
            .finish();
        let mut cold = Image::builder();
        for number in 0..COLD_BLOBS {
            cold = cold.noise(settings.seed + 1 + number, COLD_SIZE);
        }
        let cold = cold.finish();
        let tag = Tag::parse("v1").unwrap();
        for (path, image) in [(BASE, &base), (COLD, &cold)] {
            let remote = connect(&served.address, &user(Phase::WarmUp, 0), path);
            push(&remote, image, &tag).await.expect("images can be pushed");
        }
        // A process that has seen none of it.
        let served = Arc::new(served.restart(settings));
        let time = settings.time.unwrap_or(TIME);
        let empty = served.at_rest(None).await;

        let mut problems = phase(&served, Phase::WarmUp, WARM_UP).await.wrong;
        let before = served.at_rest(Some(&empty.with_verified_of(&served.now()))).await;
        let quiet = phase(&served, Phase::Quiet, time).await;
        served.at_rest(Some(&before)).await;

        let blobs = cold.blobs().iter().map(|(descriptor, _)| descriptor);
        let blobs = blobs.filter(|descriptor| descriptor.size() >= COLD_SIZE as u64);
        let digests = blobs.map(|descriptor| descriptor.digest().to_string());
        let attackers = Attackers::start(&served.address, COLD, &digests.collect::<Vec<_>>());
        let peaks = Arc::new(Peaks::default());
        let watching = tokio::spawn(Arc::clone(&peaks).watch(Arc::clone(&served)));
        let besieged = phase(&served, Phase::Attack, time).await;
        watching.abort();
        let _ = watching.await;
        let outcome = attackers.end();
        // It remembers of what attackers wanted ranges of that it is right.
        let expected = before.with_verified_of(&served.now());
        let after = served.at_rest(Some(&expected)).await;
        if !Arc::into_inner(served).expect("nobody is left").end() {
            problems.push("the registry did not end well".to_owned());
        }

        println!("  before:    {before}\n  after:     {after}");
        println!(
            "  most:      heap {} kB, threads {}",
            peaks.heap() / 1024,
            peaks.threads()
        );
        print!("{outcome}");
        let ratio = report(&quiet, &besieged);
        if self.strict && ratio > FACTOR {
            problems.push(format!("pulls took {ratio:.2} times as long beside attackers"));
        }
        problems.extend(
            [quiet.wrong, besieged.wrong, outcome.problems]
                .into_iter()
                .flatten(),
        );
        problems.extend(peaks.beyond(before.heap));
        problems.extend(grown(&expected, &after, SLACK));
        if problems.is_empty() {
            return Ok(());
        }
        Err(problems.join("\nFAILED "))
    }
}

/// Prints the times; how many times as long the slowest pulls took.
fn report(quiet: &Times, besieged: &Times) -> f64 {
    for (name, times) in [("quiet", quiet), ("attack", besieged)] {
        println!(
            "  {name:10} {} pulls: half within {:.1?}, p99 {:.1?}; {} logins within {:.1?}",
            times.pulls.len(),
            quantile(&times.pulls, 50),
            quantile(&times.pulls, 99),
            times.logins.len(),
            quantile(&times.logins, 100),
        );
    }
    let ratio = quantile(&besieged.pulls, 99).as_secs_f64() / quantile(&quiet.pulls, 99).as_secs_f64();
    println!("  p99 beside attackers: {ratio:.2} times the quiet one");
    ratio
}

/// The time that so many in a hundred are within.
fn quantile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

/// Honest clients, for so long.
async fn phase(served: &Served, phase: Phase, time: Duration) -> Times {
    let until = Instant::now() + time;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(visit(served.address.clone(), user(phase, number), until));
    }
    let mut all = Times::default();
    while let Some(done) = clients.join_next().await {
        let times = done.expect("no client panics");
        all.logins.extend(times.logins);
        all.pulls.extend(times.pulls);
        all.wrong.extend(times.wrong);
    }
    all
}

/// One honest client: logs in and pulls, at its pace.
async fn visit(address: String, user: String, until: Instant) -> Times {
    let mut times = Times::default();
    let target = Name::from(Tag::parse("v1").unwrap()).into();
    let mut remote = connect(&address, &user, BASE);
    let mut pace = time::interval(PACE);
    pace.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    for number in 0.. {
        pace.tick().await;
        let started = Instant::now();
        if started >= until {
            break;
        }
        if number % VISIT == VISIT - 1 {
            remote = connect(&address, &user, BASE);
        }
        match pull(&remote, &target).await {
            Err(error) => times.wrong.push(format!("{user}, pull {number}: {error:?}")),
            Ok(_) if number == 0 => times.logins.push(started.elapsed()),
            Ok(_) => times.pulls.push(started.elapsed()),
        }
    }
    times
}

fn connect(address: &str, user: &str, path: &str) -> Remote {
    let registry = Registry::parse(address).unwrap();
    let client = Client::builder()
        .with_plain_http(registry.clone())
        .with_credential(registry.clone(), Credential::basic(user, PASSWORD))
        .build()
        .unwrap();
    let repository = Repository::new(&registry, path).unwrap();
    client.distribution().remote(&repository)
}

/// The most that the registry had at a time.
#[derive(Default)]
struct Peaks {
    heap: AtomicU64,
    threads: AtomicU64,
}

impl Peaks {
    async fn watch(self: Arc<Self>, served: Arc<Served>) {
        loop {
            let now = served.now();
            self.heap.fetch_max(now.heap, Ordering::Relaxed);
            self.threads.fetch_max(now.threads, Ordering::Relaxed);
            time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn heap(&self) -> u64 {
        self.heap.load(Ordering::Relaxed)
    }

    fn threads(&self) -> u64 {
        self.threads.load(Ordering::Relaxed)
    }

    fn beyond(&self, heap: u64) -> Vec<String> {
        let mut beyond = Vec::new();
        if self.threads() > MOST_THREADS {
            beyond.push(format!("attackers made it {} threads", self.threads()));
        }
        if self.heap() > heap + MOST_HEAP {
            beyond.push(format!("attackers made the heap {} bytes", self.heap()));
        }
        beyond
    }
}
