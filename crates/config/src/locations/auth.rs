//! The files that hold credentials.

use std::path::PathBuf;

use super::{HostOs, Locations};
use crate::{AuthFormat, ConfigError, ConfigErrorKind};

/// The files that hold credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthFiles {
    /// In the order in which they are asked.
    pub(crate) read: Vec<(PathBuf, AuthFormat)>,
    /// The one that is written. `None` if the host has no directory for one.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that each system reads, with the variables that decide; `R` is the runtime directory, `H` the home.
    #[test]
    fn every_system_has_its_paths() {
        let user = "H/.config/containers/auth.json";
        let rest = ["H/.docker/config.json", "H/.dockercfg"];
        for (os, vars, uid, first) in [
            (
                HostOs::Linux,
                "XDG_RUNTIME_DIR=R",
                1000,
                &["R/containers/auth.json", user][..],
            ),
            (
                HostOs::Linux,
                "A=",
                1000,
                &["/run/containers/1000/auth.json", user],
            ),
            (
                HostOs::Linux,
                "XDG_RUNTIME_DIR=",
                0,
                &["/run/containers/0/auth.json", user],
            ),
            (
                HostOs::Linux,
                "XDG_CONFIG_HOME=X",
                7,
                &["/run/containers/7/auth.json", "X/containers/auth.json"],
            ),
            (
                HostOs::Linux,
                "XDG_CONFIG_HOME=",
                7,
                &["/run/containers/7/auth.json", user],
            ),
            (HostOs::MacOs, "XDG_RUNTIME_DIR=R", 501, &[user]),
            (
                HostOs::MacOs,
                "XDG_CONFIG_HOME=X",
                501,
                &[user, "X/containers/auth.json"],
            ),
            (HostOs::FreeBsd, "A=", 1000, &[user]),
            (HostOs::Windows, "APPDATA=A", 0, &[user, "A/containers/auth.json"]),
        ] {
            let locations = Locations::from_vars(vars.split_once('='))
                .with_home("H")
                .with_os(os)
                .with_uid(uid);
            let files = locations.auth_files().unwrap();
            let read: Vec<PathBuf> = files.read.iter().map(|(path, _)| path.clone()).collect();
            let expected: Vec<PathBuf> = first.iter().chain(&rest).map(PathBuf::from).collect();
            assert_eq!(read, expected, "{os:?} {vars}");
            assert_eq!(files.write.as_ref(), files.read.first(), "{os:?} {vars}");
            let runtime_dir = vars == "XDG_RUNTIME_DIR=R" && os == HostOs::Linux;
            assert_eq!(
                files.must_exist,
                runtime_dir.then(|| PathBuf::from("R")),
                "{os:?} {vars}"
            );
        }
        let docker = Locations::from_vars([("DOCKER_CONFIG", "D")])
            .with_home("H")
            .auth_files()
            .unwrap();
        assert_eq!(
            docker.write,
            Some((PathBuf::from("D/config.json"), AuthFormat::Docker))
        );
        assert_eq!(Locations::none().auth_files().unwrap().write, None);
    }
}
