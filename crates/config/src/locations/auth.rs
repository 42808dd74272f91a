//! The files in which credentials are kept.

use std::path::PathBuf;

use super::{HostOs, Locations};
use crate::{AuthFormat, ConfigError, ConfigErrorKind};

/// Which files hold credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthFiles {
    /// In the order in which they are asked.
    pub(crate) read: Vec<(PathBuf, AuthFormat)>,
    /// The one that is written. `None` if the host has no place for one.
    pub(crate) write: Option<(PathBuf, AuthFormat)>,
    /// The directory that must exist before anything is written below it: the system makes it at login.
    pub(crate) must_exist: Option<PathBuf>,
}

impl Locations {
    /// The files with credentials (`containers-auth.json(5)`): an explicit one alone, or that of the runtime
    /// directory, the user's, Docker's and Docker's legacy one.
    pub(crate) fn auth_files(&self) -> Result<AuthFiles, ConfigError> {
        let explicit = match (&self.auth_file, &self.compat_auth_file, &self.registry_auth_file) {
            (Some(_), Some(_), _) => {
                let message = "an auth file and a file in Docker's form exclude each other; give one of them";
                return Err(ConfigError::new(ConfigErrorKind::Conflict, message));
            }
            (Some(path), None, _) | (None, None, Some(path)) => Some((path, AuthFormat::Containers)),
            (None, Some(path), _) => Some((path, AuthFormat::Docker)),
            (None, None, None) => None,
        };
        if let Some((path, format)) = explicit {
            let only = (path.clone(), format);
            return Ok(AuthFiles {
                read: vec![only.clone()],
                write: Some(only),
                must_exist: None,
            });
        }
        let primary = self
            .primary_auth_file()
            .map(|path| (path, AuthFormat::Containers));
        let user = self
            .user_dir()
            .map(|dir| (dir.join("auth.json"), AuthFormat::Containers));
        let docker_dir = self
            .docker_config
            .clone()
            .or_else(|| Some(self.home.as_ref()?.join(".docker")));
        let docker = docker_dir.map(|dir| (dir.join("config.json"), AuthFormat::Docker));
        let legacy = self
            .home
            .as_ref()
            .map(|home| (home.join(".dockercfg"), AuthFormat::DockerLegacy));
        let write = match &self.docker_config {
            Some(_) => docker.clone(),
            None => primary.clone(),
        };
        let mut read: Vec<(PathBuf, AuthFormat)> = Vec::new();
        for file in [primary, user, docker, legacy].into_iter().flatten() {
            if !read.contains(&file) {
                read.push(file);
            }
        }
        let below_runtime_dir =
            |dir: &&PathBuf| write.as_ref().is_some_and(|(path, _)| path.starts_with(dir));
        Ok(AuthFiles {
            must_exist: self.xdg_runtime_dir.as_ref().filter(below_runtime_dir).cloned(),
            read,
            write,
        })
    }

    fn primary_auth_file(&self) -> Option<PathBuf> {
        let of_user = |uid: u32| self.system_path(&format!("/run/containers/{uid}/auth.json"));
        match self.os {
            HostOs::Linux if self.root.is_some() => of_user(self.uid?),
            HostOs::Linux => match &self.xdg_runtime_dir {
                Some(dir) => Some(dir.join("containers/auth.json")),
                None => of_user(self.uid?),
            },
            HostOs::Windows | HostOs::MacOs | HostOs::FreeBsd => {
                self.home_config_dir().map(|dir| dir.join("auth.json"))
            }
        }
    }
}
