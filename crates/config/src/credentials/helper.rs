mod environment;
mod error;
mod protocol;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use wharf_auth::Credential;
use zeroize::Zeroizing;

pub use environment::HelperEnvironment;
pub use error::{HelperError, HelperErrorKind};

use crate::program::{self, ProgramLimits, StandardError};

/// The time limit for a credential helper by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes read of a credential helper's output; more is an error.
const MAX_OUTPUT: u64 = 1 << 20;

/// The longest name of a credential helper, in bytes.
const MAX_NAME: usize = 64;

/// A program `docker-credential-NAME` that stores credentials, such as one for the system's keychain
/// (docker-credential-helpers, *Development*).
///
/// Every call starts the program and blocks until it ends. Its limits:
///
/// | | |
/// |---|---|
/// | name | letters, digits, `.`, `_` and `-`, at most 64, no `..` |
/// | program | found in an absolute directory of the search path; no shell; on Windows only `.exe` |
/// | environment | what [`HelperEnvironment`] lists; the working directory is `/` |
/// | time | 30 seconds, then its process group is killed; likewise when the future of [`Credentials::find`](crate::Credentials::find) is dropped |
/// | output | 1 MiB on standard output, then likewise; standard error is discarded |
/// | errors | never quote its output |
///
/// A helper runs in a process group of its own, so it cannot prompt on the terminal.
///
/// # Deviation
///
/// Upstream bounds nothing, lets standard error through, and quotes the output in errors.
#[derive(Debug, Clone)]
pub struct CredentialHelper {
    name: String,
    environment: HelperEnvironment,
    timeout: Duration,
    cancelled: Option<Arc<AtomicBool>>,
}

impl CredentialHelper {
    /// The helper of that name, the part after `docker-credential-`. Nothing is started yet.
    ///
    /// ```no_run
    /// use wharf_config::{CredentialHelper, Locations};
    ///
    /// let helper = CredentialHelper::new("secretservice", &Locations::from_env().helper_environment())?;
    /// let credential = helper.get("registry.example.com")?;
    /// # Ok::<(), wharf_config::HelperError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`HelperErrorKind::InvalidName`] for a name that no helper can have.
    pub fn new(name: &str, environment: &HelperEnvironment) -> Result<Self, HelperError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > MAX_NAME || name.contains("..") || !name.bytes().all(allowed) {
            return Err(HelperError::invalid_name(name));
        }
        Ok(Self {
            name: name.to_owned(),
            environment: environment.clone(),
            timeout: TIMEOUT,
            cancelled: None,
        })
    }

    /// Allows each call this long instead of 30 seconds; at most a day.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Kills the program that runs when this becomes true.
    pub(super) fn cancelled_by(self, cancelled: Option<Arc<AtomicBool>>) -> Self {
        Self { cancelled, ..self }
    }

    /// The name, without `docker-credential-`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The credential for a server; `None` if the helper says that it has none. A user name of `<token>`
    /// means an identity token.
    ///
    /// The server is a host, or whatever text the credential was stored under.
    ///
    /// # Errors
    ///
    /// [`HelperError`]: no such program, no end in time, too much output, a failure, an answer that is none of the protocol.
    pub fn get(&self, server: &str) -> Result<Option<Credential>, HelperError> {
        match self.run("get", self.server(server)?)? {
            Some(output) => protocol::parse_credential(&output).map_err(|kind| self.error(kind)),
            None => Ok(None),
        }
    }

    /// Stores a credential for a server.
    ///
    /// # Errors
    ///
    /// [`HelperErrorKind::NotStorable`] for a [`Credential::Bearer`], and as [`CredentialHelper::get`].
    pub fn store(&self, server: &str, credential: &Credential) -> Result<(), HelperError> {
        let input = protocol::render_credential(self.server(server)?, credential)
            .ok_or_else(|| self.error(HelperErrorKind::NotStorable))?;
        match self.run("store", &input)? {
            Some(_) => Ok(()),
            None => Err(self.error(HelperErrorKind::Failed)),
        }
    }

    /// Erases the credential for a server. `false` if the helper reports that there was none; most report
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`CredentialHelper::get`].
    pub fn erase(&self, server: &str) -> Result<bool, HelperError> {
        Ok(self.run("erase", self.server(server)?)?.is_some())
    }

    /// The servers that the helper has credentials for, each with the user name, in sorted order.
    ///
    /// # Errors
    ///
    /// [`HelperError`]: no such program, no end in time, too much output, a failure, an answer that is none of the protocol.
    pub fn list(&self) -> Result<Vec<(String, String)>, HelperError> {
        match self.run("list", "unused")? {
            Some(output) => protocol::parse_list(&output).map_err(|kind| self.error(kind)),
            None => Ok(Vec::new()),
        }
    }

    /// The output of the program; `None` if it failed because there is no credential.
    fn run(&self, action: &str, input: &str) -> Result<Option<Zeroizing<Vec<u8>>>, HelperError> {
        let program = self
            .environment
            .find(&format!("docker-credential-{}", self.name))
            .ok_or_else(|| self.error(HelperErrorKind::NotFound))?;
        let mut command = self.environment.command(&program);
        command.arg(action);
        let limits = ProgramLimits {
            time: self.timeout,
            output: MAX_OUTPUT,
            cancelled: self.cancelled.as_deref(),
        };
        let finished = program::run(command, input.as_bytes(), StandardError::Discarded, limits)
            .map_err(|failure| self.error(failure))?;
        if finished.success {
            Ok(Some(finished.stdout))
        } else if protocol::says_none(&finished.stdout) {
            Ok(None)
        } else {
            Err(self.error(HelperErrorKind::Failed))
        }
    }

    fn server<'a>(&self, server: &'a str) -> Result<&'a str, HelperError> {
        if server.is_empty() || server.contains(char::is_control) {
            return Err(self.error(HelperErrorKind::InvalidServer));
        }
        Ok(server)
    }

    fn error(&self, kind: impl Into<error::Failure>) -> HelperError {
        HelperError::new(&self.name, kind.into(), self.timeout)
    }
}
