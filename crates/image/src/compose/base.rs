use std::{fmt, sync::Arc};

use wharf_content::{
    Error, ErrorKind, Gate, ImageConfig, Manifest, Platform, Role, Source, SourceExt as _, Target,
    choose_image,
};

use super::check_container;
use crate::{Options, validate::check_counts};

/// An image that others are made on, for [`Recipe::rebase`](crate::Recipe::rebase): the lowest layers of an image are
/// those of its base. Of an index, each image is the base of the images for its platform.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{Source, Target};
/// use wharf_image::{Base, Recipe};
///
/// # fn example(source: Arc<dyn Source>, old: Target, new: Target) {
/// let new = Base::new(source.clone(), new).with_name("docker.io/library/debian:13");
/// let recipe = Recipe::new().rebase(Base::new(source, old), new);
/// # }
/// ```
#[derive(Clone)]
pub struct Base {
    source: Arc<dyn Source>,
    target: Target,
    name: Option<String>,
    gates: Vec<Arc<dyn Gate>>,
}

impl Base {
    /// The image or index that a target means in a source.
    pub fn new(source: Arc<dyn Source>, target: Target) -> Self {
        Self {
            source,
            target,
            name: None,
            gates: Vec::new(),
        }
    }

    /// Sets the name that the annotation `org.opencontainers.image.base.name` gets. Default: none; the annotation is then
    /// removed, for the old one names another base.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a gate that judges the manifests of the base, before its layers are used.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gates.push(Arc::new(gate));
        self
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) const fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Reads the image for a platform.
    pub(super) async fn read(
        &self,
        platform: Option<&Platform>,
        options: &Options,
    ) -> Result<(Manifest, ImageConfig), Error> {
        let top = self.source.checked_manifest(&self.target).await?;
        let (image, role) = if top.is_index() {
            let Some(platform) = platform else {
                let message = format!(
                    "the base {} is an index, and the image states no platform to choose by",
                    top.digest()
                );
                return Err(Error::new(ErrorKind::Invalid, message));
            };
            let chosen = choose_image(&*self.source, &top, platform).await?;
            let index = top.digest().clone();
            (self.source.manifest_of(&chosen).await?, Role::Instance { index })
        } else {
            (top, Role::Target)
        };
        for gate in &self.gates {
            let admitted = gate.admit(&image, &role).await;
            admitted.map_err(|rejection| rejection.into_error(image.digest()))?;
        }
        check_container(&image)?;
        options.check_size(&image)?;
        let config = self.source.config(&image).await?;
        check_counts(&image, &config)?;
        Ok((image, config))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("location", &self.source.location())
            .field("target", &self.target)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
