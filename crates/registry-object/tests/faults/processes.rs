//! The processes, and what is done to them.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wharf_testkit::{PostgreSql, Random};

use crate::{crowd::Addresses, engines::Engines, worker::Mode};

/// The time from one kill to the next.
const KILL: Duration = Duration::from_millis(200);
/// One in so many kills of a process that does not serve yet is made.
const YOUNG: u64 = 8;
/// The time from one restart of the database to the next.
const RESTART: Duration = Duration::from_secs(7);
/// The time for which a process is stopped: until what it writes has been swept.
const STOP: Duration = Duration::from_secs(9);

pub(crate) struct Processes {
    engines: Engines,
    slots: Vec<Slot>,
    /// The next seed of a store that fails.
    seeds: Mutex<Random>,
    told: Arc<Told>,
}

/// A place for a process: there is another one when it is killed.
struct Slot {
    child: Mutex<Child>,
    address: Arc<Mutex<Option<String>>>,
}

/// The lines that processes have printed, counted.
#[derive(Default)]
struct Told {
    collections: AtomicU64,
    contents: AtomicU64,
    met: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Processes {
    pub(crate) fn start(engines: &Engines, seed: u64, count: usize) -> Self {
        let (told, mut seeds) = (Arc::default(), Random::new(seed));
        let slots = (0..count)
            .map(|_| Slot::new(engines, seeds.number(), &told))
            .collect();
        Self {
            engines: engines.clone(),
            slots,
            seeds: Mutex::new(seeds),
            told,
        }
    }

    pub(crate) async fn wait_for_all(&self) {
        while (0..self.count()).any(|index| self.address(index).is_none()) {
            self.start_ended();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills, stops and restarts for so long; all processes run afterwards.
    pub(crate) fn disturb(&self, server: &PostgreSql, time: Duration, random: &mut Random) -> Disturbances {
        let begun = Instant::now();
        let mut done = Disturbances::default();
        let mut restarted = Instant::now();
        let mut stopped: Option<(usize, Instant)> = None;
        while begun.elapsed() < time {
            thread::sleep(KILL);
            self.start_ended();
            let victim = random.index(self.count());
            match stopped {
                Some((index, since)) if since.elapsed() >= STOP => {
                    self.slots[index].signal("CONT");
                    stopped = None;
                }
                Some((index, _)) if index == victim => {}
                // On a slow machine none would ever serve.
                _ if self.address(victim).is_none() && !random.once_in(YOUNG) => {}
                None if random.once_in(10) => {
                    self.slots[victim].signal("STOP");
                    stopped = Some((victim, Instant::now()));
                    done.stops += 1;
                }
                _ => {
                    self.slots[victim].kill();
                    self.replace(&self.slots[victim]);
                    done.kills += 1;
                }
            }
            if restarted.elapsed() >= RESTART {
                server.kill();
                server.start_again();
                restarted = Instant::now();
                done.restarts += 1;
            }
        }
        if let Some((index, _)) = stopped {
            self.slots[index].signal("CONT");
        }
        done.collections = self.told.collections.load(Ordering::Relaxed);
        done.contents = self.told.contents.load(Ordering::Relaxed);
        done.met = self.told.met.load(Ordering::Relaxed);
        done
    }

    fn replace(&self, slot: &Slot) {
        let seed = self.seeds.lock().expect("no panic").number();
        slot.replace(&self.engines, seed, &self.told);
    }

    /// Starts another process for each that has ended.
    fn start_ended(&self) {
        for slot in &self.slots {
            if slot.has_ended() {
                self.replace(slot);
            }
        }
        let failures = self.told.failures.lock().expect("no panic");
        assert!(failures.is_empty(), "{failures:?}");
    }
}

impl Addresses for Processes {
    fn count(&self) -> usize {
        self.slots.len()
    }

    fn address(&self, index: usize) -> Option<String> {
        self.slots[index].address.lock().expect("no panic").clone()
    }
}

impl Slot {
    fn new(engines: &Engines, seed: u64, told: &Arc<Told>) -> Self {
        let address = Arc::default();
        let child = Mutex::new(spawn(engines, seed, &address, told));
        Self { child, address }
    }

    fn replace(&self, engines: &Engines, seed: u64, told: &Arc<Told>) {
        *self.address.lock().expect("no panic") = None;
        *self.child.lock().expect("no panic") = spawn(engines, seed, &self.address, told);
    }

    fn has_ended(&self) -> bool {
        let mut child = self.child.lock().expect("no panic");
        child.try_wait().expect("a child").is_some()
    }

    fn kill(&self) {
        let mut child = self.child.lock().expect("no panic");
        let _ = child.kill(); // it may have ended
        let _ = child.wait();
    }

    fn signal(&self, name: &str) {
        let id = self.child.lock().expect("no panic").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success(), "the process is there");
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(engines: &Engines, seed: u64, address: &Arc<Mutex<Option<String>>>, told: &Arc<Told>) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .arg(Mode::Disturbed.argument())
        .args(engines.arguments(seed))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a worker starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let (address, told) = (Arc::downgrade(address), Arc::clone(told));
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("serves", url)) => {
                    if let Some(address) = address.upgrade() {
                        let host = url.trim_start_matches("http://").to_owned();
                        *address.lock().expect("no panic") = Some(host);
                    }
                }
                Some(("collected", contents)) => {
                    told.collections.fetch_add(1, Ordering::Relaxed);
                    let contents = contents.parse().expect("a number");
                    told.contents.fetch_add(contents, Ordering::Relaxed);
                }
                Some(("met", faults)) => {
                    told.met
                        .fetch_add(faults.parse().expect("a number"), Ordering::Relaxed);
                }
                _ => told.failures.lock().expect("no panic").push(line),
            }
        }
    });
    child
}

/// The disturbances, counted.
#[derive(Default)]
pub(crate) struct Disturbances {
    kills: u64,
    stops: u64,
    restarts: u64,
    collections: u64,
    contents: u64,
    /// Requests to the store that failed, as far as processes lived to tell.
    pub(crate) met: u64,
}

impl fmt::Display for Disturbances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} stops, {} restarts of the database, {} requests of the store failed, {} collections of {} contents",
            self.kills, self.stops, self.restarts, self.met, self.collections, self.contents
        )
    }
}
