mod auth;
mod env;
mod helpers;
mod paths;
mod proxies;
mod setters;

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

pub(crate) use auth::AuthFiles;
use helpers::HelperVariables;
pub use proxies::ProxyVariables;

/// The locations of a host's configuration. Only this type reads the environment, the home directory and
/// the user id; everything else takes this value, so that a test can describe any host.
///
/// ```
/// use wharf_config::{Locations, Registries};
///
/// let host = Locations::from_env().with_registries_conf("/dev/null"); // this host, without its registries.conf
/// # let host = Locations::none();
/// let registries = Registries::load(&host)?;
/// assert!(registries.search_registries().is_empty());
/// # Ok::<(), wharf_config::ConfigError>(())
/// ```
///
/// This type opens no configuration file. An environment variable that is set to the empty string counts as
/// unset.
///
/// | made by | reads |
/// |---|---|
/// | [`Locations::from_env`] | the process: its environment, user and operating system |
/// | [`Locations::rooted`] | nothing: the superuser of a host whose files lie under a directory |
/// | [`Locations::from_vars`] | the given variables only |
/// | [`Locations::none`] | nothing: no file is ever found, except those set explicitly |
///
/// # Deviation
///
/// `XDG_CONFIG_HOME` set to the empty string is unset; upstream then reads a relative path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    os: HostOs,
    generation: Generation,
    system: bool,
    root: Option<PathBuf>,
    uid: Option<u32>,
    effective_uid: Option<u32>,
    home: Option<PathBuf>,
    xdg_config_home: Option<PathBuf>,
    xdg_cache_home: Option<PathBuf>,
    xdg_runtime_dir: Option<PathBuf>,
    app_data: Option<PathBuf>,
    program_data: Option<PathBuf>,
    search_path: Option<OsString>,
    helper_variables: HelperVariables,
    proxies: ProxyVariables,
    docker_config: Option<PathBuf>,
    registry_auth_file: Option<PathBuf>,
    registries_conf_env: Option<PathBuf>,
    registries_conf_override: Option<PathBuf>,
    registries_config_path: Option<PathBuf>,
    registries_conf: Option<PathBuf>,
    registries_conf_dir: Option<PathBuf>,
    auth_file: Option<PathBuf>,
    compat_auth_file: Option<PathBuf>,
    cert_dir: Option<PathBuf>,
    certs_base: Option<PathBuf>,
    alias_file: Option<PathBuf>,
    registries_d: Option<PathBuf>,
    policy: Option<PathBuf>,
    policy_env: Option<PathBuf>,
}

/// The directory layout of an operating system. All of them can be used on any, for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostOs {
    /// `/etc`, `/usr/share`, `/run`, `/var`.
    Linux,
    /// The directories of Linux, without `/run`.
    MacOs,
    /// `/usr/local/etc`, `/usr/local/share`.
    FreeBsd,
    /// `%ProgramData%` and `%APPDATA%`.
    Windows,
}

impl HostOs {
    /// The operating system this program was built for; Linux for those not listed.
    #[must_use]
    pub const fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else if cfg!(target_os = "freebsd") {
            Self::FreeBsd
        } else {
            Self::Linux
        }
    }
}

/// The rules that find registries.conf, its drop-ins, certs.d and policy.json, by the version of Podman that
/// has them. The generations differ in nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Generation {
    /// The image library from 5.40 (Podman 6): `/usr/share` and per-user drop-in directories, masking by
    /// name.
    #[default]
    Podman6,
    /// The image library to 5.39 (Podman 5 and older, Debian 12).
    Podman5,
}

impl Locations {
    /// Locations without a host: only files that are set explicitly are found.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            os: HostOs::current(),
            generation: Generation::Podman6,
            system: false,
            root: None,
            uid: None,
            effective_uid: None,
            home: None,
            xdg_config_home: None,
            xdg_cache_home: None,
            xdg_runtime_dir: None,
            app_data: None,
            program_data: None,
            search_path: None,
            helper_variables: HelperVariables::none(),
            proxies: ProxyVariables::none(),
            docker_config: None,
            registry_auth_file: None,
            registries_conf_env: None,
            registries_conf_override: None,
            registries_config_path: None,
            registries_conf: None,
            registries_conf_dir: None,
            auth_file: None,
            compat_auth_file: None,
            cert_dir: None,
            certs_base: None,
            alias_file: None,
            registries_d: None,
            policy: None,
            policy_env: None,
        }
    }

    /// The superuser's view of a whole host whose files lie under this directory: `DIR/etc/containers`,
    /// `DIR/usr/share/containers`, home `DIR/root` and so on, with no environment. It is laid out as Linux
    /// is; see [`Locations::with_os`]. Absolute symbolic links inside still point at the real host.
    #[must_use]
    pub fn rooted(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let mut locations = Self::none();
        locations.system = true;
        locations.os = HostOs::Linux;
        locations.home = Some(dir.join("root"));
        locations.root = Some(dir);
        locations.with_uid(0)
    }
}

impl Locations {
    /// The operating system whose layout is used.
    #[must_use]
    pub const fn os(&self) -> HostOs {
        self.os
    }

    /// The rules by which files are found.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The user id; `None` on Windows, or if it is not known.
    #[must_use]
    pub const fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// The directories that programs are searched in, in the form of `PATH`.
    #[must_use]
    pub fn search_path(&self) -> Option<&OsStr> {
        self.search_path.as_deref()
    }

    /// The home directory.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// `XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn xdg_runtime_dir(&self) -> Option<&Path> {
        self.xdg_runtime_dir.as_deref()
    }

    /// `DOCKER_CONFIG`.
    #[must_use]
    pub fn docker_config(&self) -> Option<&Path> {
        self.docker_config.as_deref()
    }

    /// `REGISTRY_AUTH_FILE`.
    #[must_use]
    pub fn registry_auth_file(&self) -> Option<&Path> {
        self.registry_auth_file.as_deref()
    }

    /// The explicit auth.json.
    #[must_use]
    pub fn auth_file(&self) -> Option<&Path> {
        self.auth_file.as_deref()
    }

    /// The explicit file in the form of Docker's config.json.
    #[must_use]
    pub fn compat_auth_file(&self) -> Option<&Path> {
        self.compat_auth_file.as_deref()
    }
}
