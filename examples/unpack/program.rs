//! The program, where images can be unpacked.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{
    Error, ImageLocation, Platform,
    image::{UnpackOptions, UnpackedImage},
    layer::{ApplyOptions, Devices, IdRange, Ownership},
};

use crate::common::{self, archives};

/// The most parts that were left out which are told one by one.
const TOLD: usize = 10;

/// Unpack the layers of an image to a directory, the root file system of its containers. The last line printed is the
/// digest of the image.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Arguments {
    /// The name of a registry's image, or a location: `docker://REF`, `oci:DIR:NAME`, `dir:DIR`,
    /// `oci-archive:FILE:NAME`, `docker-archive:FILE:REF`, `docker-daemon:NAME:TAG`; the FILE `-` is standard input
    #[arg(value_name = "IMAGE", value_parser = common::image)]
    image: ImageLocation,
    /// The directory, which must be empty or not there; it appears when the image is whole
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Owners of what is unpacked: those of the image (`keep`, for root), or the current user, with those of the image
    /// recorded as umoci does (`record`) or not (`current`). `keep` by default for root, `current` for others
    #[arg(long, value_name = "keep|current|record", value_parser = owner, conflicts_with_all = ["uid_map", "gid_map"])]
    owner: Option<Ownership>,
    /// Users from CONTAINER on become those from HOST on; may be repeated
    #[arg(long, value_name = "CONTAINER:HOST[:COUNT]", value_parser = id_range, requires = "gid_map")]
    uid_map: Vec<IdRange>,
    /// Groups, likewise
    #[arg(long, value_name = "CONTAINER:HOST[:COUNT]", value_parser = id_range, requires = "uid_map")]
    gid_map: Vec<IdRange>,
    /// Character and block devices are left out, are empty files, or are made
    #[arg(long, value_name = "skip|placeholder|create", default_value = "skip", value_parser = devices)]
    devices: Devices,
    /// A directory does not replace a symbolic link to a directory
    #[arg(long)]
    keep_dirlinks: bool,
    /// Fail where the file system refuses an extended attribute
    #[arg(long)]
    strict: bool,
    /// Unpack layers that are compressed otherwise than their type says
    #[arg(long)]
    ignore_layer_types: bool,
    /// The image for this platform, when there are several; the host's by default
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

fn owner(text: &str) -> Result<Ownership, String> {
    match text {
        "keep" => Ok(Ownership::Keep),
        "current" => Ok(Ownership::Current),
        "record" => Ok(Ownership::Record),
        _ => Err("use keep, current or record".to_owned()),
    }
}

fn devices(text: &str) -> Result<Devices, String> {
    match text {
        "skip" => Ok(Devices::Skip),
        "placeholder" => Ok(Devices::Placeholder),
        "create" => Ok(Devices::Create),
        _ => Err("use skip, placeholder or create".to_owned()),
    }
}

fn id_range(text: &str) -> Result<IdRange, String> {
    let wrong = || "use two or three numbers, such as 0:100000:65536".to_owned();
    let numbers: Result<Vec<u32>, _> = text.split(':').map(str::parse).collect();
    let (inside, outside, count) = match numbers.map_err(|_| wrong())?.as_slice() {
        [inside, outside] => (*inside, *outside, 1),
        [inside, outside, count] => (*inside, *outside, *count),
        _ => return Err(wrong()),
    };
    IdRange::new(inside, outside, count).map_err(|error| error.to_string())
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), unpack(arguments))
}

async fn unpack(arguments: Arguments) -> Result<(), Error> {
    let options = arguments.options();
    let registry = common::registry_of(&arguments.image);
    let client = common::build(arguments.daemon.apply(arguments.connection.builder(registry)?)?)?;
    let image = archives::read_from(arguments.image);
    let unpacked = client.unpack_with(&image, &arguments.directory, options).await?;
    tell(&unpacked);
    common::print(unpacked.image.digest())
}

impl Arguments {
    fn options(&self) -> UnpackOptions {
        let ownership = match &self.owner {
            Some(ownership) => ownership.clone(),
            None if !self.uid_map.is_empty() => Ownership::Map {
                users: self.uid_map.clone(),
                groups: self.gid_map.clone(),
            },
            None if rustix::process::geteuid().is_root() => Ownership::Keep,
            None => Ownership::Current,
        };
        let apply = ApplyOptions::default()
            .with_ownership(ownership)
            .with_devices(self.devices)
            .with_strict(self.strict)
            .with_keep_directory_links(self.keep_dirlinks);
        let mut options = UnpackOptions::default()
            .with_apply(apply)
            .with_trust_magic(self.ignore_layer_types);
        if let Some(platform) = &self.platform {
            options = options.with_platform(platform.clone());
        }
        if !self.quiet {
            options = options.with_progress(common::progress::for_stderr(self.image.to_string()));
        }
        options
    }
}

/// Tells what of the image is not in the directory.
fn tell(unpacked: &UnpackedImage) {
    let dropped = unpacked.layers.iter().flat_map(|layer| &layer.dropped);
    for part in dropped.take(TOLD) {
        common::note(format_args!("warning: {part}"));
    }
    let total: u64 = unpacked.layers.iter().map(|layer| layer.dropped_total).sum();
    if let Some(more) = total.checked_sub(TOLD as u64).filter(|more| *more > 0) {
        common::note(format_args!("warning: {more} more parts were left out"));
    }
}
