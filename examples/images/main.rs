//! Manages the images of a store, as `podman images`, `podman rmi` and their kin do.
//!
//!     cargo run --release --example images -- --store images ls
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

#[path = "../common/mod.rs"]
mod common;
mod diff;
mod list;
mod remove;
mod show;
mod text;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use wharf::{
    Error, Name, Source as _, Target,
    store::{Layout, find_summary},
};

/// Manage the images of a store, an OCI image layout.
///
/// An image is named as it is in the store, by a short form of that, by its ID or the beginning of it, or by its digest.
#[derive(Parser)]
struct Arguments {
    /// Directory of the store
    #[arg(long, value_name = "DIR", global = true, default_value = "images")]
    store: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List images. SIZE is that of the distinct blobs, compressed; IMAGE ID is the digest of the config
    #[command(alias = "list")]
    Ls(list::Arguments),
    /// Print summary, config and manifest of images, as a JSON array
    Inspect {
        #[arg(value_name = "IMAGE", required = true)]
        images: Vec<String>,
    },
    /// Exit with 0 if there is such an image, and with 1 if not
    Exists {
        #[arg(value_name = "IMAGE")]
        image: String,
    },
    /// Give more names to an image
    Tag {
        #[arg(value_name = "IMAGE")]
        image: String,
        /// Names, such as docker.io/library/alpine:3.20; one without a registry gets localhost/, one without a tag :latest
        #[arg(value_name = "NAME", required = true, value_parser = text::full_name)]
        names: Vec<Name>,
    },
    /// Take names from an image; all of them if none is given
    Untag {
        #[arg(value_name = "IMAGE")]
        image: String,
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove images, and the content that no other image needs
    #[command(alias = "remove")]
    Rm(remove::RemoveArguments),
    /// Remove images without a name, and the content that no image needs
    Prune(remove::PruneArguments),
    /// Show the steps that made an image, the latest first
    History {
        /// Do not shorten IDs and commands
        #[arg(long)]
        no_trunc: bool,
        #[arg(value_name = "IMAGE")]
        image: String,
    },
    /// Show which files an image adds (A), changes (C) and deletes (D), compared with another one or with the layers below
    /// its top one
    Diff(Box<diff::Arguments>),
    /// Show the layers of an image, and the images that end with each
    Tree {
        #[arg(value_name = "IMAGE")]
        image: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let timeout = match &arguments.command {
        Command::Diff(arguments) => arguments.timeout(),
        _ => None,
    };
    common::run(timeout, manage(arguments))
}

async fn manage(arguments: Arguments) -> Result<(), Error> {
    if let Command::Diff(diff) = arguments.command {
        return diff::diff(&arguments.store, *diff).await; // which may need no store
    }
    let store = Layout::open(&arguments.store).await?;
    match arguments.command {
        Command::Diff(_) => Ok(()),
        Command::Ls(arguments) => list::list(&store, &arguments).await,
        Command::Inspect { images } => show::inspect(&store, &images).await,
        Command::Exists { image } => {
            let images = store.summaries().await?;
            if find_summary(&images, &image).is_err() {
                std::process::exit(1);
            }
            Ok(())
        }
        Command::Tag { image, names } => {
            let images = store.summaries().await?;
            let found = find_summary(&images, &image)?;
            let descriptor = store.resolve(&Target::Digest(found.digest.clone())).await?;
            for name in names {
                store.tag(&name, &descriptor).await?;
            }
            Ok(())
        }
        Command::Untag { image, names } => remove::untag(&store, &image, &names).await,
        Command::Rm(arguments) => remove::remove(&store, &arguments).await,
        Command::Prune(arguments) => remove::prune(&store, &arguments).await,
        Command::History { no_trunc, image } => show::history(&store, &image, no_trunc).await,
        Command::Tree { image } => show::tree(&store, &image).await,
    }
}
