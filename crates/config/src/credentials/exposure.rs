//! Detects a file of credentials that is open to other users, or belongs to another user.

use std::path::Path;

use super::AuthFile;
use crate::{ConfigError, ConfigErrorKind, Exposure};

impl AuthFile {
    /// The error with which a file that is not private is refused.
    pub(super) fn exposure(&self) -> Option<ConfigError> {
        let message = self.exposed.filter(|_| self.entries().next().is_some())?;
        let error = ConfigError::new(ConfigErrorKind::Value, message);
        Some(self.path().map_or(error.clone(), |path| error.with_file(path)))
    }
}

pub(super) fn of(path: &Path) -> Option<&'static str> {
    Some(match Exposure::of(&path.metadata().ok()?)? {
        Exposure::OpenToOthers => "holds credentials and is open to others; make it private with chmod 600",
        Exposure::OfAnotherUser => "holds credentials and belongs to another user",
    })
}
