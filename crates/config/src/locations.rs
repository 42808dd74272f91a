mod auth;
mod helpers;
mod paths;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

pub(crate) use auth::AuthFiles;
use helpers::HelperVariables;

/// Where the host keeps its configuration: the only place that reads the environment, the home directory and
/// the user id. Everything else takes this value, so a test can describe any host.
///
/// Nothing here opens a configuration file. An environment variable that is set but empty counts as unset,
/// everywhere.
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
    docker_config: Option<PathBuf>,
    registry_auth_file: Option<PathBuf>,
    registries_conf_env: Option<PathBuf>,
    registries_conf_override: Option<PathBuf>,
    registries_conf: Option<PathBuf>,
    registries_conf_dir: Option<PathBuf>,
    auth_file: Option<PathBuf>,
    compat_auth_file: Option<PathBuf>,
    cert_dir: Option<PathBuf>,
    certs_base: Option<PathBuf>,
    alias_file: Option<PathBuf>,
}

/// The directory layout of an operating system. All of them can be used on any, for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostOs {
    /// `/etc`, `/usr/share`, `/run`, `/var`.
    Linux,
    /// As Linux, without `/run`.
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

/// Which rules find registries.conf, its drop-ins and certs.d. They differ in nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Generation {
    /// The image library from 5.40 (Podman 6): `/usr/share` and per-user drop-in directories, masking by name.
    #[default]
    New,
    /// The image library to 5.39 (Podman 5 and older, Debian 12).
    Classic,
}

impl Locations {
    /// No host at all: nothing is found but what is set explicitly.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            os: HostOs::current(),
            generation: Generation::New,
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
            docker_config: None,
            registry_auth_file: None,
            registries_conf_env: None,
            registries_conf_override: None,
            registries_conf: None,
            registries_conf_dir: None,
            auth_file: None,
            compat_auth_file: None,
            cert_dir: None,
            certs_base: None,
            alias_file: None,
        }
    }

    /// The host this process runs on, as the user it runs as.
    #[must_use]
    pub fn from_env() -> Self {
        let mut locations = Self::from_vars(env::vars_os());
        let (uid, effective_uid) = process_uids();
        locations.uid = locations.uid.or(uid);
        locations.effective_uid = locations.effective_uid.or(effective_uid);
        if locations.home.is_none() {
            locations.home = locations.home_without_env();
        }
        locations
    }

    /// A host with these environment variables and nothing else from the process: the user id is unknown
    /// unless `_CONTAINERS_ROOTLESS_UID` gives it, and there is no home directory without `HOME`
    /// (`USERPROFILE` on Windows).
    #[must_use]
    pub fn from_vars<N, V>(vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: Into<OsString>,
    {
        let mut locations = Self::none();
        locations.system = true;
        for (name, value) in vars {
            let value: OsString = value.into();
            let Some(name) = name.as_ref().to_str().filter(|_| !value.is_empty()) else {
                continue;
            };
            locations.set_var(name, value);
        }
        locations
    }

    fn set_var(&mut self, name: &str, value: OsString) {
        self.helper_variables.offer(name, &value);
        let home = if self.os == HostOs::Windows {
            "USERPROFILE"
        } else {
            "HOME"
        };
        let slot = match name {
            "XDG_CONFIG_HOME" => &mut self.xdg_config_home,
            "XDG_CACHE_HOME" => &mut self.xdg_cache_home,
            "XDG_RUNTIME_DIR" => &mut self.xdg_runtime_dir,
            "APPDATA" => &mut self.app_data,
            "ProgramData" | "PROGRAMDATA" => &mut self.program_data,
            "DOCKER_CONFIG" => &mut self.docker_config,
            "REGISTRY_AUTH_FILE" => &mut self.registry_auth_file,
            "CONTAINERS_REGISTRIES_CONF" => &mut self.registries_conf_env,
            "CONTAINERS_REGISTRIES_CONF_OVERRIDE" => &mut self.registries_conf_override,
            "PATH" => {
                self.search_path = Some(value);
                return;
            }
            "_CONTAINERS_ROOTLESS_UID" => {
                // Upstream takes what is not a number for 0.
                let uid = value.to_str().and_then(|uid| uid.parse().ok()).unwrap_or(0);
                self.uid = Some(uid);
                self.effective_uid = Some(uid);
                return;
            }
            name if name == home => &mut self.home,
            _ => return,
        };
        *slot = Some(value.into());
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

    /// The user's entry in the password database, for when `HOME` is unset.
    fn home_without_env(&self) -> Option<PathBuf> {
        let home = passwd_home(self.uid?).or_else(|| {
            // Asks the system's name service, but answers with `HOME` when that is set to nothing.
            env::home_dir()
        });
        home.filter(|home| !home.as_os_str().is_empty())
    }
}

/// Expands to one consuming setter per field.
macro_rules! setters {
    ($($(#[$doc:meta])* $setter:ident($field:ident: PathBuf);)*) => {
        impl Locations {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $setter(mut self, $field: impl Into<PathBuf>) -> Self {
                    self.$field = Some($field.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
                    self
                }
            )*
        }
    };
}

setters! {
    /// A directory put before the built-in absolute paths (`/etc`, `/usr`, `/var`, `/run`), never before the
    /// home directory, paths from the environment or explicit ones.
    with_root(root: PathBuf);
    /// The home directory.
    with_home(home: PathBuf);
    /// `XDG_CONFIG_HOME`.
    with_xdg_config_home(xdg_config_home: PathBuf);
    /// `XDG_CACHE_HOME`.
    with_xdg_cache_home(xdg_cache_home: PathBuf);
    /// `XDG_RUNTIME_DIR`.
    with_xdg_runtime_dir(xdg_runtime_dir: PathBuf);
    /// `%APPDATA%`, of use on Windows.
    with_app_data(app_data: PathBuf);
    /// `%ProgramData%`, of use on Windows.
    with_program_data(program_data: PathBuf);
    /// `DOCKER_CONFIG`: the directory of Docker's config.json.
    with_docker_config(docker_config: PathBuf);
    /// `REGISTRY_AUTH_FILE`.
    with_registry_auth_file(registry_auth_file: PathBuf);
    /// `CONTAINERS_REGISTRIES_CONF`.
    with_registries_conf_env(registries_conf_env: PathBuf);
    /// `CONTAINERS_REGISTRIES_CONF_OVERRIDE`: one more file, merged last. It must exist.
    with_registries_conf_override(registries_conf_override: PathBuf);
    /// The registries.conf to read instead of searching. It must exist.
    with_registries_conf(registries_conf: PathBuf);
    /// The drop-in directory to read instead of the default ones. It may be missing.
    with_registries_conf_dir(registries_conf_dir: PathBuf);
    /// The auth.json to use, and no other file.
    with_auth_file(auth_file: PathBuf);
    /// The file in the form of Docker's config.json to use, and no other file.
    with_compat_auth_file(compat_auth_file: PathBuf);
    /// The directory with the certificates for every registry, instead of searching for one.
    with_cert_dir(cert_dir: PathBuf);
    /// The directory with one directory of certificates per registry, instead of the default ones.
    with_certs_base(certs_base: PathBuf);
    /// The machine-written file of short-name aliases.
    with_alias_file(alias_file: PathBuf);
}

impl Locations {
    /// The operating system whose layout is used.
    #[must_use]
    pub const fn with_os(mut self, os: HostOs) -> Self {
        self.os = os;
        self
    }

    /// The rules by which files are found.
    #[must_use]
    pub const fn with_generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    /// The user id, real and effective.
    #[must_use]
    pub const fn with_uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self.effective_uid = Some(uid);
        self
    }

    /// Where programs are searched, in the form of `PATH`.
    #[must_use]
    pub fn with_search_path(mut self, search_path: impl Into<OsString>) -> Self {
        self.search_path = Some(search_path.into()).filter(|path| !path.is_empty());
        self
    }

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

    /// Where programs are searched, in the form of `PATH`.
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

#[cfg(unix)]
fn process_uids() -> (Option<u32>, Option<u32>) {
    let real = rustix::process::getuid().as_raw();
    let effective = rustix::process::geteuid().as_raw();
    (Some(real), Some(effective))
}

#[cfg(not(unix))]
const fn process_uids() -> (Option<u32>, Option<u32>) {
    (None, None)
}

/// The home directory that `/etc/passwd` gives a user.
fn passwd_home(uid: u32) -> Option<PathBuf> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next() == Some(&uid)).then(|| fields.nth(2).map(PathBuf::from))?
    })
}
