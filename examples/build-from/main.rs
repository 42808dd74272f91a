//! Builds an image of a directory, on top of another image or of nothing. Linux only.
//!
//!     cargo run --release --example build-from -- --base docker://alpine:3.20 site oci:images:site -- httpd -f

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

#[cfg(target_os = "linux")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    return program::main();
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!("error: images are built of directories on Linux only");
        ExitCode::FAILURE
    }
}
