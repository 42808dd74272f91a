//! Verifies an image by its signatures, without copying it.
//!
//!     cargo run --release --example verify -- --key cosign.pub registry.example.com/app:1

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use serde::Serialize;
use wharf::{
    Client, Error, ErrorKind, ImageLocation, Platform, Selection,
    config::{Identity, KeySource, Requirement, SignedBy, SigstoreSigned, SigstoreSigner},
    content::Wanted,
    trust::{Examined, Met, Refusal, Verdict},
};

/// Verify an image by its signatures. The verdict is printed as JSON, whether the image is accepted or not.
#[derive(Parser)]
struct Arguments {
    /// What to verify: REF or `oci:DIR:NAME`
    #[arg(value_name = "REF", value_parser = image)]
    image: ImageLocation,
    /// Public key that must have signed it, instead of what the host's policy demands; with --policy, beside that.
    /// A PEM file of a `PUBLIC KEY` verifies cosign's signatures, any other file is an OpenPGP keyring. Each key of
    /// several must have signed
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Accept an image of which nobody demands a signature
    #[arg(long)]
    allow_unsigned: bool,
    /// The image for this platform, when there are several; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    #[command(flatten)]
    connection: common::Connection,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), verify(arguments))
}

/// An image on the command line.
fn image(text: &str) -> Result<ImageLocation, String> {
    if text.starts_with("oci:") {
        return common::location(text);
    }
    common::reference(text).map(|written| written.normalise().into())
}

impl Arguments {
    fn client(self) -> Result<Client, Error> {
        let mut builder = self.connection.host.reader()?;
        if !self.keys.is_empty() && !self.connection.host.has_policy() {
            builder = builder.dangerous().ignore_policy();
        }
        for file in &self.keys {
            builder = builder.with_requirement(requirement(file)?);
        }
        if let Some((registry, credential)) = common::registry_of(&self.image).zip(self.connection.creds) {
            builder = builder.with_credential(registry, credential);
        }
        builder.with_signature_required(!self.allow_unsigned).build()
    }
}

/// The requirement that a key must have signed.
fn requirement(file: &PathBuf) -> Result<Requirement, Error> {
    let failed = |error| {
        let message = format!("--key: cannot read {}", file.display());
        Error::new(ErrorKind::Invalid, message).with_source(error)
    };
    let file = std::path::absolute(file).map_err(failed)?;
    let content = fs::read(&file).map_err(failed)?;
    let keys = KeySource::file(file);
    let is_pem = |label: &str| {
        let head = format!("-----BEGIN {label}-----");
        content.trim_ascii_start().starts_with(head.as_bytes())
    };
    if ["PUBLIC KEY", "RSA PUBLIC KEY"].into_iter().any(is_pem) {
        let signed = SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None });
        return Ok(signed.with_identity(Identity::MatchRepository).into()); // cosign signs no tag
    }
    Ok(SignedBy::new(keys).into())
}

/// The printed verdict.
#[derive(Serialize)]
struct Printed {
    digest: Option<String>,
    reference: String,
    rule: Option<String>,
    accepted: bool,
    signed: bool,
    signatures: Vec<PrintedSignature>,
}

#[derive(Serialize)]
struct PrintedSignature {
    kind: &'static str,
    signer: Option<String>,
    time: Option<String>,
    accepted: bool,
    reason: Option<String>,
}

async fn verify(arguments: Arguments) -> Result<(), Error> {
    let (image, platform) = (arguments.image.clone(), arguments.platform.clone());
    let reference = match &image {
        ImageLocation::Registry(reference) => reference.clone().or_latest().to_string(),
        other => other.to_string(),
    };
    let client = arguments.client()?;
    let selection = platform.map_or_else(Selection::default, Selection::Platform);
    let judged = client.verify_with(&image, selection).await;
    let printed = match &judged {
        Ok(verdict) => Printed {
            digest: Some(verdict.digest().to_string()),
            reference,
            rule: verdict.rule().map(ToString::to_string),
            accepted: true,
            signed: verdict.is_signed(),
            signatures: of_verdict(verdict),
        },
        Err(error) => {
            let Some(refusal) = Refusal::find(error) else {
                return judged.map(drop); // nothing was judged
            };
            Printed {
                digest: refusal.digest().map(ToString::to_string),
                reference,
                rule: refusal.rule().map(ToString::to_string),
                accepted: false,
                signed: false,
                signatures: of_refusal(refusal),
            }
        }
    };
    let text = serde_json::to_string_pretty(&printed);
    common::print(text.map_err(|error| Error::wrap(ErrorKind::Other, error))?)?;
    judged.map(drop)
}

/// The signatures that were looked at, each once: accepted if any requirement accepted it.
fn of_verdict(verdict: &Verdict) -> Vec<PrintedSignature> {
    let mut found = BTreeMap::new();
    for met in verdict.met() {
        for examined in met.rejected() {
            let rejected = || rejected(examined);
            found.entry(examined.signature()).or_insert_with(rejected);
        }
    }
    let accepted = |met: &Met| Some((met.signature()?, accepted(met, met.kind()?)));
    found.extend(verdict.met().iter().filter_map(accepted));
    found.into_values().collect()
}

fn of_refusal(refusal: &Refusal) -> Vec<PrintedSignature> {
    refusal.signatures().iter().map(rejected).collect()
}

fn accepted(met: &Met, kind: Wanted) -> PrintedSignature {
    PrintedSignature {
        kind: name(kind),
        signer: met.signer().map(ToString::to_string),
        time: met.time().map(|time| time.to_string()),
        accepted: true,
        reason: None,
    }
}

fn rejected(examined: &Examined) -> PrintedSignature {
    let reason = examined.reason();
    PrintedSignature {
        kind: name(examined.kind()),
        signer: reason.key().map(str::to_owned),
        time: None,
        accepted: false,
        reason: Some(reason.to_string()),
    }
}

/// The name of a kind of signatures.
const fn name(kind: Wanted) -> &'static str {
    match kind {
        Wanted { simple: true, .. } => "simple",
        Wanted {
            attachments: true, ..
        } => "attachment",
        Wanted { bundles: true, .. } => "bundle",
        _ => "unknown",
    }
}
