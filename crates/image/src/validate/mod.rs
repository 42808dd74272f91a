//! Checks of whole images.

mod counts;
mod finding;
mod layer;

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wharf_content::{
    Descriptor, Error, ImageConfig, MAX_DEPTH, Manifest, Source, SourceExt as _, Target, Visits,
};
use wharf_layer::Codec;
use wharf_reference::Digest;

pub(crate) use self::counts::check_counts;
pub use self::finding::{Check, Finding, Severity};
use self::layer::Layer;
use crate::{
    ConfigDocument, Options,
    format::{Kind, has_image_config, kind},
    layers::Unpacked,
};

/// How much of an image is read for its validation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// Manifests and configs.
    Documents,
    /// These, and every blob: layers are decoded, and their tars are read. Layers that may not be distributed are not
    /// read.
    #[default]
    Blobs,
}

/// Checks the image or index that `target` means: everything that is listed is there and has its digest and size,
/// documents can be read in one way, layers fit the config, decode to what it lists, and are tars that tools
/// understand alike.
///
/// An empty list means that nothing is wrong. Of the options, the number of threads and the limits count.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, Platform};
/// use wharf_image::{Check, Depth, Options, validate};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let image = ImageBuilder::for_platform(Platform::host()).with_tar("this is no tar").build()?;
/// let target = image.digest().into();
/// let findings = validate(Arc::new(image), &target, Depth::Blobs, &Options::default()).await?;
/// assert_eq!(findings[0].check, Check::Tar);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The errors of the source that are not about the content, such as those of the network, and those of the target
/// itself: what cannot be found or parsed has no digest to report on.
pub async fn validate(
    source: Arc<dyn Source>,
    target: &Target,
    depth: Depth,
    options: &Options,
) -> Result<Vec<Finding>, Error> {
    let root = source.checked_manifest(target).await?;
    let mut walk = Walk {
        source: &source,
        visits: Visits::new(),
        findings: Vec::new(),
        images: Vec::new(),
    };
    walk.documents(root).await?;
    let Walk {
        mut findings, images, ..
    } = walk;
    if depth == Depth::Documents {
        return Ok(findings);
    }
    let blobs = images
        .iter()
        .flat_map(|(image, diff_ids)| blobs_of(image, diff_ids));
    let unpacked = Arc::new(Unpacked::new(options.max_unpacked));
    let mut visits = Visits::new();
    let mut checks = Vec::new();
    for (blob, layer) in blobs {
        if visits.add(&blob)? {
            checks.push(check_blob(&source, blob, layer, options, &unpacked));
        }
    }
    let checked: Vec<Vec<Finding>> = stream::iter(checks)
        .buffered(options.threads.get())
        .try_collect()
        .await?;
    findings.extend(checked.into_iter().flatten());
    Ok(findings)
}

/// Reads the documents of an image and checks them.
struct Walk<'a> {
    source: &'a Arc<dyn Source>,
    visits: Visits,
    findings: Vec<Finding>,
    /// Images, with the digests of the tars that their config lists.
    images: Vec<(Manifest, Vec<Digest>)>,
}

impl Walk<'_> {
    async fn documents(&mut self, root: Manifest) -> Result<(), Error> {
        self.visits.add(root.descriptor())?;
        let mut level = vec![(root, None::<Descriptor>)];
        for depth in 1.. {
            let mut next = Vec::new();
            for (manifest, entry) in std::mem::take(&mut level) {
                if manifest.is_index() {
                    next.extend(self.entries(&manifest));
                } else {
                    self.image(manifest, entry.as_ref()).await?;
                }
            }
            let Some((index, _)) = next.first() else {
                return Ok(());
            };
            if depth == MAX_DEPTH {
                self.findings
                    .push(Finding::error(Check::Limit, index, None, Visits::too_deep()));
                return Ok(());
            }
            for (index, entry) in next {
                match self.source.manifest_of(&entry).await {
                    Ok(manifest) => level.push((manifest, Some(entry))),
                    Err(error) => self.findings.push(Finding::of(error, &index, None)?),
                }
            }
        }
        Ok(())
    }

    /// The manifests that an index lists, within the limits, each with the index.
    fn entries(&mut self, index: &Manifest) -> Vec<(Digest, Descriptor)> {
        let mut entries = Vec::new();
        for entry in index.manifests() {
            match self.visits.add(entry) {
                Ok(true) if entry.media_type().is_manifest() => {
                    entries.push((index.digest().clone(), entry.clone()));
                }
                Ok(_) => {}
                Err(error) => {
                    self.findings.extend(Finding::of(error, index.digest(), None));
                    break;
                }
            }
        }
        entries
    }

    async fn image(&mut self, image: Manifest, entry: Option<&Descriptor>) -> Result<(), Error> {
        let digest = image.digest().clone();
        let mut diff_ids = Vec::new();
        if has_image_config(&image) {
            let read = self.source.config_bytes(&image).await;
            match read
                .and_then(ConfigDocument::parse)
                .and_then(|document| document.config())
            {
                Ok(config) => diff_ids = self.config(&image, &config, entry),
                Err(error) => self.findings.push(Finding::of(error, &digest, None)?),
            }
        }
        self.images.push((image, diff_ids));
        Ok(())
    }

    /// Checks a config, and returns the digests of the tars.
    fn config(&mut self, image: &Manifest, config: &ImageConfig, entry: Option<&Descriptor>) -> Vec<Digest> {
        let digest = image.digest();
        let stated = entry.and_then(Descriptor::platform);
        if let (Some(stated), Some(actual)) = (stated, config.platform())
            && !stated.agrees_with(actual)
        {
            let (stated, actual) = (stated.bounded(), actual.bounded());
            let message = format!("the index states the platform {stated}, the config {actual}");
            self.findings
                .push(Finding::warning(Check::Platform, digest, None, message));
        }
        let has_layers =
            |layer: &Descriptor| matches!(kind(layer.media_type()), Some(Kind::Layer(_) | Kind::Foreign(_)));
        if !image.layers().iter().all(has_layers) {
            return Vec::new(); // an attestation: its config lists what it likes
        }
        let document = ConfigDocument::parse(config.bytes().clone());
        let rootfs = document.map(|document| document.member(&["rootfs", "type"]));
        if !matches!(&rootfs, Ok(crate::Member::Value(kind)) if kind == "layers") {
            let message = "the config has no rootfs of the type \"layers\"";
            self.findings
                .push(Finding::error(Check::RootFs, digest, None, message));
        }
        if let Err(error) = check_counts(image, config) {
            self.findings
                .push(Finding::error(Check::Counts, digest, None, error));
        }
        config.diff_ids().unwrap_or_default()
    }
}

/// The blobs of an image that are read, each with how it is checked as a layer.
fn blobs_of<'a>(
    image: &'a Manifest,
    diff_ids: &'a [Digest],
) -> impl Iterator<Item = (Descriptor, Layer)> + 'a {
    let first = usize::from(image.config().is_some());
    // Configs of container images were read with the documents.
    let read = if has_image_config(image) { first } else { 0 };
    image
        .blobs()
        .enumerate()
        .skip(read)
        .filter(|(_, blob)| !blob.is_nondistributable())
        .map(move |(position, blob)| {
            let at = position.checked_sub(first);
            let layer = Layer {
                manifest: image.digest().clone(),
                number: at.map_or(0, |at| at + 1),
                codec: Codec::of_type(blob.media_type()),
                diff_id: at.and_then(|at| diff_ids.get(at)).cloned(),
            };
            (blob.as_blob(), layer)
        })
}

async fn check_blob(
    source: &Arc<dyn Source>,
    descriptor: Descriptor,
    layer: Layer,
    options: &Options,
    unpacked: &Arc<Unpacked>,
) -> Result<Vec<Finding>, Error> {
    let blob = match descriptor.data() {
        Some(embedded) => wharf_content::Blob::from_bytes(descriptor, embedded.into()),
        None => source.blob(&descriptor).await,
    };
    match blob {
        Ok(blob) => {
            layer
                .check(blob, options.limits.clone(), Arc::clone(unpacked))
                .await
        }
        Err(error) => Ok(vec![layer.unreadable(error)?]),
    }
}
