//! `kill -9` at every call.

use std::collections::BTreeSet;

use super::{
    Point, Scenario, Stage,
    trace::{disturbed, points_of},
};
use crate::{Random, campaign::in_parallel};

const SIGKILL: i32 = 9;

/// Kills so many workers, each at one of all the calls of the scenarios, and verifies each stage afterwards.
/// Returns what was done, in words.
pub fn killed_at_every_call(scenarios: &[impl Scenario], wanted: usize, random: &mut Random) -> String {
    let states: Vec<Stage> = scenarios.iter().map(Scenario::stage).collect();
    let all: Vec<(usize, Point)> = states
        .iter()
        .enumerate()
        .flat_map(|(at, state)| {
            points_of(&scenarios[at], state)
                .into_iter()
                .map(move |point| (at, point))
        })
        .collect();
    let chosen = random.choose(&all, wanted);
    let results = in_parallel(&chosen, |(at, point)| {
        let (scenario, stage) = (&scenarios[*at], states[*at].copy());
        let ended = disturbed(scenario, &stage, point, "signal=SIGKILL", false);
        let context = format!("{}: killed at {point}", scenario.name());
        let killed = ended.signal == Some(SIGKILL);
        assert!(killed || ended.code == Some(0), "{context}: {ended:?}");
        scenario.verify(&stage, ended.acknowledged(), &context);
        killed
    });
    let hit = results.iter().filter(|&&killed| killed).count();
    let different: BTreeSet<_> = chosen.iter().collect();
    assert!(
        hit * 10 >= results.len() * 9,
        "most faults must hit: {hit} of {}",
        results.len()
    );
    format!(
        "{} runs, {hit} killed, at {} of {} calls of {} scenarios; damaged 0, lost 0, locks left 0",
        results.len(),
        different.len(),
        all.len(),
        scenarios.len(),
    )
}
