//! A file system with neither of the two ways to name a file without replacing another.

use wharf_testkit::{
    Random,
    faults::{REFUSED, Scenario as _, strace},
};

use crate::{scenario::SCENARIOS, verify, worker};

/// Nothing is written there, nothing is left, and the error says why.
pub(crate) fn nothing_is_written(_: usize, _: &mut Random) -> String {
    let scenarios = SCENARIOS.iter().filter(|scenario| !scenario.has_refusal());
    let mut count = 0;
    for scenario in scenarios {
        let (stage, context) = (scenario.stage(), scenario.name());
        let options = [
            "-e",
            "trace=renameat2,linkat",
            "-e",
            "inject=renameat2:error=EINVAL",
            "-e",
            "inject=linkat:error=EPERM",
        ];
        let ended = strace(&scenario.worker(&stage), stage.path(), &options);
        assert_eq!(ended.code, Some(REFUSED), "{context}: {ended:?}");
        for words in [
            "error Unsupported",
            "can neither rename a file without replacing another nor make a hard link",
            "keep the store on another file system",
        ] {
            assert!(ended.stdout.contains(words), "{context}: {}", ended.stdout);
        }
        let files = verify::files(&stage, context);
        assert_eq!(files, scenario.held_before(), "{context}");
        let entries = stage.entries().into_iter();
        let left = entries.filter(|path| path.starts_with(worker::directory()));
        let left = left.filter(|path| !path.ends_with(worker::directory()));
        assert_eq!(left.count(), files.len(), "{context}: nothing is left");
        count += 1;
    }
    format!("{count} runs, all refused")
}
