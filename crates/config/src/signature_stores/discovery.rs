//! The files of registries.d, in the order in which they are merged.

use std::path::PathBuf;

use crate::{ConfigError, Generation, Locations, drop_in};

pub(super) fn find(locations: &Locations) -> Result<Vec<PathBuf>, ConfigError> {
    let dirs = match (locations.explicit_registries_d(), locations.generation()) {
        (Some(dir), _) => vec![dir.to_owned()],
        (None, Generation::Podman6) => {
            let user = locations.user_dir().map(|dir| dir.join("registries.d"));
            let system = locations.system_drop_in_dirs("registries", "");
            user.into_iter().chain(system).collect()
        }
        (None, Generation::Podman5) => {
            let user = locations.home_config_dir().map(|dir| dir.join("registries.d"));
            let system = locations.admin_dir().map(|dir| dir.join("registries.d"));
            user.filter(|dir| dir.exists()).or(system).into_iter().collect()
        }
    };
    drop_in::masked(&dirs, drop_in::Kind::RegistriesD)
}
