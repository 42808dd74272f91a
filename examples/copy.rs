//! Copies an image between registries, stores, directories and archives.
//!
//!     cargo run --release --example copy -- docker://alpine:3.20 oci:images:alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

#[cfg(feature = "trust")]
use clap::CommandFactory as _;
use clap::{ArgAction, Parser};
use wharf::{Client, Credential, Error, ErrorKind, ImageLocation, Registry};

/// Copy an image. The last line printed is its digest.
#[derive(Parser)]
struct Arguments {
    /// `docker://REF`, `oci:DIR:NAME`, `oci:DIR:@N`, `oci:DIR@DIGEST`, `dir:DIR`, `oci-archive:FILE:NAME`,
    /// `docker-archive:FILE:REF`, `docker-daemon:NAME:TAG` or `docker-daemon:ID`
    #[arg(value_name = "SRC", value_parser = common::location)]
    source: ImageLocation,
    /// `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE:REF` or
    /// `docker-daemon:NAME:TAG`
    #[arg(value_name = "DST", value_parser = common::location)]
    destination: ImageLocation,
    /// Credentials for the source, instead of those in a file
    #[arg(long, value_name = "USER:PASS", value_parser = common::UserAndPassword, conflicts_with = "creds")]
    src_creds: Option<Credential>,
    /// Credentials for the destination, instead of those in a file
    #[arg(long, value_name = "USER:PASS", value_parser = common::UserAndPassword, conflicts_with = "creds")]
    dest_creds: Option<Credential>,
    /// Require https with a valid certificate of the source
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", conflicts_with = "tls_verify")]
    src_tls_verify: Option<bool>,
    /// Require https with a valid certificate of the destination
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", conflicts_with = "tls_verify")]
    dest_tls_verify: Option<bool>,
    /// Copy the signatures of the image, too; an error if the destination does not keep signatures of their kind
    #[arg(long, conflicts_with = "remove_signatures")]
    carry_signatures: bool,
    #[command(flatten)]
    signatures: common::signatures::Signatures,
    #[command(flatten)]
    connection: common::Connection,
    #[command(flatten)]
    daemons: common::daemon::TwoDaemons,
    #[command(flatten)]
    transfer: common::Transfer,
    #[cfg(feature = "trust")]
    #[command(flatten)]
    signing: common::signing::Signing,
    #[command(flatten)]
    changes: common::changes::Changes,
    /// Write the digest of the copy to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
}

/// The registry of a side, and the login and the judgement of certificates that were given for it.
type Side = Option<(Registry, Option<Credential>, Option<bool>)>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "trust")]
    arguments.signing.check(Arguments::command());
    common::run(arguments.connection.host.command_timeout(), copy(arguments))
}

impl Arguments {
    /// Clients for the source and the destination, with what was said of each side, which does not hold for the other.
    fn clients(&self) -> Result<(Client, Client), Error> {
        let both = self.connection.creds.as_ref();
        let side = |image: &ImageLocation, own: &Option<Credential>, verify: Option<bool>| {
            let registry = common::registry_of(image)?;
            Some((registry, own.as_ref().or(both).cloned(), verify))
        };
        let sides = [
            side(&self.source, &self.src_creds, self.src_tls_verify),
            side(&self.destination, &self.dest_creds, self.dest_tls_verify),
        ];
        if let [Some(source), Some(destination)] = &sides {
            let refuse = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
            if source.0 != destination.0 && both.is_some() {
                return refuse("--creds would go to two registries: use --src-creds and --dest-creds");
            }
        }
        let builder = |sides: &[&Side]| {
            let mut builder = self.connection.host.reader()?;
            for (registry, credential, verify) in sides.iter().copied().flatten().cloned() {
                if let Some(verify) = verify {
                    builder = builder.with_tls_verify_of(registry.clone(), verify);
                }
                if let Some(credential) = credential {
                    builder = builder.with_credential(registry, credential);
                }
            }
            Ok::<_, Error>(builder)
        };
        let is_daemon = |image: &ImageLocation| matches!(image, ImageLocation::Daemon(_));
        if is_daemon(&self.destination) {
            let source = self.daemons.apply_source(builder(&[&sides[0]])?)?;
            let destination = self.daemons.apply_destination(builder(&[])?)?;
            return Ok((common::build(source)?, destination.build()?));
        }
        let [source, destination] = &sides;
        let one_registry = source
            .as_ref()
            .zip(destination.as_ref())
            .is_some_and(|(a, b)| a.0 == b.0);
        if one_registry && source != destination {
            return Ok((
                common::build(builder(&[source])?)?,
                builder(&[destination])?.build()?,
            ));
        }
        let client = common::build(self.daemons.apply_source(builder(&[source, destination])?)?)?;
        Ok((client.clone(), client))
    }
}

async fn copy(arguments: Arguments) -> Result<(), Error> {
    let (client, destination) = arguments.clients()?;
    let options = arguments.transfer.options(&arguments.source);
    let options = arguments.signatures.apply(options, arguments.carry_signatures);
    #[cfg(feature = "trust")]
    let options = arguments.signing.apply(options)?;
    let options = arguments.changes.apply(options);
    let (from, to) = (&arguments.source, &arguments.destination);
    let recipe = arguments.changes.recipe()?;
    if recipe.is_some() && arguments.carry_signatures {
        let message =
            "the signatures of an image do not fit what it is changed to: leave out --carry-signatures";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let copied = match recipe {
        Some(recipe) => {
            client
                .convert_to_with(from, &destination, to, &recipe, options)
                .await?
        }
        None => client.copy_to_with(from, &destination, to, options).await?,
    };
    if let Some(platform) = copied.report().platform() {
        arguments
            .transfer
            .note(format_args!("copied the image for {platform}"));
    }
    for remark in copied.changes().map(common::changes::remarks).unwrap_or_default() {
        arguments.transfer.note(remark);
    }
    if let Some(file) = &arguments.digestfile {
        std::fs::write(file, copied.digest().as_str()).map_err(|error| {
            let message = format!("the image is copied, but {} cannot be written", file.display());
            Error::new(ErrorKind::Storage, message).with_source(error)
        })?;
    }
    common::print(copied.digest())
}
