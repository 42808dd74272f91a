//! Keys on the command line, as Skopeo's flags name them.

use std::{
    io::{IsTerminal, stderr, stdin},
    path::{Path, PathBuf},
    thread,
};

use clap::{Args, Command};
use wharf::{
    Error, ErrorKind, Options, Reference, Secret,
    config::Locations,
    trust::{GpgProgram, Problem, SecretFile, Signer},
};

use super::{note, prompt};

/// The signers, and the name that they sign.
#[derive(Args)]
pub(crate) struct Signing {
    /// Sign with this key of GnuPG, by its fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    sign_by: Option<String>,
    /// Sign with this private key, as cosign and generate-sigstore-key make it
    #[arg(long, value_name = "FILE")]
    sign_by_sigstore_private_key: Option<PathBuf>,
    /// File or pipe with the passphrase of the key in its first line; else it is asked for
    #[arg(long, value_name = "FILE")]
    sign_passphrase_file: Option<PathBuf>,
    /// Sign for this name, instead of the name of the image in the registry
    #[arg(long, value_name = "REF", value_parser = identity)]
    sign_identity: Option<Reference>,
    /// GnuPG's home directory, instead of that of the environment
    #[arg(long, value_name = "DIR")]
    gpg_home: Option<PathBuf>,
}

/// A complete name: nothing is filled in for what is signed.
fn identity(text: &str) -> Result<Reference, String> {
    match Reference::parse_canonical(text) {
        Ok(reference) if reference.has_tag() || reference.has_digest() => Ok(reference),
        Ok(_) => Err("the name needs a tag or a digest".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Signing {
    /// Ends the program with a usage error if one passphrase is given for two keys.
    pub(crate) fn check(&self, mut command: Command) {
        let keys = (&self.sign_by, &self.sign_by_sigstore_private_key);
        if self.sign_passphrase_file.is_some() && matches!(keys, (Some(_), Some(_))) {
            let message =
                "--sign-passphrase-file is for one key: use --sign-by or --sign-by-sigstore-private-key";
            command
                .error(clap::error::ErrorKind::ArgumentConflict, message)
                .exit();
        }
    }

    /// The name that is signed for, if one was given.
    pub(crate) fn identity(&self) -> Option<Reference> {
        self.sign_identity.clone()
    }

    /// The signers; none if no key was named.
    pub(crate) async fn signers(&self) -> Result<Vec<Signer>, Error> {
        let mut signers = Vec::new();
        let passphrase = match &self.sign_passphrase_file {
            Some(file) => Some(passphrase_in(file).await?),
            None => None,
        };
        if let Some(key) = &self.sign_by {
            let mut program = GpgProgram::new(Locations::from_env().helper_environment());
            if let Some(home) = &self.gpg_home {
                program = program.with_home(home);
            }
            if let Some(passphrase) = &passphrase {
                program = program.with_passphrase(passphrase.clone());
            }
            signers.push(Signer::gpg(key, program));
        }
        if let Some(file) = &self.sign_by_sigstore_private_key {
            let key = SecretFile::read(file).map_err(|problem| Error::wrap(ErrorKind::Invalid, problem))?;
            let passphrase = match &passphrase {
                Some(passphrase) => passphrase.clone(),
                None => ask(&format!("Passphrase for the key {}: ", file.display()))?,
            };
            let signer = Signer::cosign(&key, &passphrase);
            signers.push(signer.map_err(|problem| invalid(&file.display().to_string(), &problem))?);
            // Another file, such as that of the public key, may be open to others.
            warn(&key);
        }
        Ok(signers)
    }

    /// Adds the signers and the name to the options of a copy.
    pub(crate) async fn apply(&self, options: Options) -> Result<Options, Error> {
        let options = options.with_signers(self.signers().await?);
        Ok(match self.identity() {
            Some(identity) => options.with_sign_identity(identity),
            None => options,
        })
    }
}

/// The first line of a file or pipe. A pipe without a writer is waited for on a thread that does not hold up the end of the
/// program.
pub(crate) async fn passphrase_in(file: &Path) -> Result<Secret, Error> {
    let wrong = |problem| Error::wrap(ErrorKind::Invalid, problem);
    let (sender, read) = tokio::sync::oneshot::channel();
    let path = file.to_owned();
    thread::spawn(move || sender.send(SecretFile::read_passphrase(path)));
    let read = read
        .await
        .map_err(|stopped| Error::wrap(ErrorKind::Other, stopped))?;
    let read = read.map_err(wrong)?;
    warn(&read);
    read.passphrase().map_err(wrong)
}

/// Asks for a secret that is not shown.
pub(crate) fn ask(question: &str) -> Result<Secret, Error> {
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        let message = "there is no terminal to ask for a passphrase: put it in a file that you name with \
                       --sign-passphrase-file or --passphrase-file";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    prompt::secret(question, "a passphrase")
}

/// Warns about a secret that others can read.
fn warn(file: &SecretFile) {
    if let Some(warning) = file.warning() {
        note(format_args!("warning: {warning}"));
    }
}

fn invalid(what: &str, problem: &Problem) -> Error {
    Error::new(ErrorKind::Invalid, format!("{what}: {problem}"))
}
