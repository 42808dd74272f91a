//! Puts the layers of a new base in the place of those of the old one, as `crane rebase` does.
//!
//!     cargo run --release --example rebase -- --old-base docker://debian:12 --new-base docker://debian:13 oci:images:app

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{Client, Error, ErrorKind, ImageLocation, Reference, image::Recipe};

use common::changing;

/// Put the layers of a new base in the place of those of the old one. The last line printed is the digest of the result.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    changed: changing::Changed,
    /// The old base, whose layers the image has as its lowest; by default the one that the annotations
    /// `org.opencontainers.image.base.name` and `base.digest` of the image name
    #[arg(long, alias = "old_base", value_name = "SRC", value_parser = common::location)]
    old_base: Option<ImageLocation>,
    /// The new base; by default the one that `org.opencontainers.image.base.name` names
    #[arg(long, alias = "new_base", value_name = "SRC", value_parser = common::location)]
    new_base: Option<ImageLocation>,
    #[command(flatten)]
    ends: changing::Ends,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(
        arguments.ends.connection.host.command_timeout(),
        rebase(arguments),
    )
}

async fn rebase(arguments: Arguments) -> Result<(), Error> {
    let recipe = async |client: &Client| arguments.recipe(client).await;
    arguments.changed.change(&arguments.ends, recipe).await
}

impl Arguments {
    async fn recipe(&self, client: &Client) -> Result<Recipe, Error> {
        let (old, new) = match (&self.old_base, &self.new_base) {
            (Some(old), Some(new)) => (old.clone(), new.clone()),
            (old, new) => {
                let [stated_old, stated_new] = self.stated(client).await?;
                (
                    old.clone().unwrap_or(stated_old),
                    new.clone().unwrap_or(stated_new),
                )
            }
        };
        let mut base = client.base(&new).await?;
        if let Some(reference) = new.reference() {
            base = base.with_name(reference.to_string());
        }
        Ok(Recipe::new().rebase(client.base(&old).await?, base))
    }

    /// The old and the new base that the annotations of the image name.
    async fn stated(&self, client: &Client) -> Result<[ImageLocation; 2], Error> {
        let image = common::archives::read_from(self.changed.image.clone());
        let manifest = client.image_manifest(&image).await?;
        let annotation = |key: &str| {
            let key = format!("org.opencontainers.image.base.{key}");
            let value = manifest.annotations().get(&key).cloned();
            value.ok_or_else(|| {
                let message = format!(
                    "the image has no annotation {key}: name its base with --old-base and --new-base"
                );
                Error::new(ErrorKind::Invalid, message)
            })
        };
        let new: Reference = annotation("name")?.parse().map_err(|error| {
            Error::new(ErrorKind::Invalid, "the annotation of the image names no base").with_source(error)
        })?;
        let digest = annotation("digest")?.parse().map_err(|error| {
            Error::new(ErrorKind::Invalid, "the annotation of the image states no digest").with_source(error)
        })?;
        let old = Reference::new(&new.repository()).with_digest(&digest);
        Ok([old.into(), new.into()])
    }
}
