//! Copies an image between registries and stores.
//!
//!     cargo run --release --example copy -- docker://alpine:3.20 oci:images:alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{Error, Image};

/// Copy an image. The last line printed is its digest.
#[derive(Parser)]
struct Arguments {
    /// `docker://REF` or `oci:DIR:NAME`
    #[arg(value_name = "SRC", value_parser = image)]
    source: Image,
    /// `docker://REF` or `oci:DIR:NAME`
    #[arg(value_name = "DST", value_parser = image)]
    destination: Image,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    transfer: common::Transfer,
}

fn image(text: &str) -> Result<Image, String> {
    if let Some(reference) = text.strip_prefix("docker://") {
        common::reference(reference)?;
    }
    text.parse().map_err(|error: Error| error.to_string())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(copy(arguments))
}

async fn copy(arguments: Arguments) -> Result<(), Error> {
    let registries: Vec<_> = [&arguments.source, &arguments.destination]
        .into_iter()
        .filter_map(common::registry_of)
        .collect();
    let client = arguments.connection.client(&registries)?;
    let options = arguments.transfer.options();
    let report = client
        .copy(&arguments.source, &arguments.destination, options)
        .await?;
    if let Some(platform) = report.platform() {
        arguments
            .transfer
            .note(format_args!("copied the image for {platform}"));
    }
    println!("{}", report.digest());
    Ok(())
}
