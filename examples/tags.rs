//! Lists the tags of a repository, or the images of a store or an archive.
//!
//!     cargo run --release --example tags -- docker.io/library/alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{Error, ErrorKind, ImageLocation, ListedImage, Reference};

use common::{archives, template};

/// List the tags of a repository or the names of the images of a store or an archive, one on each line; an image without
/// a name is `@N`, by its number.
#[derive(Parser)]
struct Arguments {
    /// The repository, with or without `docker://`, or `oci:DIR`, `dir:DIR`, `oci-archive:FILE`, `docker-archive:FILE`;
    /// a tag or a name of an image is ignored
    #[arg(value_name = "REPOSITORY", value_parser = place)]
    place: ImageLocation,
    /// Add the digest of each image and its platforms, in columns
    #[arg(long)]
    digests: bool,
    /// `json`: an array of names, digest and platforms of each image
    #[arg(long, value_name = "json", value_parser = ["json"])]
    format: Option<String>,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    refused: common::refused::OfReaders,
}

/// A repository needs no transport here.
fn place(text: &str) -> Result<ImageLocation, String> {
    if common::has_transport(text) {
        return common::location(text);
    }
    let reference: Reference = common::reference(text)?.normalise();
    Ok(ImageLocation::Registry(reference))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), tags(arguments))
}

async fn tags(arguments: Arguments) -> Result<(), Error> {
    let place = &arguments.place;
    let client = arguments.connection.client(common::registry_of(place))?;
    let is_short = !arguments.digests && arguments.format.is_none();
    if let (Some(repository), true) = (place.reference(), is_short) {
        for tag in client.tags(repository).await? {
            common::print(tag)?;
        }
        return Ok(());
    }
    let images = client.list(archives::read_from(place.clone())).await?;
    if arguments.format.is_some() {
        let text = serde_json::to_string_pretty(&images);
        return common::print(text.map_err(|error| Error::wrap(ErrorKind::Other, error))?);
    }
    let mut rows = Vec::new();
    for image in &images {
        for name in names(image) {
            let mut row = vec![name];
            if arguments.digests {
                row.extend([image.digest.to_string(), image.platforms.join(",")]);
            }
            rows.push(row);
        }
    }
    for line in template::table(&rows) {
        common::print(line)?;
    }
    Ok(())
}

fn names(image: &ListedImage) -> Vec<String> {
    if image.names.is_empty() {
        return vec![format!("@{}", image.position)];
    }
    image.names.clone()
}
