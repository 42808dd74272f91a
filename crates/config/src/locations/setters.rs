//! Setters for each location.

use std::{ffi::OsString, path::PathBuf};

use super::{Generation, HostOs, Locations};

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
    /// `REGISTRIES_CONFIG_PATH`, the old name of `CONTAINERS_REGISTRIES_CONF`: only [`Generation::Podman5`]
    /// reads it, and only without the new one.
    with_registries_config_path(registries_config_path: PathBuf);
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
    /// The registries.d directory to read instead of the default ones. It may be missing.
    with_registries_d(registries_d: PathBuf);
    /// The policy.json to read instead of searching. It must exist.
    with_policy(policy: PathBuf);
    /// `CONTAINERS_POLICY_JSON`, which only [`Generation::Podman6`] reads. The file must exist.
    with_policy_env(policy_env: PathBuf);
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

    /// The directories that programs are searched in, in the form of `PATH`.
    #[must_use]
    pub fn with_search_path(mut self, search_path: impl Into<OsString>) -> Self {
        self.search_path = Some(search_path.into()).filter(|path| !path.is_empty());
        self
    }
}
