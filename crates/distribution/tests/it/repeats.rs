//! The places that repeat an operation.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All but the send loop repeat an operation of several requests, each for the reason in ARCHITECTURE.md. Another
/// one multiplies the attempts of the retry policy.
#[test]
fn one_loop_sends_and_five_callers_repeat_an_operation() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    assert!(files.len() > 40, "{files:?}");
    let repeating: Vec<_> = files
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains(".next_wait("))
        .map(|file| {
            let path = file.strip_prefix(&source).unwrap();
            let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
            parts.join("/")
        })
        .collect();
    assert_eq!(
        repeating,
        [
            "pull/download/resumes.rs",
            "push/chunks.rs",
            "push/mod.rs",
            "push/stream.rs",
            "send/mod.rs",
            "send/tokens.rs",
        ]
    );
}

/// The Rust files of a directory and of those in it, in order of their paths.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
