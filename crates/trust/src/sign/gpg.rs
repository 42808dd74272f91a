//! Signatures by GnuPG's program, which keeps keys and asks for passphrases better than a library would.

use std::{
    ffi::OsStr,
    path::{self, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, Instant, SystemTime},
};

use wharf_auth::Secret;
use wharf_config::{HelperEnvironment, ProgramError, ProgramLimits, ProgramOutput};
use wharf_content::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::new_file::Temporary;
use crate::openpgp::{self, OwnKey};

/// The time limit for gpg by default, with the question for a passphrase.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time limit for gpg; a longer setting is cut to it.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes of a signature that gpg may write, and of its status.
const MAX_SIGNATURE: u64 = 64 << 10;

/// The program gpg, with the keys that it has.
///
/// | | |
/// |---|---|
/// | program | `gpg2`, else `gpg`, in an absolute directory of the search path; or the path that is given |
/// | keys | those of its home directory: the one that is given, else that of the environment (`GNUPGHOME`). A relative path is one of this process's working directory |
/// | passphrase | the one that is given; else gpg-agent knows it or asks for it |
/// | payload | a temporary file that its owner alone can read |
/// | time | 60 seconds, then its process group is killed; likewise if the signing is cancelled, as by dropping the future of a copy |
/// | output | 64 KiB, then likewise |
/// | errors | never quote its output |
///
/// Nothing that gpg says of a signature is believed: the signature is read and verified here, with the public key
/// that gpg exports, before it is used.
#[derive(Debug, Clone)]
pub struct GpgProgram {
    environment: HelperEnvironment,
    path: Option<PathBuf>,
    home: Option<PathBuf>,
    passphrase: Option<Secret>,
    timeout: Duration,
}

impl GpgProgram {
    /// The program that is found in this environment, which
    /// [`Locations::helper_environment`](wharf_config::Locations::helper_environment) gives for this host.
    #[must_use]
    pub const fn new(environment: HelperEnvironment) -> Self {
        Self {
            environment,
            path: None,
            home: None,
            passphrase: None,
            timeout: TIMEOUT,
        }
    }

    /// The program at this path.
    #[must_use]
    pub fn with_path(self, path: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(path.into()),
            ..self
        }
    }

    /// The home directory with the keys.
    #[must_use]
    pub fn with_home(self, directory: impl Into<PathBuf>) -> Self {
        Self {
            home: Some(directory.into()),
            ..self
        }
    }

    /// The passphrase of the key. Without one, gpg-agent must know it or be able to ask for it.
    #[must_use]
    pub fn with_passphrase(self, passphrase: Secret) -> Self {
        Self {
            passphrase: Some(passphrase),
            ..self
        }
    }

    /// Allows each signature this long instead of 60 seconds; at most a day.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// A message with this payload, signed by this key and verified.
    pub(super) fn sign(&self, key: &str, payload: &[u8], cancelled: &AtomicBool) -> Result<Vec<u8>, Error> {
        if key.trim().is_empty() || key.contains(char::is_control) {
            let message = format!("{:?} names no key of gpg's", crate::bounded(key));
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let run = Run {
            gpg: self,
            home: self.home_of(key)?,
            program: self.program()?,
            key,
            cancelled,
            deadline: Instant::now() + self.timeout.min(MAX_TIMEOUT),
        };
        let public = run.public_key()?;
        let message = run.message(payload)?;
        run.verify(&public, &message, payload)?;
        Ok(message)
    }

    /// The home directory, if one is named. The program's working directory is another, so that a relative path is made
    /// absolute.
    fn home_of(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        let (named, by) = if let Some(home) = &self.home {
            (Some(home.clone()), "")
        } else {
            let named = self.environment.variable("GNUPGHOME").map(PathBuf::from);
            (named, ", which the variable GNUPGHOME names")
        };
        let Some(named) = named.filter(|named| !named.as_os_str().is_empty()) else {
            return Ok(None);
        };
        match path::absolute(&named) {
            Ok(home) if home.is_dir() => Ok(Some(home)),
            _ => {
                let message = format!(
                    "gpg cannot sign with the key {:?}: there is no home directory {}{by}",
                    crate::bounded(key),
                    named.display().to_string().escape_debug()
                );
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    fn program(&self) -> Result<PathBuf, Error> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        match &self.path {
            Some(path) if path.is_absolute() => Ok(path.clone()),
            Some(path) => wrong(format!(
                "the path of gpg is not absolute: {}",
                path.display().to_string().escape_debug()
            )),
            None => ["gpg2", "gpg"]
                .into_iter()
                .find_map(|name| self.environment.find(name))
                .map_or_else(
                    || {
                        wrong(
                            "there is no program gpg in the search path; install GnuPG to sign with its keys"
                                .to_owned(),
                        )
                    },
                    Ok,
                ),
        }
    }
}

/// The runs of the program for one signature.
struct Run<'a> {
    gpg: &'a GpgProgram,
    /// An absolute path.
    home: Option<PathBuf>,
    program: PathBuf,
    key: &'a str,
    cancelled: &'a AtomicBool,
    deadline: Instant,
}

impl Run<'_> {
    /// The key's public half, as gpg has it.
    fn public_key(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let most = openpgp::MAX_FILE as u64;
        let output = self.run(&["--export", "--", self.key], b"", most)?;
        if !output.success || output.stdout.is_empty() {
            return Err(self.failed("it has no such key"));
        }
        Ok(output.stdout)
    }

    /// A signed message.
    fn message(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        let file = Temporary::with(payload).map_err(|error| {
            self.failed("the payload cannot be written to a temporary file")
                .with_source(error)
        })?;
        // In the form that every verifier accepts, whatever gpg's own configuration says.
        let mut arguments: Vec<&OsStr> = [
            "--status-fd",
            "2",
            "--no-armor",
            "--no-textmode",
            "--compress-algo",
            "none",
            "--personal-digest-preferences",
            "SHA256 SHA384 SHA512",
            "--local-user",
            self.key,
            "--output",
            "-",
        ]
        .map(OsStr::new)
        .to_vec();
        let mut input = Zeroizing::new(Vec::new());
        if let Some(passphrase) = &self.gpg.passphrase {
            let passphrase = passphrase.expose();
            if passphrase.contains(['\n', '\r', '\0']) {
                let message = "a passphrase for gpg has no line breaks and no NUL";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            arguments.extend(["--pinentry-mode", "loopback", "--passphrase-fd", "0"].map(OsStr::new));
            input.reserve_exact(passphrase.len() + 1);
            input.extend_from_slice(passphrase.as_bytes());
            input.push(b'\n');
        }
        arguments.extend(["--sign", "--"].map(OsStr::new));
        arguments.push(file.path().as_os_str());
        let output = self.run(&arguments, &input, MAX_SIGNATURE)?;
        if !output.success {
            let (kind, why) = reason(&output.stderr, self.gpg.passphrase.is_some());
            return Err(Error::new(kind, self.text(why)));
        }
        Ok(output.stdout.to_vec())
    }

    /// The message must be one that is accepted, by the key that was asked for, and over the payload.
    fn verify(&self, public: &[u8], message: &[u8], payload: &[u8]) -> Result<(), Error> {
        let verified = openpgp::verify_own(public, message, payload, SystemTime::now());
        let OwnKey { own, primary } =
            verified.map_err(|why| self.failed(&format!("its signature would not be accepted: {why}")))?;
        match key_id(self.key) {
            Some(id) if !own.ends_with(&id) && !primary.ends_with(&id) => {
                let why = format!(
                    "it signed with another key, {own}; an exclamation mark behind the fingerprint of a subkey makes it \
                     take that one"
                );
                Err(self.failed(&why))
            }
            _ => Ok(()),
        }
    }

    fn run<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        input: &[u8],
        output: u64,
    ) -> Result<ProgramOutput, Error> {
        let mut all: Vec<&OsStr> = [
            "--batch",
            "--no-tty",
            "--quiet",
            "--no-permission-warning",
            "--trust-model",
            "always",
        ]
        .map(OsStr::new)
        .to_vec();
        if let Some(home) = &self.home {
            all.extend([OsStr::new("--homedir"), home.as_os_str()]);
        }
        all.extend(arguments.iter().map(AsRef::as_ref));
        let limits = ProgramLimits {
            time: self.deadline.saturating_duration_since(Instant::now()),
            output,
            cancelled: Some(self.cancelled),
        };
        let ended = self.gpg.environment.run(&self.program, all, input, limits);
        ended.map_err(|error| {
            let (kind, why) = match &error {
                ProgramError::TimedOut => (
                    ErrorKind::Timeout,
                    format!("it did not end within {:?} and was killed", self.gpg.timeout),
                ),
                ProgramError::TooMuchOutput => (
                    ErrorKind::TooLarge,
                    format!("it wrote more than {output} bytes and was killed"),
                ),
                ProgramError::Cancelled => (ErrorKind::Cancelled, "that was cancelled".to_owned()),
                _ => (ErrorKind::Other, "it cannot be run".to_owned()),
            };
            let failed = Error::new(kind, self.text(&why));
            match error {
                ProgramError::Io(error) => failed.with_source(error),
                _ => failed,
            }
        })
    }

    fn text(&self, why: &str) -> String {
        format!(
            "{} cannot sign with the key {:?}: {why}",
            self.program.display().to_string().escape_debug(),
            crate::bounded(self.key)
        )
    }

    fn failed(&self, why: &str) -> Error {
        super::failed(&self.text(why))
    }
}

/// The fingerprint or key id, in upper hexadecimal, that gpg finds the key by; `None` if it finds it by something else.
fn key_id(key: &str) -> Option<String> {
    let id: String = key.chars().filter(|char| *char != ' ').collect();
    let id = id.strip_suffix('!').unwrap_or(&id);
    let id = id
        .strip_prefix("0x")
        .or_else(|| id.strip_prefix("0X"))
        .unwrap_or(id);
    let is_id = matches!(id.len(), 8 | 16 | 40) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_ascii_uppercase())
}

/// Why gpg failed, by the last of its status lines that tells (GnuPG, doc/DETAILS). They only choose a text.
fn reason(status: &[u8], has_passphrase: bool) -> (ErrorKind, &'static str) {
    let status = String::from_utf8_lossy(status);
    let lines = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let mut told = None;
    for line in lines {
        let mut words = line.split(' ');
        let reason = match (words.next(), words.next(), words.next()) {
            (Some("INV_SGNR"), Some(code), _) => invalid_signer(code),
            (Some("FAILURE"), Some("sign"), Some(code)) => failure(code),
            _ => None,
        };
        told = told.or(reason);
    }
    match told {
        Some(Why::Passphrase) if has_passphrase => (ErrorKind::Unauthorized, "the passphrase is wrong"),
        Some(Why::Passphrase) => (
            ErrorKind::Unauthorized,
            "it got no passphrase for the key; give one, or unlock the key in gpg-agent before",
        ),
        Some(Why::NoSecretKey) => (ErrorKind::Other, "it does not have the secret key"),
        Some(Why::Unusable) => (
            ErrorKind::Other,
            "the key expired, was revoked, or is not for signing",
        ),
        None => (ErrorKind::Other, "it failed; run it by hand to see why"),
    }
}

enum Why {
    Passphrase,
    NoSecretKey,
    Unusable,
}

fn invalid_signer(code: &str) -> Option<Why> {
    match code {
        "1" | "9" => Some(Why::NoSecretKey),
        "3" | "4" | "5" => Some(Why::Unusable),
        _ => None,
    }
}

/// An error of libgpg-error: the source in the upper bits, the code in the lower 16.
fn failure(code: &str) -> Option<Why> {
    let code: u32 = code.parse().ok()?;
    match code & 0xffff {
        // Bad passphrase, no agent, no pinentry, cancelled, no passphrase given.
        11 | 77 | 85..=87 | 99 | 177 | 198 => Some(Why::Passphrase),
        9 | 17 => Some(Why::NoSecretKey),
        53 | 54 | 94 | 125 | 153 => Some(Why::Unusable),
        _ => None,
    }
}
