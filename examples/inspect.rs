//! Shows what an image is, as `skopeo inspect` does.
//!
//!     cargo run --release --example inspect -- docker://alpine:3.20

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;
use serde_json::Value;
use wharf::{Error, ErrorKind, ImageLocation, Platform, Selection};

use common::{archives, template};

/// Show what an image is, as JSON with Skopeo's keys.
#[derive(Parser)]
struct Arguments {
    /// `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE:REF`, with `@N` for the
    /// name of the image with this number, `docker-daemon:NAME:TAG` or `docker-daemon:ID`; the FILE `-` is standard input
    #[arg(value_name = "IMAGE", value_parser = common::location)]
    image: ImageLocation,
    /// Print the manifest or index, byte for byte; with --config, the config
    #[arg(long)]
    raw: bool,
    /// Print the config
    #[arg(long)]
    config: bool,
    /// Do not ask for the tags of the repository
    #[arg(short, long)]
    no_tags: bool,
    /// `json`, or text with keys such as `{{.Digest}}`: those of the JSON, and no other templates of Go's
    #[arg(short, long, value_name = "FORMAT", conflicts_with_all = ["raw", "config"])]
    format: Option<template::Format>,
    /// The image for this platform, when there are several; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    #[command(flatten)]
    daemon: common::daemon::OneDaemon,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    refused: common::refused::OfReaders,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), inspect(arguments))
}

async fn inspect(arguments: Arguments) -> Result<(), Error> {
    let registry = common::registry_of(&arguments.image);
    let client = common::build(arguments.daemon.apply(arguments.connection.builder(registry)?)?)?;
    let image = &archives::read_from(arguments.image);
    let platform = arguments.platform.unwrap_or_else(Platform::host);
    let selection = Selection::Platform(platform);
    match (arguments.raw, arguments.config) {
        (true, false) => common::print_bytes(client.manifest(image).await?.bytes()),
        (true, true) => common::print_bytes(&client.config_bytes_with(image, &selection).await?),
        (false, true) => {
            let config = client.config_bytes_with(image, &selection).await?;
            let value: Value =
                serde_json::from_slice(&config).map_err(|error| Error::wrap(ErrorKind::Invalid, error))?;
            common::print_bytes(&pretty(&value)?)
        }
        (false, false) => {
            let inspection = if arguments.no_tags {
                client.inspect_without_tags(image, &selection).await?
            } else {
                client.inspect_with(image, &selection).await?
            };
            let Some(template::Format::Template { parts, .. }) = &arguments.format else {
                return common::print_bytes(&pretty(&inspection)?);
            };
            match serde_json::to_value(&inspection) {
                Ok(Value::Object(values)) => common::print(template::render(parts, &values)?),
                other => Err(Error::new(
                    ErrorKind::Other,
                    format!("cannot describe the image: {other:?}"),
                )),
            }
        }
    }
}

/// Four spaces, as Skopeo indents.
fn pretty(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    value
        .serialize(&mut serializer)
        .map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    text.push(b'\n');
    Ok(text)
}
