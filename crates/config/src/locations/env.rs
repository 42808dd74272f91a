//! The only place that reads the environment, the user id and the password database.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use super::{HostOs, Locations};

impl Locations {
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
            locations.helper_variables.keep(name.as_ref(), &value);
            let Some(name) = name.as_ref().to_str().filter(|_| !value.is_empty()) else {
                continue;
            };
            locations.set_var(name, value);
        }
        locations
    }

    fn set_var(&mut self, name: &str, value: OsString) {
        self.proxies.offer(name, &value);
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
            "CONTAINERS_POLICY_JSON" => &mut self.policy_env,
            "REGISTRIES_CONFIG_PATH" => &mut self.registries_config_path,
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

    /// The user's entry in the password database, for when `HOME` is unset.
    fn home_without_env(&self) -> Option<PathBuf> {
        // The second asks the system's name service, but answers with `HOME` when that is set to nothing.
        let home = self.uid.and_then(passwd_home).or_else(env::home_dir);
        home.filter(|home| !home.as_os_str().is_empty())
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
