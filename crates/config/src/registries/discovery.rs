//! The files that make up registries.conf, in the order in which they are merged.

use std::path::{Path, PathBuf};

use super::layer::Part;
use crate::{ConfigError, Generation, Locations, drop_in, file};

/// A file that was found, with its content.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) part: Part,
    pub(crate) text: String,
}

pub(crate) fn find(locations: &Locations) -> Result<Vec<Found>, ConfigError> {
    match locations.generation() {
        Generation::Podman6 => find_podman6(locations),
        Generation::Podman5 => find_podman5(locations),
    }
}

/// One main file; drop-ins of every directory, masked and sorted by name; the override.
fn find_podman6(locations: &Locations) -> Result<Vec<Found>, ConfigError> {
    let mut found = Vec::new();
    let explicit_dir = locations.explicit_registries_conf_dir();
    let from_env = locations
        .registries_conf_env()
        .filter(|_| locations.explicit_registries_conf().is_none());
    if let Some(path) = locations.explicit_registries_conf().or(from_env) {
        found.push(read_required(path, Part::Main)?);
    } else {
        let dirs = [
            locations.user_dir(),
            locations.admin_dir(),
            locations.vendor_dir(),
        ];
        for dir in dirs.into_iter().flatten() {
            if let Some(main) = read_optional(&dir.join("registries.conf"), Part::Main)? {
                found.push(main);
                break;
            }
        }
    }
    if from_env.is_none() {
        let dirs = explicit_dir.map_or_else(
            || {
                let user = locations.user_dir().map(|dir| dir.join("registries.conf.d"));
                let system = locations.system_drop_in_dirs("registries", ".conf");
                user.into_iter().chain(system).collect()
            },
            |dir| vec![dir.to_owned()],
        );
        for path in drop_in::masked(&dirs, drop_in::Kind::RegistriesConf)? {
            found.extend(read_optional(&path, Part::DropIn)?);
        }
    }
    let explicit_dir_read = explicit_dir.is_some() && from_env.is_none();
    if let Some(path) = locations
        .registries_conf_override()
        .filter(|_| !explicit_dir_read)
    {
        found.push(read_required(path, Part::DropIn)?);
    }
    Ok(found)
}

/// One main file; the drop-ins of its own level, the user's after the system's.
fn find_podman5(locations: &Locations) -> Result<Vec<Found>, ConfigError> {
    let mut found = Vec::new();
    let user = locations.home_config_dir();
    let mut user_main = false;
    // Podman hands the variable over as if it were its flag, so drop-ins are read beside it.
    let explicit = locations
        .explicit_registries_conf()
        .or(locations.registries_conf_env())
        .or(locations.registries_config_path());
    if let Some(path) = explicit {
        found.push(read_required(path, Part::Main)?);
    } else {
        let in_dir = |dir: Option<&PathBuf>| match dir {
            Some(dir) => read_optional(&dir.join("registries.conf"), Part::Main),
            None => Ok(None),
        };
        match in_dir(user.as_ref())? {
            Some(main) => {
                user_main = true;
                found.push(main);
            }
            None => found.extend(in_dir(locations.admin_dir().as_ref())?),
        }
    }
    let dirs = locations.explicit_registries_conf_dir().map_or_else(
        || {
            let system = locations.admin_dir().filter(|_| !user_main);
            let levels = [system, user].into_iter().flatten();
            levels.map(|dir| dir.join("registries.conf.d")).collect()
        },
        |dir| vec![dir.to_owned()],
    );
    for dir in dirs {
        for (_, path) in drop_in::files(&dir, drop_in::Kind::RegistriesConf)? {
            found.extend(read_optional(&path, Part::DropIn)?);
        }
    }
    Ok(found)
}

fn read_required(path: &Path, part: Part) -> Result<Found, ConfigError> {
    found(path, part, file::read(path)?)
}

/// A file that may be missing, or vanish after its directory was listed.
fn read_optional(path: &Path, part: Part) -> Result<Option<Found>, ConfigError> {
    match file::read_optional(path)? {
        Some(bytes) => found(path, part, bytes).map(Some),
        None => Ok(None),
    }
}

fn found(path: &Path, part: Part, bytes: Vec<u8>) -> Result<Found, ConfigError> {
    Ok(Found {
        path: path.to_owned(),
        part,
        text: file::text(path, bytes)?,
    })
}
