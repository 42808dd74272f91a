//! Pulls an image into a local store.
//!
//!     cargo run --release --example pull -- alpine:3.20 --store images

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{Error, Name, config::NameReason, reference::Written, store::Layout};

/// Pull an image into a local store. The last line printed is its digest.
#[derive(Parser)]
struct Arguments {
    /// What to pull
    #[arg(value_name = "REF", value_parser = common::reference)]
    reference: Written,
    /// Directory of the store, an OCI image layout; it is made if it does not exist
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Name of the image in the store, instead of its full reference
    #[arg(long, value_parser = Name::parse)]
    name: Option<Name>,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    transfer: common::Transfer,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), pull(arguments))
}

async fn pull(arguments: Arguments) -> Result<(), Error> {
    let client = arguments.connection.client_of(&arguments.reference)?;
    let store = Layout::create(&arguments.store).await?;
    let mut options = arguments.transfer.options(&arguments.reference);
    if let Some(name) = arguments.name {
        options = options.with_name(name);
    }
    let pulled = client.pull_with(&arguments.reference, &store, options).await?;
    let transfer = &arguments.transfer;
    if *pulled.reason() != NameReason::FullName {
        transfer.note(format_args!(
            "{} is {}: {}",
            arguments.reference,
            pulled.reference(),
            pulled.reason()
        ));
    }
    if let Some(reason) = pulled.unrecorded() {
        common::note(format_args!(
            "warning: the choice could not be remembered: {reason}"
        ));
    }
    if let Some(platform) = pulled.report().platform() {
        transfer.note(format_args!("{} for {platform}", pulled.reference()));
    }
    transfer.note(format_args!(
        "stored as oci:{}:{}",
        arguments.store.display(),
        pulled.name()
    ));
    common::print(pulled.digest())
}
