//! Test data of other projects, which is not part of this one.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The corpus of this name: in the folder that `WHARF_CORPORA` names, or in a folder `corpora` beside the checkout or
/// below one beside it. `None`, with a line that says so, where it is missing, which is a failure with `WHARF_REQUIRE_PEERS=1`.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let found = match env::var_os("WHARF_CORPORA") {
        Some(corpora) => vec![PathBuf::from(corpora)],
        None => beside(),
    };
    let found = found.into_iter().map(|corpora| corpora.join(name));
    if let Some(folder) = found.into_iter().find(|folder| folder.is_dir()) {
        return Some(folder);
    }
    let required = env::var("WHARF_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "the corpus {name} is required; name its parent in WHARF_CORPORA"
    );
    eprintln!("skipped: there is no corpus {name}; name its parent in WHARF_CORPORA");
    None
}

fn beside() -> Vec<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let entries = fs::read_dir(&parent).into_iter().flatten().flatten();
    let below = entries.map(|entry| entry.path().join("corpora"));
    [parent.join("corpora")].into_iter().chain(below).collect()
}
