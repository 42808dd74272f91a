//! Makes a pair of keys for signing images, in the files of cosign and Skopeo.
//!
//!     cargo run --release --example generate-sigstore-key -- --output-prefix release

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::{Error, ErrorKind, Secret, trust::KeyPair};

/// Make a pair of keys: PREFIX.private, encrypted by a passphrase, and PREFIX.pub.
#[derive(Parser)]
struct Arguments {
    /// Path of the files, without their endings. Files that exist are not overwritten
    #[arg(long, value_name = "PREFIX")]
    output_prefix: PathBuf,
    /// File or pipe with the passphrase in its first line; else it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(None, generate(arguments))
}

async fn generate(arguments: Arguments) -> Result<(), Error> {
    let passphrase = match &arguments.passphrase_file {
        Some(file) => common::signing::passphrase_in(file).await?,
        None => chosen()?,
    };
    let failed = |problem| Error::wrap(ErrorKind::Other, problem);
    let pair = KeyPair::generate(&passphrase).map_err(failed)?;
    let (private, public) = pair.write(&arguments.output_prefix).map_err(failed)?;
    common::print(format_args!(
        "Keys written to {:?} and {:?}",
        private.display().to_string(),
        public.display().to_string()
    ))
}

/// A passphrase that was typed twice.
fn chosen() -> Result<Secret, Error> {
    let passphrase = common::signing::ask("Passphrase for the new key: ")?;
    if common::signing::ask("The same again: ")? == passphrase {
        return Ok(passphrase);
    }
    Err(Error::new(ErrorKind::Invalid, "the passphrases differ"))
}
