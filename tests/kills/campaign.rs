//! The choice of calls, and the runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use wharf_testkit::{Random, faults::Point};

use crate::{
    registry::Hosted,
    scenario::{SCENARIOS, Scenario},
    trace, verify,
};

/// One of the runs.
struct Run {
    number: usize,
    scenario: &'static Scenario,
    point: Point,
    /// Whether garbage is collected before the program runs again, so that it finds nothing to continue.
    collect_first: bool,
}

/// What the seed chooses from: the calls by scenario and kind, so that the few that publish something are met
/// as often as the many that move bytes.
type Groups = Vec<(&'static Scenario, Vec<Point>)>;

/// Kills so many programs, or all at one call; what was done, in words.
pub(crate) fn programs_killed_at_every_call(wanted: usize, mut random: Random, only: Option<&str>) -> String {
    let hosted = Hosted::start();
    let groups = only.map_or_else(|| recorded(&hosted), chosen);
    let calls: usize = groups.iter().map(|(_, points)| points.len()).sum();
    // Threads share their work differently each time, so that some calls are not made again.
    let most = wanted * 2 + 20;
    let runs: Vec<Run> = (0..most)
        .map(|number| {
            let (scenario, points) = random.pick(&groups);
            Run {
                number,
                scenario,
                point: random.pick(&points),
                collect_first: random.coin(),
            }
        })
        .collect();

    let (next, hits) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let hit = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while hits.load(Ordering::Relaxed) < wanted {
                    let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    if reported(&hosted, run) {
                        let _ = hits.fetch_add(1, Ordering::Relaxed);
                        hit.lock().unwrap().insert((run.scenario.name, &run.point));
                    }
                }
            });
        }
    });
    let done = next.into_inner().min(runs.len());
    let hits = hits.into_inner();
    assert!(hits >= wanted, "most kills must hit: {hits} of {done}");
    format!(
        "{done} runs, {hits} killed, at {} of {calls} calls of {} scenarios; damaged 0, lost 0, locks left 0",
        hit.into_inner().unwrap().len(),
        SCENARIOS.len(),
    )
}

fn recorded(hosted: &Hosted) -> Groups {
    let mut groups = Groups::new();
    for (at, scenario) in SCENARIOS.iter().enumerate() {
        let mut kinds: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for point in trace::points(hosted, scenario, usize::MAX - at) {
            kinds.entry(point.call.clone()).or_default().push(point);
        }
        groups.extend(kinds.into_values().map(|points| (scenario, points)));
    }
    groups
}

fn chosen(text: &str) -> Groups {
    let found = text.split_once(": ").and_then(|(name, point)| {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name)?;
        Some((scenario, vec![Point::parse(point)?]))
    });
    vec![found.unwrap_or_else(|| panic!("{text:?} is no call of a scenario"))]
}

/// Does a run, and says which it was if it fails. Returns whether the kill hit.
fn reported(hosted: &Hosted, run: &Run) -> bool {
    let attempt = AssertUnwindSafe(|| {
        let stage = run.scenario.stage(hosted, run.number);
        let (ended, killed) = trace::killed(hosted, run.scenario, &stage, &run.point);
        if !killed {
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        let digest = run.scenario.content(hosted).digest().to_string();
        let acknowledged = ended.stdout.contains(&digest);
        verify::after_kill(hosted, run.scenario, &stage, acknowledged, run.collect_first);
        killed
    });
    catch_unwind(attempt).unwrap_or_else(|panic| {
        println!(
            "FAILED run {}: repeat with WHARF_KILLS_AT=\"{}: {}\" (collected first: {})",
            run.number, run.scenario.name, run.point, run.collect_first
        );
        resume_unwind(panic)
    })
}
