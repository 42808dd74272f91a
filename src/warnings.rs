//! Warnings: conditions that the user should know and that are no failures, each reported once.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use wharf_config::ConfigWarning;
use wharf_content::{Event, Progress};
use wharf_distribution::WarnOnce;

use crate::concurrency::LockExt as _;

/// A condition that the user should know and that is no failure; [`Display`](fmt::Display) prints it in one
/// line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A setting in a file of the configuration has no effect, or another one than its author may expect: in
    /// registries.conf, in the file of aliases, in certs.d, in policy.json.
    Configuration(ConfigWarning),
    /// A block in a file of certificates cannot be used; the others are.
    Certificate {
        /// The file; `None` for text that the program gave.
        file: Option<PathBuf>,
        /// The line in which the block begins, from 1.
        line: usize,
        /// The reason, and what to do about it.
        reason: String,
    },
    /// A file with credentials is not private: other users can read it, or it belongs to another user.
    ExposedCredentials(PathBuf),
    /// A source of credentials failed and was passed over, since it need not have answered; the text is its
    /// error.
    CredentialSource(String),
    /// The message of a warning that a registry sent, or of one about a mirror that cannot be used.
    Registry(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(warning) => warning.fmt(f),
            Self::Certificate { file, line, reason } => match file {
                Some(file) => write!(f, "{}:{line}: {reason}", file.display()),
                None => write!(f, "the added certificates, line {line}: {reason}"),
            },
            Self::ExposedCredentials(file) => write!(
                f,
                "{} has credentials and is not private: others can read it, or it is not yours",
                file.display().to_string().escape_debug()
            ),
            Self::CredentialSource(error) => write!(f, "{error}; going on without it"),
            Self::Registry(message) => f.write_str(message),
        }
    }
}

/// The warnings of a client: each is reported once, and kept.
#[derive(Debug)]
pub(crate) struct Warnings {
    once: WarnOnce,
    kept: Mutex<Vec<Warning>>,
}

impl Warnings {
    pub(crate) fn to(listener: Option<Arc<dyn Progress>>) -> Self {
        Self {
            once: listener.map_or_else(WarnOnce::default, WarnOnce::to),
            kept: Mutex::default(),
        }
    }

    pub(crate) fn warn(&self, warning: Warning) {
        if self.once.warn(&warning.to_string()) {
            self.kept.locked().push(warning);
        }
    }

    pub(crate) fn all(&self) -> Vec<Warning> {
        self.kept.locked().clone()
    }
}

/// Receives the warnings of the protocol's client.
impl Progress for Warnings {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning { message } = event {
            self.warn(Warning::Registry(message.to_owned()));
        }
    }
}
