//! Signs an image that a registry has.
//!
//!     cargo run --release --example sign -- --sign-by-sigstore-private-key cosign.key localhost:5000/app:1

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::{ArgGroup, CommandFactory as _, Parser};
use wharf::{Error, reference::Written};

/// Sign an image of a registry; of an index, each of its images, too. The last line printed is its digest.
#[derive(Parser)]
#[command(group = ArgGroup::new("key").args(["sign_by", "sign_by_sigstore_private_key"]).required(true).multiple(true))]
struct Arguments {
    /// What to sign
    #[arg(value_name = "REF", value_parser = common::reference)]
    reference: Written,
    #[command(flatten)]
    signing: common::signing::Signing,
    #[command(flatten)]
    connection: common::Connection,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.signing.check(Arguments::command());
    common::run(arguments.connection.host.command_timeout(), sign(arguments))
}

async fn sign(arguments: Arguments) -> Result<(), Error> {
    let signers = arguments.signing.signers().await?;
    let registry = arguments.reference.normalise().registry();
    let client = arguments.connection.client(Some(registry))?;
    let report = match arguments.signing.identity() {
        Some(identity) => client.sign_as(&arguments.reference, &identity, signers).await?,
        None => client.sign(&arguments.reference, signers).await?,
    };
    common::print(report.digest())
}
