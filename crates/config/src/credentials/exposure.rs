//! Detects a file of credentials that is open to other users, or belongs to another user.

use std::path::Path;

use super::AuthFile;
use crate::{ConfigError, ConfigErrorKind};

impl AuthFile {
    /// The error with which a file that is not private is refused.
    pub(super) fn exposure(&self) -> Option<ConfigError> {
        let message = self.exposed.filter(|_| self.entries().next().is_some())?;
        let error = ConfigError::new(ConfigErrorKind::Value, message);
        Some(self.path().map_or(error.clone(), |path| error.with_file(path)))
    }
}

#[cfg(unix)]
pub(super) fn of(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.metadata().ok()?;
    if metadata.mode() & 0o077 != 0 {
        Some("holds credentials and is open to others; make it private with chmod 600")
    } else if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        Some("holds credentials and belongs to another user")
    } else {
        None
    }
}

#[cfg(not(unix))]
pub(super) const fn of(_: &Path) -> Option<&'static str> {
    None
}
