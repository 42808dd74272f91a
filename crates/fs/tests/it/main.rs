//! Directories and files from the outside.

#![expect(clippy::unwrap_used, reason = "tests report by panicking")]

mod directories;
mod files;
mod locks;
#[cfg(unix)]
mod other_kinds;
