//! Power failures, by a model: what a worker did to the file system is recorded, and from every prefix of it
//! states are made that a disk may show afterwards.
//!
//! The model promises as little as POSIX does. Bytes are on the disk once their file has been synced, an
//! entry once its directory has been; before that each may be there or not, in any order, bytes also in
//! part or as zeros. Only a rename is one step.

use std::path::Path;

use wharf_testkit::{
    Random,
    campaign::in_parallel,
    faults::{Scenario as _, Stage, block_on},
};

use crate::{
    scenario::{SCENARIOS, Scenario, store_on},
    verify,
};

mod disk;
mod recording;

use disk::Disk;
use recording::{Change, Recording};

/// A state to try: after so many changes, with what is uncertain decided by a seed or at an extreme.
#[derive(Clone, Copy)]
struct Case {
    scenario: usize,
    after: usize,
    fate: Fate,
}

/// What becomes of what was not synced.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    Lost,
    Kept,
    /// Entries are kept, the bytes of files are not.
    Empty,
    /// All is kept but the change with this number.
    AllBut(usize),
    /// As the seed has it.
    Seeded(u64),
}

/// More changes than are uncertain while a layout is made.
const MOST_UNCERTAIN: usize = 16;

pub(crate) fn power_failures_at_every_change(wanted: usize, random: &mut Random) -> String {
    let recorded: Vec<(&Scenario, Stage, Recording)> = SCENARIOS
        .iter()
        .map(|scenario| {
            let stage = scenario.stage();
            let recording = Recording::of(scenario, &stage.copy());
            (scenario, stage, recording)
        })
        .collect();
    // Right after a promise always, elsewhere as the seed has it.
    let (mut cases, mut all) = (Vec::new(), Vec::new());
    for (scenario, (_, _, recording)) in recorded.iter().enumerate() {
        for after in 0..=recording.changes.len() {
            let promised = after > 0 && matches!(recording.changes[after - 1], Change::Acknowledged);
            for fate in [
                Fate::Lost,
                Fate::Kept,
                Fate::Empty,
                Fate::Seeded(0),
                Fate::Seeded(1),
            ] {
                let case = Case {
                    scenario,
                    after,
                    fate,
                };
                if promised {
                    cases.push(case);
                }
                all.push(case);
            }
        }
    }
    for (scenario, (_, _, recording)) in recorded.iter().enumerate() {
        cases.extend(while_made(scenario, recording));
    }
    cases.extend(random.choose(&all, wanted * 3));
    for case in &mut cases {
        if let Fate::Seeded(seed) = &mut case.fate {
            *seed = random.number();
        }
    }
    let uncertain = in_parallel(&cases, |case| {
        let (scenario, stage, recording) = &recorded[case.scenario];
        one(scenario, stage, recording, *case)
    });
    let changes: usize = recorded
        .iter()
        .map(|(_, _, recording)| recording.changes.len())
        .sum();
    format!(
        "{} states after {changes} recorded changes, {} of them with something uncertain; damaged 0, lost 0",
        cases.len(),
        uncertain.iter().filter(|&&uncertain| uncertain > 0).count(),
    )
}

/// The states around the change that makes a directory a layout, each without one of the other changes.
fn while_made(scenario: usize, recording: &Recording) -> Vec<Case> {
    let makes_layout = |change: &Change| match change {
        Change::Rename { to, .. } => to == Path::new("store/oci-layout"),
        _ => false,
    };
    let Some(made) = recording.changes.iter().position(makes_layout) else {
        return Vec::new();
    };
    let after = made..(made + 3).min(recording.changes.len());
    let case = |(after, number)| Case {
        scenario,
        after,
        fate: Fate::AllBut(number),
    };
    let numbers = |after| (0..MOST_UNCERTAIN).map(move |number| (after, number));
    after.flat_map(numbers).map(case).collect()
}

/// Makes one state and looks at it; how many changes were uncertain.
fn one(scenario: &Scenario, stage: &Stage, recording: &Recording, case: Case) -> usize {
    let changes = &recording.changes[..case.after];
    let acknowledged = changes
        .iter()
        .filter(|change| matches!(change, Change::Acknowledged))
        .count();
    let mut disk = Disk::read(stage.path());
    let uncertain = disk.replay(changes, case.fate);
    let after = Stage::filled(|to| disk.write(to));
    let fate = match case.fate {
        Fate::Lost => "lost".to_owned(),
        Fate::Kept => "kept".to_owned(),
        Fate::Empty => "kept without bytes".to_owned(),
        Fate::AllBut(number) => format!("kept, but for number {number}"),
        Fate::Seeded(seed) => format!("decided by {seed}"),
    };
    let last = changes.last().map(ToString::to_string).unwrap_or_default();
    let context = format!(
        "{}: power failed after change {} ({last}), what was not synced {fate}",
        scenario.name, case.after
    );
    if matches!(case.fate, Fate::Seeded(seed) if seed % 4 == 0) {
        verify::store(scenario, &after, acknowledged, &context);
    } else {
        block_on(verify::whole(scenario, &store_on(&after), acknowledged, &context));
    }
    uncertain
}
