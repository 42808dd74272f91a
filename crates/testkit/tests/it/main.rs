//! The kit itself: that its peers run, that real programs accept its images, and that the pages are what the sources say.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod corpora;
mod history;
mod hostile;
mod images;
mod limits;
mod pages;
mod peers;
mod shared_names;
mod threats;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}
