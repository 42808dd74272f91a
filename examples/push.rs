//! Pushes an image from a local store.
//!
//!     cargo run --release --example push -- --store images docker.io/library/alpine:3.20 localhost:5000/alpine:3.20

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

#[cfg(feature = "trust")]
use clap::CommandFactory as _;
use clap::Parser;
use wharf::{Error, StoreImage, reference::Written, store::Layout};

/// Push an image from a local store. The last line printed is its digest.
#[derive(Parser)]
struct Arguments {
    /// Directory of the store, an OCI image layout
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Name of the image in the store, its number as `@N`, from `@0`, or its digest
    #[arg(value_name = "NAME_IN_STORE")]
    image: StoreImage,
    /// Where to push it
    #[arg(value_name = "REF", value_parser = common::reference)]
    reference: Written,
    #[command(flatten)]
    signatures: common::signatures::Signatures,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    transfer: common::Transfer,
    #[cfg(feature = "trust")]
    #[command(flatten)]
    signing: common::signing::Signing,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "trust")]
    arguments.signing.check(Arguments::command());
    common::run(arguments.connection.host.command_timeout(), push(arguments))
}

async fn push(arguments: Arguments) -> Result<(), Error> {
    let registry = arguments.reference.normalise().registry();
    let client = arguments.connection.client(Some(registry))?;
    let store = Layout::open(&arguments.store).await?;
    let image = arguments.image.target(&store).await?;
    let options = arguments.transfer.options(&image);
    let options = arguments.signatures.apply(options, false);
    #[cfg(feature = "trust")]
    let options = arguments.signing.apply(options).await?;
    let copied = client
        .push_with(&store, image, &arguments.reference, options)
        .await?;
    if let Some(platform) = copied.report().platform() {
        let note = format_args!("pushed the image for {platform}; --all pushes every one");
        arguments.transfer.note(note);
    }
    common::print(copied.digest())
}
