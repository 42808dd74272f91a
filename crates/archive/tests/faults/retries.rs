//! A write that fails once and is attempted again with the same writer.

use wharf_testkit::{
    Random,
    campaign::in_parallel,
    faults::{Scenario as _, disturbed, points_of},
};

use crate::scenario::RETRIES;

/// After a disk that was full for a moment, the second attempt comes to the same end.
pub(crate) fn second_attempts_succeed(wanted: usize, random: &mut Random) -> String {
    let mut all = Vec::new();
    for scenario in RETRIES {
        let state = scenario.stage();
        let points = points_of(scenario, &state).into_iter();
        let writes = points.filter(|point| matches!(&*point.call, "write" | "pwrite64" | "ftruncate"));
        all.extend(writes.map(|point| (scenario, point)));
    }
    assert!(all.len() > 10, "the writes are found: {all}", all = all.len());
    let chosen = random.choose(&all, wanted.div_ceil(2).min(all.len()));
    in_parallel(&chosen, |(scenario, point)| {
        let stage = scenario.stage();
        let ended = disturbed(*scenario, &stage, point, "error=ENOSPC", false);
        let context = format!("{}: a full disk at {point}", scenario.name());
        assert_eq!(ended.code, Some(0), "{context}: {ended:?}");
        scenario.verify(&stage, ended.acknowledged(), &context);
    });
    format!(
        "{} runs of {} possible, all done at the second attempt",
        chosen.len(),
        all.len()
    )
}
