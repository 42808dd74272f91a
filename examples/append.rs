//! Adds layers to an image, or makes an image of layers alone, as `crane append` does.
//!
//!     cargo run --release --example append -- -b docker://alpine:3.20 -f layer.tar -t oci:images:mine
//!     cargo run --release --example append -- -f site -t docker://registry.example.com/site:1

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{Error, ImageLocation, image::Recipe};

use common::{building, changing};

/// Add layers on top of those of an image. The last line printed is the digest of the result.
#[derive(Parser)]
struct Arguments {
    /// The image below, at a location such as `docker://REF` or `oci:DIR:NAME`; without it an image for --platform that has
    /// no layers
    #[arg(short, long, value_name = "SRC", value_parser = common::location)]
    base: Option<ImageLocation>,
    /// A layer: a tar, plain or compressed with gzip or zstd, or a directory (on Linux), whose files become one layer; `-` is standard
    /// input; may be repeated. The same directory gives the same layer; no file of it is later than `SOURCE_DATE_EPOCH`, if that is set
    #[arg(
        short = 'f',
        long,
        alias = "new_layer",
        value_name = "FILE|DIR",
        required = true
    )]
    new_layer: Vec<PathBuf>,
    /// Where the result goes: `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE:REF`
    /// or `docker-daemon:NAME:TAG`
    #[arg(short = 't', long, alias = "new_tag", value_name = "DST", value_parser = building::destination)]
    new_tag: ImageLocation,
    #[command(flatten)]
    layers: building::Layers,
    #[command(flatten)]
    ends: changing::Ends,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(
        arguments.ends.connection.host.command_timeout(),
        append(arguments),
    )
}

async fn append(arguments: Arguments) -> Result<(), Error> {
    let mut recipe = Recipe::new();
    for path in &arguments.new_layer {
        recipe = recipe.append(arguments.layers.layer(path)?, building::history("append", None)?);
    }
    let (base, to) = (arguments.base.as_ref(), &arguments.new_tag);
    arguments.ends.build(base, to, &recipe).await
}
