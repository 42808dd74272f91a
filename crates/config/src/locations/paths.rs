//! The directories that follow from a host's description.

use std::path::{Path, PathBuf};

use super::{Generation, HostOs, Locations};

impl Locations {
    /// The user's own configuration of the containers tools: `$XDG_CONFIG_HOME/containers`, or
    /// `.config/containers` in the home directory; `%APPDATA%\containers` on Windows.
    #[must_use]
    pub fn user_dir(&self) -> Option<PathBuf> {
        if self.os == HostOs::Windows {
            return Some(self.app_data.as_ref()?.join("containers"));
        }
        match &self.xdg_config_home {
            Some(config) => Some(config.join("containers")),
            None => self.home_config_dir(),
        }
    }

    /// `.config/containers` in the home directory, whatever `XDG_CONFIG_HOME` says.
    pub(crate) fn home_config_dir(&self) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(".config/containers"))
    }

    /// The administrator's configuration: `/etc/containers`, `/usr/local/etc/containers` on FreeBSD,
    /// `%ProgramData%\containers` on Windows.
    #[must_use]
    pub fn admin_dir(&self) -> Option<PathBuf> {
        self.etc("containers")
    }

    /// The configuration that packages bring: `/usr/share/containers`, `/usr/local/share/containers` on
    /// FreeBSD; there is none on Windows.
    #[must_use]
    pub fn vendor_dir(&self) -> Option<PathBuf> {
        match self.os {
            HostOs::Windows => None,
            HostOs::FreeBsd => self.system_path("/usr/local/share/containers"),
            HostOs::Linux | HostOs::MacOs => self.system_path("/usr/share/containers"),
        }
    }

    /// A directory of the system's configuration.
    pub(crate) fn etc(&self, name: &str) -> Option<PathBuf> {
        match self.os {
            HostOs::Windows => Some(self.program_data.as_ref()?.join(name)),
            HostOs::FreeBsd => self.system_path(&format!("/usr/local/etc/{name}")),
            HostOs::Linux | HostOs::MacOs => self.system_path(&format!("/etc/{name}")),
        }
    }

    /// A built-in absolute path, below the root directory if there is one; `None` if this describes no host.
    #[must_use]
    pub fn system_path(&self, path: &str) -> Option<PathBuf> {
        if !self.system {
            return None;
        }
        Some(match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => PathBuf::from(path),
        })
    }

    /// The machine-written file of short-name aliases: the explicit one, or
    /// `/var/cache/containers/short-name-aliases.conf` for the superuser, or below `$XDG_CACHE_HOME` or
    /// `.cache` in the home directory. It need not exist.
    #[must_use]
    pub fn alias_file(&self) -> Option<PathBuf> {
        const FILE: &str = "containers/short-name-aliases.conf";
        if let Some(explicit) = &self.alias_file {
            return Some(explicit.clone());
        }
        if self.effective_uid == Some(0) {
            return self.system_path(&format!("/var/cache/{FILE}"));
        }
        match &self.xdg_cache_home {
            Some(cache) => Some(cache.join(FILE)),
            None => Some(self.home.as_ref()?.join(".cache").join(FILE)),
        }
    }

    /// The directories that are searched below the administrator's and the packages' directory, most
    /// important first: `NAME.rootless.d/UID`, `NAME.rootless.d` or `NAME.rootful.d`, `NAME.d`. A suffix of
    /// the name stands before `.d`, as in `registries.rootless.conf.d`.
    pub(crate) fn system_drop_in_dirs(&self, name: &str, suffix: &str) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        for base in [self.admin_dir(), self.vendor_dir()].into_iter().flatten() {
            match self.uid {
                Some(0) => dirs.push(base.join(format!("{name}.rootful{suffix}.d"))),
                Some(uid) => {
                    let rootless = base.join(format!("{name}.rootless{suffix}.d"));
                    dirs.extend([rootless.join(uid.to_string()), rootless]);
                }
                None => {}
            }
            dirs.push(base.join(format!("{name}{suffix}.d")));
        }
        dirs
    }

    pub(crate) fn explicit_registries_conf(&self) -> Option<&Path> {
        self.registries_conf.as_deref()
    }

    pub(crate) fn explicit_registries_conf_dir(&self) -> Option<&Path> {
        self.registries_conf_dir.as_deref()
    }

    pub(crate) fn registries_conf_env(&self) -> Option<&Path> {
        self.registries_conf_env.as_deref()
    }

    pub(crate) fn registries_config_path(&self) -> Option<&Path> {
        self.registries_config_path.as_deref()
    }

    pub(crate) fn registries_conf_override(&self) -> Option<&Path> {
        self.registries_conf_override.as_deref()
    }

    #[cfg(feature = "registries-d")]
    pub(crate) fn explicit_registries_d(&self) -> Option<&Path> {
        self.registries_d.as_deref()
    }

    /// The directory that holds signatures where registries.d names no store: `/var/lib/containers/sigstore`
    /// for the superuser, `.local/share/containers/sigstore` in the home directory for others. `None` if it
    /// is no UTF-8.
    #[cfg(feature = "registries-d")]
    pub(crate) fn signature_dir(&self) -> Option<String> {
        let dir = if self.effective_uid == Some(0) {
            self.system_path("/var/lib/containers/sigstore")?
        } else {
            self.home.as_ref()?.join(".local/share/containers/sigstore")
        };
        dir.into_os_string().into_string().ok()
    }

    /// The policy.json that was asked for by name.
    pub(crate) fn explicit_policy(&self) -> Option<&Path> {
        let from_env = match self.generation {
            Generation::Podman6 => self.policy_env.as_deref(),
            Generation::Podman5 => None,
        };
        self.policy.as_deref().or(from_env)
    }

    /// The paths of policy.json, most important first.
    pub(crate) fn policy_files(&self) -> Vec<PathBuf> {
        let dirs = match self.generation {
            Generation::Podman6 => [self.user_dir(), self.admin_dir(), self.vendor_dir()],
            Generation::Podman5 => [self.home_config_dir(), self.admin_dir(), None],
        };
        let dirs = dirs.into_iter().flatten();
        dirs.map(|dir| dir.join("policy.json")).collect()
    }

    pub(crate) fn cert_dir(&self) -> Option<&Path> {
        self.cert_dir.as_deref()
    }

    /// The directories that hold one directory of certificates per registry, most important first.
    pub(crate) fn certs_bases(&self) -> Vec<PathBuf> {
        if let Some(base) = &self.certs_base {
            return vec![base.clone()];
        }
        let user = match self.generation {
            Generation::Podman6 => self.user_dir(),
            Generation::Podman5 => self.home_config_dir(),
        };
        let mut bases: Vec<PathBuf> = user.into_iter().map(|dir| dir.join("certs.d")).collect();
        match self.generation {
            Generation::Podman6 => bases.extend(self.system_drop_in_dirs("certs", "")),
            Generation::Podman5 => bases.extend(self.admin_dir().map(|dir| dir.join("certs.d"))),
        }
        bases.extend(self.etc("docker").map(|dir| dir.join("certs.d")));
        bases
    }
}
