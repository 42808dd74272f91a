//! Copies sets of images, and of them only what is new.
//!
//!     cargo run --release --example sync -- --src docker --dest dir quay.io/fedora/fedora images
//!     cargo run --release --example sync -- --src yaml --dest docker set.yaml mirror.example.com/team

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{
    fs::File,
    io::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use wharf::{
    Client, Error, ErrorKind, Registry, WithCauses,
    reference::Written,
    sync::{self, Action, Destination, Event, Naming, Outcome, Report, SyncSet, TagPattern},
};

/// Copy sets of images, and of them only what is new.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Arguments {
    /// Where the images are: `docker` (a repository or an image), `dir` (a directory of images), `yaml` (a file that lists
    /// registries and images), `oci` (an OCI image layout)
    #[arg(short, long, value_name = "TRANSPORT")]
    src: From,
    /// Where they go: `docker` (a registry and a prefix), `dir`, `oci`, `oci-archive` or `docker-archive`
    #[arg(short, long, value_name = "TRANSPORT")]
    dest: To,
    /// The repository or image, directory or file
    source: String,
    /// The registry and prefix, directory or file
    destination: String,
    /// Name the images at the destination by their whole names, with the registry
    #[arg(long)]
    scoped: bool,
    /// Append this to each name, and thereby to the tag
    #[arg(long, value_name = "TEXT", default_value = "")]
    append_suffix: String,
    /// Say what would be copied, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Copy the other images after a failure, and fail at the end
    #[arg(short, long)]
    keep_going: bool,
    /// Write a line `DIGEST TRANSPORT:REF` for each image to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Remove the names from the destination that the set does not have, in the repositories it has images of
    #[arg(long)]
    prune: bool,
    /// Copy only images whose location matches this regular expression
    #[arg(long, value_name = "REGEX")]
    allow: Vec<TagPattern>,
    /// Copy no image whose location matches this regular expression
    #[arg(long, value_name = "REGEX")]
    deny: Vec<TagPattern>,
    /// The most images that are copied at once
    #[arg(long, value_name = "N", default_value = "4")]
    images: NonZeroUsize,
    #[command(flatten)]
    signatures: common::signatures::Signatures,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    sides: common::sides::Sides,
    #[command(flatten)]
    transfer: common::Transfer,
}

/// Transports of sources.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    Docker,
    Dir,
    Yaml,
    Oci,
}

/// Transports of destinations.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    Docker,
    Dir,
    Oci,
    OciArchive,
    DockerArchive,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(
        arguments.connection.host.command_timeout(),
        synchronise(arguments),
    )
}

impl Arguments {
    fn set(&self) -> Result<SyncSet, Error> {
        Ok(match self.src {
            From::Docker => SyncSet::of_repository(&self.source)?,
            From::Dir => SyncSet::from_directory(&self.source),
            From::Oci => SyncSet::from_layout(&self.source),
            From::Yaml => common::yaml::from_file(Path::new(&self.source))?,
        })
    }

    fn destination(&self) -> Result<Destination, Error> {
        let transport = match self.dest {
            To::Docker => "docker://",
            To::Dir => "dir:",
            To::Oci => "oci:",
            To::OciArchive => "oci-archive:",
            To::DockerArchive => "docker-archive:",
        };
        let path = &self.destination;
        let path = path.strip_prefix(transport).unwrap_or(path);
        format!("{transport}{path}").parse()
    }

    /// Clients for the source and the destination.
    fn clients(&self, destination: &Destination) -> Result<(Client, Client), Error> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
        let source = match self.src {
            From::Docker => registry_of(&self.source)?,
            _ => None,
        };
        if source.is_none() && self.sides.has_source_flags() {
            return refuse(
                "the flags that begin with --src- are for a source in one registry; a file of registries has its own settings",
            );
        }
        let destination = match destination {
            Destination::Registry(prefix) => registry_of(&format!("{prefix}/name"))?,
            _ => None,
        };
        if destination.is_none() && self.sides.has_destination_flags() {
            return refuse("the flags that begin with --dest- are for a destination in a registry");
        }
        let builders = self
            .sides
            .builders(&self.connection, source, destination, false)?;
        let reader = common::build(builders.source)?;
        let writer = match builders.destination {
            Some(builder) => common::build(builder)?,
            None => reader.clone(),
        };
        Ok((reader, writer))
    }

    fn options(&self, writer: &Client) -> sync::Options {
        let copy = wharf::Options::from(self.transfer.selection());
        let options = sync::Options::default()
            .with_naming(if self.scoped { Naming::Scoped } else { Naming::Last })
            .with_suffix(&self.append_suffix)
            .with_allowed(self.allow.iter().cloned())
            .with_denied(self.deny.iter().cloned())
            .with_keep_going(self.keep_going)
            .with_dry_run(self.dry_run)
            .with_prune(self.prune)
            .with_concurrency(self.images)
            .with_copy(self.signatures.apply(copy, false))
            .with_writer(writer);
        if self.transfer.is_quiet() {
            options
        } else {
            options.with_progress(told)
        }
    }
}

/// The registry of a repository, with or without `docker://`.
fn registry_of(text: &str) -> Result<Option<Registry>, Error> {
    let written = Written::parse(text.strip_prefix("docker://").unwrap_or(text))?;
    Ok(written.normalise().registry().into())
}

/// Tells the user what happens.
fn told(event: Event<'_>) {
    match event {
        Event::Listed { count } => common::note(format_args!("comparing {count} images")),
        Event::Started { from, to } => common::note(format_args!("copying {from} to {to}")),
        Event::Finished { image } if matches!(image.outcome, Outcome::Copied) => {
            common::note(format_args!("copied {} ({} bytes)", image.to, image.bytes));
        }
        Event::Copying {
            to,
            event: wharf::Event::Warning { message },
        } => common::note(format_args!("{to}: {message}")),
        _ => {}
    }
}

async fn synchronise(arguments: Arguments) -> Result<(), Error> {
    let (set, destination) = (arguments.set()?, arguments.destination()?);
    let (reader, writer) = arguments.clients(&destination)?;
    let digests = arguments.digestfile.as_deref().filter(|_| !arguments.dry_run);
    let digests = digests.map(Digests::create).transpose()?;
    let plan = sync::plan(&reader, &set, &destination, arguments.options(&writer)).await?;
    for image in plan.images() {
        let would = match &image.action {
            Action::Copy if arguments.dry_run => "would copy",
            Action::Skip => "already there:",
            _ => continue,
        };
        arguments
            .transfer
            .note(format_args!("{would} {} to {}", image.from, image.to));
    }
    let report = sync::run(plan).await;
    let done = if arguments.dry_run {
        "would remove"
    } else {
        "removed"
    };
    for location in &report.removed {
        arguments.transfer.note(format_args!("{done} {location}"));
    }
    let written = digests.map_or(Ok(()), |digests| digests.write(&report));
    let verb = if arguments.dry_run {
        "would be copied"
    } else {
        "copied"
    };
    let images = report.images.iter();
    let copied = images.filter(|image| matches!(image.outcome, Outcome::Copied | Outcome::WouldCopy));
    let copied = copied.count();
    let summary = format!(
        "{copied} {verb}, {} already there, {} failed",
        report.present(),
        report.failed()
    );
    let result = report.into_result();
    for failure in result.as_ref().err().map_or(&[][..], Error::failures) {
        common::note(format_args!("error: {}", WithCauses(failure)));
    }
    if let (Err(_), Err(error)) = (&result, &written) {
        common::note(format_args!("error: {}", WithCauses(error)));
    }
    result?;
    written?;
    common::print(summary)
}

/// The file of the digests of the images that are at the destination.
struct Digests<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Digests<'a> {
    /// Creates the file, before anything is copied.
    fn create(path: &'a Path) -> Result<Self, Error> {
        match File::create(path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => {
                let message = format!("nothing was copied: {} cannot be written", path.display());
                Err(Error::new(ErrorKind::Storage, message).with_source(error))
            }
        }
    }

    fn write(self, report: &Report) -> Result<(), Error> {
        let mut output = std::io::BufWriter::new(self.file);
        let mut write = || {
            for image in &report.images {
                if let (Some(digest), Outcome::Copied | Outcome::Present) = (&image.digest, &image.outcome) {
                    writeln!(output, "{digest} {}", image.to)?;
                }
            }
            output.flush()
        };
        write().map_err(|error| {
            let message = format!(
                "the digests of what was copied cannot be written to {}",
                self.path.display()
            );
            Error::new(ErrorKind::Storage, message).with_source(error)
        })
    }
}
