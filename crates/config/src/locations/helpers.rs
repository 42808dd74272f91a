//! What credential helpers see of the environment.

use std::{ffi::OsString, fmt};

use super::Locations;
use crate::HelperEnvironment;

/// Variables that helpers need to find the user's session, keychain, network and cloud account. Everything
/// else stays away from them. A name that ends with `*` stands for all that begin with what is before it.
const PASSED: &[&str] = &[
    "USER",
    "LOGNAME",
    "USERNAME",
    "LANG",
    "LC_*",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    // the session and its keychain
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_DATA_HOME",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_*",
    // the network
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // the cloud account whose registry the helper logs in to
    "AWS_*",
    "AZURE_*",
    "CLOUDSDK_*",
    "GOOGLE_*",
    // what Windows programs do not start without
    "SystemRoot",
    "SYSTEMROOT",
    "windir",
    "LOCALAPPDATA",
];

/// Variables kept for helpers. Their values may be secrets, so they are not printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HelperVariables(Vec<(String, OsString)>);

impl HelperVariables {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Keeps the variable if helpers may see it.
    pub(super) fn offer(&mut self, name: &str, value: &OsString) {
        let passed = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *pattern,
        };
        if PASSED.iter().any(passed) {
            self.0.push((name.to_owned(), value.clone()));
        }
    }
}

impl fmt::Debug for HelperVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Locations {
    /// The environment of credential helpers: the search path, the directories known here, and the variables
    /// with which they find the user's session, keychain, network and cloud account; nothing else.
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
        for (name, value) in known {
            if let Some(value) = value {
                environment = environment.with_variable(name, value);
            }
        }
        for (name, value) in &self.helper_variables.0 {
            environment = environment.with_variable(name, value);
        }
        environment
    }
}
