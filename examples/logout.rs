//! Forgets the credentials for a registry.
//!
//!     cargo run --release --example logout -- registry.example

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::Error;

/// Log out of a registry.
#[derive(Parser)]
struct Arguments {
    /// Host, host:port, or either with a namespace
    registry: String,
    #[command(flatten)]
    host: common::Host,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.host.command_timeout(), logout(arguments))
}

async fn logout(arguments: Arguments) -> Result<(), Error> {
    let client = common::build(arguments.host.reader()?)?;
    let erased = client.logout(&arguments.registry).await?;
    for source in &erased.removed {
        common::note(format_args!("removed from {source}"));
    }
    if let Some(other) = erased.remaining {
        common::note(format_args!("warning: {other} still has credentials for it"));
    }
    for error in erased.unanswered {
        common::note(format_args!(
            "warning: {error}; it may still have credentials for it"
        ));
    }
    common::print(format_args!(
        "Removed login credentials for {}",
        arguments.registry
    ))
}
