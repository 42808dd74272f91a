//! Test data of other projects, which is not part of this one.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The corpus of this name: in the folder that `WHARF_CORPORA` names, where it must be, or else in a folder `corpora`
/// beside the checkout or below one beside it. `None`, with a line that says so, where it is missing there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    if let Some(corpora) = env::var_os("WHARF_CORPORA") {
        let folder = PathBuf::from(corpora).join(name);
        assert!(
            folder.is_dir(),
            "WHARF_CORPORA has no corpus {name}: {}",
            folder.display()
        );
        return Some(folder);
    }
    let found = beside().into_iter().map(|corpora| corpora.join(name));
    if let Some(folder) = found.into_iter().find(|folder| folder.is_dir()) {
        return Some(folder);
    }
    eprintln!("skipped: there is no corpus {name}; name its parent in WHARF_CORPORA");
    None
}

fn beside() -> Vec<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let entries = fs::read_dir(&parent).into_iter().flatten().flatten();
    let below = entries.map(|entry| entry.path().join("corpora"));
    [parent.join("corpora")].into_iter().chain(below).collect()
}
