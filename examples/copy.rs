//! Copies an image between registries and stores.
//!
//!     cargo run --release --example copy -- docker://alpine:3.20 oci:images:alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{Client, Credential, Error, ErrorKind, Image};

/// Copy an image. The last line printed is its digest.
#[derive(Parser)]
struct Arguments {
    /// `docker://REF` or `oci:DIR:NAME`
    #[arg(value_name = "SRC", value_parser = image)]
    source: Image,
    /// `docker://REF` or `oci:DIR:NAME`
    #[arg(value_name = "DST", value_parser = image)]
    destination: Image,
    /// Credentials for the source, instead of those in a file
    #[arg(long, value_name = "USER:PASS", value_parser = common::UserAndPassword, conflicts_with = "creds")]
    src_creds: Option<Credential>,
    /// Credentials for the destination, instead of those in a file
    #[arg(long, value_name = "USER:PASS", value_parser = common::UserAndPassword, conflicts_with = "creds")]
    dest_creds: Option<Credential>,
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

impl Arguments {
    /// A client with the credentials of each side, which the other never sees.
    fn client(&self) -> Result<Client, Error> {
        let both = self.connection.creds.as_ref();
        let side = |image: &Image, own: &Option<Credential>| {
            common::registry_of(image).zip(own.as_ref().or(both).cloned())
        };
        let sides = [
            side(&self.source, &self.src_creds),
            side(&self.destination, &self.dest_creds),
        ];
        if let [Some((source, one)), Some((destination, other))] = &sides {
            let refuse = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
            if source != destination && both.is_some() {
                return refuse("--creds would go to two registries: use --src-creds and --dest-creds");
            }
            if source == destination && one != other {
                return refuse("source and destination are one registry, which takes one login: use --creds");
            }
        }
        self.connection.host.with_credentials(sides.into_iter().flatten())
    }
}

async fn copy(arguments: Arguments) -> Result<(), Error> {
    let client = arguments.client()?;
    let options = arguments.transfer.options(&arguments.source);
    let report = client
        .copy(&arguments.source, &arguments.destination, options)
        .await?;
    if let Some(platform) = report.platform() {
        arguments
            .transfer
            .note(format_args!("copied the image for {platform}"));
    }
    common::print(report.digest())
}
