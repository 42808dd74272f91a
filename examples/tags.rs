//! Lists the tags of a repository.
//!
//!     cargo run --release --example tags -- docker.io/library/alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{Error, reference::Written};

/// List the tags of a repository, one on each line.
#[derive(Parser)]
struct Arguments {
    /// The repository; a tag is ignored
    #[arg(value_name = "REF", value_parser = common::reference)]
    reference: Written,
    #[command(flatten)]
    connection: common::Connection,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), tags(arguments))
}

async fn tags(arguments: Arguments) -> Result<(), Error> {
    let registry = arguments.reference.normalise().registry();
    let client = arguments.connection.client(Some(registry))?;
    for tag in client.tags(&arguments.reference).await? {
        common::print(tag)?;
    }
    Ok(())
}
