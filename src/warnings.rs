//! What the user should know of this host's files, told once each.

use std::{
    collections::HashSet,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use wharf_config::CredentialsError;
use wharf_content::{Event, Progress};

/// Who hears warnings; without anybody they are logged.
pub(crate) struct Warnings {
    listener: Option<Arc<dyn Progress>>,
    told: Mutex<HashSet<String>>,
}

impl Warnings {
    pub(crate) fn to(listener: Option<Arc<dyn Progress>>) -> Self {
        Self {
            listener,
            told: Mutex::default(),
        }
    }

    /// A file with credentials was read that is not private (N17).
    pub(crate) fn exposed(&self, file: &Path) {
        let file = file.display().to_string();
        self.tell(&format!(
            "{} has credentials and is not private: others can read it, or it is not yours",
            file.escape_debug()
        ));
    }

    /// A helper that need not have answered was passed over (N15).
    pub(crate) fn unanswered(&self, error: &CredentialsError) {
        self.tell(&format!("{error}; going on without it"));
    }

    fn tell(&self, message: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.insert(message.to_owned()) {
            return;
        }
        drop(told);
        if let Some(listener) = &self.listener {
            listener.event(Event::Warning { message });
        } else {
            tracing::warn!("{message}");
        }
    }
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warnings")
            .field("listener", &self.listener.is_some())
            .finish_non_exhaustive()
    }
}
