//! Makes an image of a tar with a root file system, as `podman import` does.
//!
//!     cargo run --release --example import -- -c 'CMD ["/bin/sh"]' rootfs.tar oci:images:mine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{
    Error, ErrorKind, ImageBuilder, ImageLocation, Options, Platform, Selection,
    image::{Recipe, Set},
};

use common::{building, instructions};

/// Make an image of one layer. The last line printed is its digest. The time of the image is that of `SOURCE_DATE_EPOCH`,
/// and none without it.
#[derive(Parser)]
struct Arguments {
    /// A tar, plain or compressed with gzip or zstd; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The image: `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE:REF` or
    /// `docker-daemon:NAME:TAG`
    #[arg(value_name = "DST", value_parser = building::destination)]
    destination: ImageLocation,
    /// An instruction of the config: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, as a
    /// Dockerfile has it; may be repeated
    #[arg(short, long, value_name = "INSTRUCTION", value_parser = instructions::parse)]
    change: Vec<instructions::Sets>,
    /// The comment in the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// The platform of the image; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Print nothing but the result
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    daemon: common::daemon::OneDaemon,
    #[command(flatten)]
    connection: common::Connection,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), import(arguments))
}

async fn import(arguments: Arguments) -> Result<(), Error> {
    if arguments.file.to_string_lossy().contains("://") {
        let message = "a layer is not read from a URL: download it, and check it";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let layer = building::layer(&arguments.file)?;
    let registry = common::registry_of(&arguments.destination);
    let client = common::build(arguments.daemon.apply(arguments.connection.builder(registry)?)?)?;
    let platform = arguments.platform.unwrap_or_else(Platform::host);
    let scratch = ImageBuilder::for_platform(platform).build()?;
    let sets: Vec<Set> = arguments.change.into_iter().flat_map(|sets| sets.0).collect();
    let recipe = Recipe::new()
        .append(layer, building::history("import", arguments.message.as_deref())?)
        .edit(building::unrecorded(sets)?);
    let mut options = Options::default().with_selection(Selection::All);
    if !arguments.quiet {
        let what = arguments.destination.to_string();
        options = options.with_progress_listener(common::progress::for_stderr(what));
    }
    let to = &arguments.destination;
    let copied = client
        .convert_from(&scratch, scratch.digest(), to, &recipe, options)
        .await?;
    building::finish(&copied, arguments.quiet)
}
