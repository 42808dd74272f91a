//! Reads the documents of an image: manifests from the root down, and the configs that the recipe needs.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wharf_content::{
    Descriptor, Error, ErrorKind, ImageConfig, MAX_DEPTH, Manifest, Platform, Role, Source, SourceExt as _,
    Target, Visits, choose_image,
};
use wharf_reference::Digest;

use crate::{Format, Options, Recipe, format::has_image_config, layers, rewrite::ATTESTS};

/// The most documents that are read at the same time.
const CONCURRENCY: usize = 32;

/// The original documents of an image that is changed.
pub(crate) struct Graph {
    root: Manifest,
    pub(crate) manifests: HashMap<Digest, Manifest>,
    /// The images, in the order of the walk.
    images: Vec<Manifest>,
    /// The entries of an index that stay, by their position; absent for an index that keeps all.
    kept: HashMap<Digest, Vec<usize>>,
    /// Configs, by the digest of the image.
    configs: HashMap<Digest, ImageConfig>,
    /// The platforms of images, as the index states them.
    platforms: HashMap<Digest, Platform>,
    pub(crate) warnings: Vec<String>,
}

impl Graph {
    /// Reads the documents, within the limits of a walk.
    ///
    /// # Errors
    ///
    /// Those of the source; [`ErrorKind::NotFound`] if there is no image for a platform, [`ErrorKind::Rejected`] from
    /// the gate, [`ErrorKind::TooLarge`] beyond a limit.
    pub(crate) async fn read(
        source: &dyn Source,
        target: &Target,
        recipe: &Recipe,
        options: &Options,
    ) -> Result<Self, Error> {
        let top = source.checked_manifest(target).await?;
        let (root, role) = match &recipe.selected {
            Some(platform) if top.is_index() => {
                let chosen = choose_image(source, &top, platform).await?;
                let index = top.digest().clone();
                (source.manifest_of(&chosen).await?, Role::Instance { index })
            }
            _ => (top, Role::Target),
        };
        options.admit(&root, &role).await?;
        let mut walk = Walk {
            visits: Visits::new(),
            size: 0,
            max_size: options.max_size,
            missing: recipe.platforms.clone(),
            images: Vec::new(),
        };
        walk.add(root.descriptor())?;
        let mut graph = Self {
            manifests: HashMap::from([(root.digest().clone(), root.clone())]),
            images: Vec::new(),
            kept: HashMap::new(),
            configs: HashMap::new(),
            platforms: HashMap::new(),
            warnings: Vec::new(),
            root: root.clone(),
        };
        let mut level = graph.expand(&root, None, recipe, &mut walk)?;
        for depth in 2.. {
            if level.is_empty() {
                break;
            }
            if depth > MAX_DEPTH {
                return Err(Visits::too_deep());
            }
            let reads = level.into_iter().map(|(index, entry)| async move {
                let manifest = source.manifest_of(&entry).await?;
                options.admit(&manifest, &Role::Instance { index }).await?;
                Ok::<_, Error>((entry, manifest))
            });
            let read: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
            level = Vec::new();
            for (entry, manifest) in read {
                level.extend(graph.expand(&manifest, Some(&entry), recipe, &mut walk)?);
                graph.manifests.insert(manifest.digest().clone(), manifest);
            }
        }
        if let Some(missing) = walk.missing.first().filter(|_| root.is_index()) {
            return Err(missing.not_in(&root, root.manifests()));
        }
        graph.images = walk.images.iter().map(|(image, _)| image.clone()).collect();
        graph.read_configs(source, walk.images, recipe).await?;
        Ok(graph)
    }

    /// The manifest or index that the result comes from.
    pub(crate) const fn root(&self) -> &Manifest {
        &self.root
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Option<&Manifest> {
        self.manifests.get(digest)
    }

    /// The images and artifacts, in the order of the walk.
    pub(crate) fn images(&self) -> &[Manifest] {
        &self.images
    }

    /// The config of a container image, if the recipe needs it.
    pub(crate) fn config(&self, image: &Digest) -> Option<&ImageConfig> {
        self.configs.get(image)
    }

    /// The platform of an image, as the index states it, or its config.
    pub(crate) fn platform(&self, image: &Digest) -> Option<Platform> {
        let stated = || self.config(image).and_then(|config| config.platform());
        self.platforms.get(image).or_else(stated).cloned()
    }

    /// The positions of the entries of an index that stay.
    pub(crate) fn kept(&self, index: &Manifest) -> Vec<usize> {
        let all = || (0..index.manifests().len()).collect();
        self.kept.get(index.digest()).cloned().unwrap_or_else(all)
    }

    /// Adds what a manifest lists, and returns the manifests to read, each with the index that lists it.
    fn expand(
        &mut self,
        manifest: &Manifest,
        entry: Option<&Descriptor>,
        recipe: &Recipe,
        walk: &mut Walk,
    ) -> Result<Vec<(Digest, Descriptor)>, Error> {
        let mut children = Vec::new();
        if !manifest.is_index() {
            for blob in manifest.blobs().map(Descriptor::as_blob) {
                walk.add(&blob)?;
            }
            if let Some(platform) = entry.and_then(Descriptor::platform) {
                self.platforms.insert(manifest.digest().clone(), platform.clone());
            }
            walk.images.push((manifest.clone(), entry.cloned()));
            return Ok(children);
        }
        if !recipe.platforms.is_empty() {
            let kept = walk.kept(manifest.manifests(), &recipe.platforms);
            self.kept.insert(manifest.digest().clone(), kept);
        }
        for position in self.kept(manifest) {
            if let Some(entry) = manifest.manifests().get(position)
                && walk.add(entry)?
                && entry.media_type().is_manifest()
            {
                children.push((manifest.digest().clone(), entry.clone()));
            }
        }
        Ok(children)
    }

    async fn read_configs(
        &mut self,
        source: &dyn Source,
        images: Vec<(Manifest, Option<Descriptor>)>,
        recipe: &Recipe,
    ) -> Result<(), Error> {
        let needed = images
            .into_iter()
            .filter(|(image, entry)| needs_config(recipe, image, entry.as_ref()));
        let reads = needed.map(|(image, entry)| async move {
            let config = source.config(&image).await?;
            Ok::<_, Error>((image, entry, config))
        });
        let read: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        for (image, entry, config) in read {
            if let (Some(stated), Some(actual)) =
                (entry.as_ref().and_then(Descriptor::platform), config.platform())
                && !stated.agrees_with(actual)
            {
                self.warnings.push(format!(
                    "the index states the platform {} for {}, and its config states {}",
                    stated.bounded(),
                    image.digest(),
                    actual.bounded()
                ));
            }
            self.configs.insert(image.digest().clone(), config);
        }
        Ok(())
    }
}

/// True if the recipe changes a container image, or its platform must be learnt.
fn needs_config(recipe: &Recipe, image: &Manifest, entry: Option<&Descriptor>) -> bool {
    let converts = recipe
        .format
        .is_some_and(|format| Format::of(image.media_type()) != Some(format));
    let unstated = entry.is_some_and(|entry| entry.platform().is_none());
    has_image_config(image)
        && (converts
            || !recipe.annotations.is_empty()
            || !recipe.steps.is_empty()
            || layers::touches(recipe, image)
            || (recipe.format == Some(Format::Docker) && unstated))
}

/// The state of a walk over manifests.
struct Walk {
    visits: Visits,
    size: u64,
    max_size: Option<u64>,
    /// The platforms for which no image was found yet.
    missing: Vec<Platform>,
    /// Images, with the entry that lists them.
    images: Vec<(Manifest, Option<Descriptor>)>,
}

impl Walk {
    fn add(&mut self, descriptor: &Descriptor) -> Result<bool, Error> {
        if !self.visits.add(descriptor)? {
            return Ok(false);
        }
        self.size = self.size.saturating_add(descriptor.size());
        match self.max_size {
            Some(limit) if self.size > limit => {
                let message = format!("the image has more than the limit of {limit} bytes");
                Err(Error::new(ErrorKind::TooLarge, message))
            }
            _ => Ok(true),
        }
    }

    /// The positions of the entries that stay: the best for each platform, attestations of these, and indexes, which
    /// are shortened themselves.
    fn kept(&mut self, entries: &[Descriptor], platforms: &[Platform]) -> Vec<usize> {
        let mut chosen: Vec<&Descriptor> = Vec::new();
        for platform in platforms {
            let found = platform.choose(entries);
            if let Some(found) = found.filter(|entry| entry.media_type().is_manifest()) {
                self.missing.retain(|missing| missing != platform);
                chosen.push(found);
            }
        }
        let attests = |entry: &Descriptor| {
            let attested = entry.annotations().get(ATTESTS);
            attested.is_some_and(|digest| chosen.iter().any(|image| image.digest().as_str() == digest))
        };
        let stays = |entry: &Descriptor| {
            entry.media_type().is_index()
                || chosen.iter().any(|image| std::ptr::eq(*image, entry))
                || attests(entry)
        };
        let positions = entries.iter().enumerate();
        positions
            .filter(|(_, entry)| stays(entry))
            .map(|(at, _)| at)
            .collect()
    }
}
