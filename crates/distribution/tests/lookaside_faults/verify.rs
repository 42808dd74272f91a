//! What must hold, whatever happened.

use std::{collections::BTreeSet, fs, io};

use wharf_testkit::faults::{Stage, block_on};

use crate::{scenario::Scenario, worker};

/// After a disturbance: what was there is as it was, each number has a whole signature that was given, and there is no
/// gap. The steps can be done again, and nothing else is left in the directory then.
pub(crate) fn stage(scenario: &Scenario, stage: &Stage, acknowledged: usize, context: &str) {
    let before = scenario.held_before();
    let steps = scenario.disturbed();
    let given = blobs(steps);
    let found = files(stage, context);
    assert!(
        found.starts_with(&before),
        "{context}: what was there is unchanged"
    );
    let is_given = |blob: &Vec<u8>| before.contains(blob) || given.contains(blob);
    assert!(found.iter().all(is_given), "{context}: no part of a signature");
    for blob in blobs(&steps[..acknowledged]) {
        assert!(
            found.contains(&blob),
            "{context}: a step that was done is not lost"
        );
    }
    let read = block_on(worker::read(stage.path()));
    let read = read.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(read, found, "{context}: a reader finds what is there");
    for step in steps {
        let again = block_on(worker::step(stage.path(), step));
        again.unwrap_or_else(|error| panic!("{context}: {step} again: {error}: {error:?}"));
    }
    let after = files(stage, context);
    assert!(after.starts_with(&found), "{context}: each keeps its number");
    let all: BTreeSet<_> = before.into_iter().chain(given).collect();
    assert_eq!(after.len(), all.len(), "{context}: each is there once");
    assert_eq!(after.into_iter().collect::<BTreeSet<_>>(), all, "{context}");
    let directory = stage.path().join(worker::directory());
    let count = fs::read_dir(directory).unwrap().count();
    assert_eq!(count, all.len(), "{context}: nothing else is left");
}

/// The contents of the files with a number, in the order of the numbers, among which there is no gap.
pub(crate) fn files(stage: &Stage, context: &str) -> Vec<Vec<u8>> {
    let directory = stage.path().join(worker::directory());
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        entries => entries.unwrap(),
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let count = names.filter(|name| !name.starts_with('.')).count();
    let path = |number: usize| directory.join(format!("signature-{number}"));
    let content = |number| fs::read(path(number)).unwrap_or_else(|error| panic!("{context}: a gap: {error}"));
    (1..=count).map(content).collect()
}

fn blobs(steps: &[&str]) -> BTreeSet<Vec<u8>> {
    let numbers = steps.iter().flat_map(|step| step.split(' '));
    numbers
        .map(|number| worker::blob(number.parse().expect("a number")))
        .collect()
}
