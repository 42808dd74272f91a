//! Resolves short names on this host.

use std::{fmt, sync::Arc};

use wharf_config::{Locations, PossibleName, Prompt, Registries, ResolvedName, ShortNameMode, ShortNames};
use wharf_content::{Error, ErrorKind};
use wharf_reference::Written;

use crate::{
    concurrency::blocking,
    warnings::{Warning, Warnings},
};

/// The caller's settings for short names, which take precedence over the host's configuration.
#[derive(Clone)]
pub(crate) struct ShortNameOptions {
    pub(crate) mode: Option<ShortNameMode>,
    pub(crate) docker_hub: bool,
    pub(crate) prompt: Option<Arc<dyn Prompt>>,
}

impl ShortNameOptions {
    pub(crate) const fn new() -> Self {
        Self {
            mode: None,
            docker_hub: false,
            prompt: None,
        }
    }
}

impl fmt::Debug for ShortNameOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortNameOptions")
            .field("mode", &self.mode)
            .field("docker_hub", &self.docker_hub)
            .field("prompt", &self.prompt.is_some())
            .finish()
    }
}

/// Resolves names that users type. The file of recorded aliases is read each time, so that an alias that
/// another program has recorded counts at once.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) locations: Locations,
    pub(crate) options: ShortNameOptions,
    pub(crate) warnings: Arc<Warnings>,
}

impl Names {
    /// The images a name may mean. Asks the prompt if it must, on a thread that may block.
    pub(crate) async fn resolve(
        &self,
        name: Written,
        registries: &Arc<Registries>,
    ) -> Result<ResolvedName, Error> {
        let prompt = self.options.prompt.clone();
        self.with_names(registries, move |names| names.resolve(&name, prompt.as_deref()))
            .await?
            .map_err(|error| Error::wrap(ErrorKind::Invalid, error))
    }

    /// Records the choice of the prompt in the file of aliases; fails with the reason as text.
    pub(crate) async fn record(
        &self,
        name: &PossibleName,
        registries: &Arc<Registries>,
    ) -> Result<(), String> {
        if name.recorded_as().is_none() {
            return Ok(());
        }
        let name = name.clone();
        self.with_names(registries, move |names| names.record(&name))
            .await
            .map_err(|error| error.to_string())?
            .map(drop)
            .map_err(|error| error.to_string())
    }

    async fn with_names<T: Send + 'static>(
        &self,
        registries: &Arc<Registries>,
        work: impl FnOnce(&ShortNames) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (locations, registries) = (self.locations.clone(), Arc::clone(registries));
        let (mode, docker_hub) = (self.options.mode, self.options.docker_hub);
        let warnings = Arc::clone(&self.warnings);
        blocking(move || {
            let mut names = ShortNames::load(&locations, &registries).with_docker_hub(docker_hub);
            if let Some(mode) = mode {
                names = names.with_mode(mode);
            }
            for warning in names.warnings() {
                warnings.warn(Warning::Configuration(warning.clone()));
            }
            work(&names)
        })
        .await
    }
}
