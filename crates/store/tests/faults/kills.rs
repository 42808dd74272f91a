//! `kill -9` at every call.

use std::collections::BTreeSet;

use wharf_testkit::{Random, campaign::in_parallel};

use crate::{
    scenario::{SCENARIOS, Scenario, Stage},
    trace::{self, Point},
    verify,
};

const SIGKILL: i32 = 9;

pub(crate) fn killed_at_every_call(wanted: usize, random: &mut Random) -> String {
    let mut points: Vec<(&Scenario, Stage, Vec<Point>)> = Vec::new();
    for scenario in SCENARIOS {
        points.push((scenario, scenario.stage(), trace::points(scenario)));
    }
    let all: Vec<(usize, Point)> = points
        .iter()
        .enumerate()
        .flat_map(|(at, (_, _, points))| points.iter().map(move |point| (at, point.clone())))
        .collect();
    let chosen = random.choose(&all, wanted);
    let results = in_parallel(&chosen, |(at, point)| {
        let (scenario, state, _) = &points[*at];
        let stage = state.copy();
        let ended = trace::disturbed(scenario, &stage, point, "signal=SIGKILL", false);
        let context = format!(
            "{}: killed at {} {}: {}",
            scenario.name, point.call, point.number, point.line
        );
        let killed = ended.signal == Some(SIGKILL);
        assert!(
            killed || ended.code == Some(0),
            "{context}: {:?} {}{}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
        verify::store(scenario, &stage, ended.acknowledged, &context);
        killed
    });
    let hit = results.iter().filter(|&&killed| killed).count();
    let different: BTreeSet<_> = chosen.iter().map(|(at, point)| (*at, point)).collect();
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
        SCENARIOS.len(),
    )
}
