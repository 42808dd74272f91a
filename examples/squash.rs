//! Makes one layer of those of an image, as `crane flatten` does.
//!
//!     cargo run --release --example squash -- oci:images:alpine oci:images:flat

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use wharf::{Error, image::Recipe};

use common::{building, changing};

/// Make one layer of those of an image. The last line printed is the digest of the result.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    changed: changing::Changed,
    /// The lowest layer to squash, counted from one
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: usize,
    #[command(flatten)]
    ends: changing::Ends,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(
        arguments.ends.connection.host.command_timeout(),
        squash(arguments),
    )
}

async fn squash(arguments: Arguments) -> Result<(), Error> {
    let mut recipe = Recipe::new().squash(arguments.from..);
    if let Some(time) = building::created()? {
        recipe = recipe.history_created(time);
    }
    arguments
        .changed
        .change(&arguments.ends, async |_| Ok(recipe))
        .await
}
