//! The environment of credential helpers.

use std::{
    ffi::{OsStr, OsString},
    fmt,
};

use super::Locations;
use crate::HelperEnvironment;

/// Variables kept for helpers. Their values may be secrets, so they are not printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HelperVariables(Vec<(OsString, OsString)>);

impl HelperVariables {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn keep(&mut self, name: &OsStr, value: &OsStr) {
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

impl fmt::Debug for HelperVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

impl Locations {
    /// The environment of credential helpers: the search path, and all variables of this process as Docker
    /// gives them, since keychains, sessions, agents and cloud accounts are found by too many to list.
    /// Directories that were set here replace those of the variables.
    #[must_use]
    pub fn helper_environment(&self) -> HelperEnvironment {
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let known = [
            (home, &self.home),
            ("XDG_CONFIG_HOME", &self.xdg_config_home),
            ("XDG_CACHE_HOME", &self.xdg_cache_home),
            ("XDG_RUNTIME_DIR", &self.xdg_runtime_dir),
            ("APPDATA", &self.app_data),
            ("ProgramData", &self.program_data),
            ("DOCKER_CONFIG", &self.docker_config),
            ("REGISTRY_AUTH_FILE", &self.registry_auth_file),
        ];
        let mut environment = HelperEnvironment::new(self.search_path.clone().unwrap_or_default());
        for (name, value) in &self.helper_variables.0 {
            environment = environment.with_variable(name, value);
        }
        for (name, value) in known {
            if let Some(value) = value {
                environment = environment.with_variable(name, value);
            }
        }
        environment
    }
}
