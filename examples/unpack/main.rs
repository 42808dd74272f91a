//! Unpacks an image to a directory, as `umoci unpack` makes its `rootfs`. Linux only.
//!
//!     cargo run --release --example unpack -- docker.io/library/alpine:3.20 rootfs

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
        eprintln!("error: images are unpacked on Linux only");
        ExitCode::FAILURE
    }
}
