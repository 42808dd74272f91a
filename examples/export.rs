//! Writes the root file system of an image as one tar, as `crane export` does.
//!
//!     cargo run --release --example export -- docker.io/library/alpine:3.20 rootfs.tar

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{
    fs::File,
    io::{IsTerminal as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use wharf::{Client, Error, ErrorKind, ImageLocation, Manifest, Platform, Selection};

use common::archives;

/// Write the root file system of an image as one tar, without whiteouts. The last line printed is the digest of the image.
#[derive(Parser)]
struct Arguments {
    /// The name of a registry's image, or a location: `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`,
    /// `docker-archive:FILE:REF`, `docker-daemon:NAME:TAG`; the FILE `-` is standard input
    #[arg(value_name = "IMAGE", value_parser = common::image)]
    image: ImageLocation,
    /// The file, which is replaced; `-`, the default, is standard output, which must be redirected, and the digest goes to
    /// standard error then
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file, as Podman takes it
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    output: Option<PathBuf>,
    /// The image for this platform, when there are several; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    #[command(flatten)]
    daemon: common::daemon::OneDaemon,
    #[command(flatten)]
    connection: common::Connection,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), export(arguments))
}

async fn export(arguments: Arguments) -> Result<(), Error> {
    let path = arguments.file.or(arguments.output);
    let path = path.unwrap_or_else(|| PathBuf::from("-"));
    let to_standard_output = archives::is_standard_output(&path);
    if to_standard_output && stdout().is_terminal() {
        let message = "a tar is not written to a terminal: redirect standard output, or name a file";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let registry = common::registry_of(&arguments.image);
    let client = common::build(arguments.daemon.apply(arguments.connection.builder(registry)?)?)?;
    let image = archives::read_from(arguments.image);
    let selection = arguments
        .platform
        .map_or_else(Selection::default, Selection::Platform);
    if to_standard_output {
        let exported = client.export_with(&image, stdout(), selection).await?;
        common::note(exported.digest());
        return Ok(());
    }
    let exported = to_file(&client, &image, &path, selection).await?;
    common::print(exported.digest())
}

/// Writes a file that appears when it is whole; a pipe or a device is written as it is.
async fn to_file(
    client: &Client,
    image: &ImageLocation,
    path: &Path,
    selection: Selection,
) -> Result<Manifest, Error> {
    let failed = |error| {
        let message = format!("cannot write {}", path.display());
        Error::new(ErrorKind::Storage, message).with_source(error)
    };
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        let file = File::options().write(true).open(path).map_err(failed)?;
        return client.export_with(image, file, selection).await;
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // without those of the umask
    let written = builder.tempfile_in(directory).map_err(failed)?;
    let file = written.as_file().try_clone().map_err(failed)?;
    let exported = client.export_with(image, file, selection).await?;
    written.persist(path).map_err(|error| failed(error.error))?;
    Ok(exported)
}
