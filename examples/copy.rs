//! Copies an image between registries, stores, directories and archives.
//!
//!     cargo run --release --example copy -- docker://alpine:3.20 oci:images:alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};

#[cfg(feature = "trust")]
use clap::CommandFactory as _;
use clap::Parser;
use wharf::{
    Client, Copied, Error, ErrorKind, ImageLocation, Name, Options,
    image::{Format, Recipe},
};

use common::archives;

/// Copy an image. The last line printed is its digest.
#[derive(Parser)]
struct Arguments {
    /// `docker://REF`, `oci:DIR:NAME`, `oci:DIR:@N`, `oci:DIR@DIGEST`, `dir:DIR`, `oci-archive:FILE:NAME`,
    /// `docker-archive:FILE:REF`, `docker-daemon:NAME:TAG` or `docker-daemon:ID`; the FILE `-` is standard input
    #[arg(value_name = "SRC", value_parser = common::location)]
    source: ImageLocation,
    /// `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE:REF` or
    /// `docker-daemon:NAME:TAG`; the FILE `-` is standard output, and the digest goes to standard error then
    #[arg(value_name = "DST", value_parser = common::location)]
    destination: ImageLocation,
    /// Another name for the image in an archive; may be repeated
    #[arg(long, value_name = "REF")]
    additional_tag: Vec<String>,
    /// Copy the signatures of the image, too; an error if the destination does not keep signatures of their kind
    #[arg(long, conflicts_with = "remove_signatures")]
    carry_signatures: bool,
    /// Copy at most this many layers at the same time
    #[arg(long, value_name = "N")]
    image_parallel_copies: Option<NonZeroUsize>,
    #[command(flatten)]
    signatures: common::signatures::Signatures,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    sides: common::sides::Sides,
    #[command(flatten)]
    daemons: common::daemon::TwoDaemons,
    #[command(flatten)]
    transfer: common::Transfer,
    #[cfg(feature = "trust")]
    #[command(flatten)]
    signing: common::signing::Signing,
    #[command(flatten)]
    changes: common::changes::Changes,
    #[command(flatten)]
    archives: archives::Archives,
    /// Write the digest of the copy to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Accepted as by Skopeo: layers that are not compressed stay so
    #[arg(long, hide = true)]
    dest_oci_accept_uncompressed_layers: bool,
    /// Accepted as by Skopeo: digests are known before anything is sent
    #[arg(long, hide = true)]
    dest_precompute_digests: bool,
    #[command(flatten)]
    refused: common::refused::OfCopy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "trust")]
    arguments.signing.check(Arguments::command());
    common::run(arguments.connection.host.command_timeout(), copy(arguments))
}

/// A copy that is ready to start.
struct Job<'a> {
    arguments: &'a Arguments,
    client: Client,
    destination: Client,
    from: &'a ImageLocation,
    options: Options,
}

async fn copy(arguments: Arguments) -> Result<(), Error> {
    let (to, transfer) = (&arguments.destination, &arguments.transfer);
    let (client, destination) = arguments.clients()?;
    let names = arguments.additional_names()?;
    if !matches!(to, ImageLocation::Archive { .. }) {
        arguments.archives.refuse_elsewhere()?;
    }
    let recipe = arguments.changes.recipe()?;
    if recipe.is_some() && arguments.carry_signatures {
        let message =
            "the signatures of an image do not fit what it is changed to: leave out --carry-signatures";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let from = archives::read_from(arguments.source.clone());
    let job = Job {
        options: arguments.options().await?,
        arguments: &arguments,
        client,
        destination,
        from: &from,
    };
    let copied = match to {
        ImageLocation::Archive { .. } => job.archive(recipe.as_ref(), &names).await?,
        _ => match job.run(recipe.as_ref()).await {
            Err(refused) if recipe.is_none() && arguments.may_convert(&refused) => {
                job.in_other_format(refused).await?
            }
            other => other?,
        },
    };
    if let Some(platform) = copied.report().platform() {
        transfer.note(format_args!("copied the image for {platform}"));
    }
    for remark in copied.changes().map(common::changes::remarks).unwrap_or_default() {
        transfer.note(remark);
    }
    if let Some(file) = &arguments.digestfile {
        std::fs::write(file, copied.digest().as_str()).map_err(|error| {
            let message = format!("the image is copied, but {} cannot be written", file.display());
            Error::new(ErrorKind::Storage, message).with_source(error)
        })?;
    }
    match to {
        ImageLocation::Archive { path, .. } if archives::is_standard_output(path) => {
            transfer.note(copied.digest());
            Ok(())
        }
        _ => common::print(copied.digest()),
    }
}

impl Arguments {
    /// Clients for the source and the destination.
    fn clients(&self) -> Result<(Client, Client), Error> {
        let (source, destination) = (
            common::registry_of(&self.source),
            common::registry_of(&self.destination),
        );
        let to_daemon = matches!(self.destination, ImageLocation::Daemon(_));
        let builders = self
            .sides
            .builders(&self.connection, source, destination, to_daemon)?;
        let client = common::build(self.daemons.apply_source(builders.source)?)?;
        let destination = match builders.destination {
            Some(builder) => common::build(self.daemons.apply_destination(builder)?)?,
            None => client.clone(),
        };
        Ok((client, destination))
    }

    async fn options(&self) -> Result<Options, Error> {
        let options = self.transfer.options(&self.source);
        let options = self.signatures.apply(options, self.carry_signatures);
        #[cfg(feature = "trust")]
        let options = self.signing.apply(options).await?;
        let options = match self.image_parallel_copies {
            Some(layers) => options.with_concurrency(layers),
            None => options,
        };
        Ok(self.changes.apply(options))
    }

    /// The names of `--additional-tag`, in the grammar of the archive that is written.
    fn additional_names(&self) -> Result<Vec<Name>, Error> {
        let names = self.additional_tag.iter().map(|text| match &self.destination {
            ImageLocation::Archive { form, .. } if *form == wharf::ArchiveForm::Oci => Name::parse(text),
            ImageLocation::Archive { .. } => {
                archives::full_name(text).map_err(|message| Error::new(ErrorKind::Invalid, message))
            }
            _ => {
                let message = "--additional-tag is for archives; copy again to give the image another name";
                Err(Error::new(ErrorKind::Invalid, message))
            }
        });
        names.collect()
    }

    /// True if a registry refused the type of the manifest, and the user asked for none.
    fn may_convert(&self, error: &Error) -> bool {
        let to_tag = self
            .destination
            .reference()
            .is_some_and(|reference| !reference.has_digest());
        to_tag && !self.carry_signatures && !self.changes.preserves() && is_type_refused(error)
    }
}

/// True if a registry does not take manifests of this type, by the codes that registries use for that.
fn is_type_refused(error: &Error) -> bool {
    let mut codes = error.registry_errors().iter();
    error.status() == Some(415)
        || codes.any(|said| match said.code.as_str() {
            "MANIFEST_INVALID" | "TAG_INVALID" => true,
            "UNSUPPORTED" => said.message.contains("Invalid JSON syntax"), // Amazon ECR
            _ => false,
        })
}

impl Job<'_> {
    async fn run(&self, recipe: Option<&Recipe>) -> Result<Copied, Error> {
        let (from, to, options) = (self.from, &self.arguments.destination, self.options.clone());
        let destination = &self.destination;
        match recipe {
            Some(recipe) => {
                let converting = self
                    .client
                    .convert_to_with(from, destination, to, recipe, options);
                converting.await
            }
            None => self.client.copy_to_with(from, destination, to, options).await,
        }
    }

    /// Copies once more, to the other format than the image has: Docker's or OCI's.
    async fn in_other_format(&self, refused: Error) -> Result<Copied, Error> {
        let manifest = self.client.manifest(self.from).await?;
        let is_docker = manifest
            .media_type()
            .as_str()
            .starts_with("application/vnd.docker.");
        let (format, name) = if is_docker {
            (Format::Oci, "OCI's")
        } else {
            (Format::Docker, "Docker's")
        };
        let Ok(copied) = self.run(Some(&Recipe::new().format(format))).await else {
            return Err(refused);
        };
        self.arguments.transfer.note(format_args!(
            "the registry refuses the image's type of manifest: the copy is in {name} format, and its digest is another"
        ));
        Ok(copied)
    }

    async fn archive(&self, recipe: Option<&Recipe>, names: &[Name]) -> Result<Copied, Error> {
        let arguments = self.arguments;
        let to = &arguments.destination;
        let ImageLocation::Archive { path, form, .. } = to else {
            return self.run(recipe).await;
        };
        let options = match to.name_of_copy(self.from)? {
            Some(name) => self.options.clone().with_name(name),
            None => self.options.clone().without_name(),
        };
        let writer = arguments.archives.create(path, *form).await?;
        let copied = match recipe {
            Some(recipe) => {
                let converting = self.client.convert_into(self.from, &writer, recipe, options);
                converting.await?
            }
            None => self.client.copy_into(self.from, &writer, options).await?,
        };
        for name in names {
            writer.tag(name, copied.digest())?;
        }
        for remark in archives::remarks(&writer.finish().await?) {
            arguments.transfer.note(remark);
        }
        Ok(copied)
    }
}
