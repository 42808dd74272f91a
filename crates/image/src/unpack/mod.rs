//! Images unpacked to a directory.

mod options;
mod worker;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Event, ImageConfig, Manifest, Outcome, Progress, Source,
    SourceExt as _, Target,
};
use wharf_layer::{Applied, Codec};
use wharf_reference::Digest;

pub use self::options::UnpackOptions;
use self::worker::Worker;
use crate::{
    Recipe,
    format::{Compression, Kind, kind},
    graph::Graph,
    layers::{Received, open_layer},
    validate::check_counts,
};

/// The result of [`unpack`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UnpackedImage {
    /// The descriptor of the image's manifest.
    pub image: Descriptor,
    /// The config of the image: the command, the environment and the user of its containers.
    pub config: ImageConfig,
    /// The result of each layer, the lowest first: what was unpacked, and what was left out.
    pub layers: Vec<Applied>,
}

/// A layer of an image that is unpacked.
struct Layer {
    descriptor: Descriptor,
    /// `None` if the first bytes decide.
    codec: Option<Codec>,
    diff_id: Digest,
    /// Counted from one.
    number: usize,
    image: Digest,
}

impl Layer {
    /// Says in an error which layer it is about.
    fn named(&self, error: Error) -> Error {
        let message = format!("layer {} of {}: {error}", self.number, self.image);
        Error::new(error.kind(), message).with_source(error)
    }
}

/// Unpacks an image to a directory, which appears when it is whole. Nothing is there before, or an empty directory.
///
/// The layers are read one after the other, the next one's reading begins while one is unpacked. Each is verified by
/// its digest and by its `diff_id` while it is unpacked, in memory that does not grow with it. Nothing is synced to the
/// disk. [`apply`](wharf_layer::apply()) says how layers become a tree, and who owns it.
///
/// The layers are unpacked in a directory `.wharf-unpack-…` beside, which is removed after a failure, and when the
/// future is dropped: nothing more is read then, and a thread that is in the middle of a layer ends. A process that is
/// killed leaves the directory; the next unpacking to the same path removes it.
///
/// It needs a tokio runtime.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, Platform};
/// use wharf_image::{UnpackOptions, unpack};
/// use wharf_layer::{ApplyOptions, Ownership};
/// use wharf_layer::tar::of_files;
///
/// # let directory = tempfile::tempdir()?;
/// # let root = directory.path().join("root");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let image = ImageBuilder::for_platform(Platform::host()).with_tar(of_files([("hello", "world")])?).build()?;
/// let target = image.digest().into();
/// let options = UnpackOptions::default().with_apply(ApplyOptions::default().with_ownership(Ownership::Current));
/// let unpacked = unpack(Arc::new(image), &target, &root, &options).await?;
/// assert_eq!(unpacked.layers[0].members, 1);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// assert_eq!(std::fs::read(root.join("hello"))?, b"world");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Conflict`] and [`ErrorKind::Invalid`] for a directory that is not empty, or something else at its path,
/// before the first request; [`ErrorKind::Conflict`] also if another process unpacks to the same path;
/// [`ErrorKind::Invalid`] also for an index, if no platform is selected, and for an image whose
/// layers do not fit its config; [`ErrorKind::NotFound`] if the index has no image for the platform;
/// [`ErrorKind::Unsupported`] for an artifact and for layers of other types; [`ErrorKind::Rejected`] from a gate;
/// [`ErrorKind::TooLarge`] beyond a limit; [`ErrorKind::Mismatch`] if the tar of a layer has another digest than the
/// config states; those of [`apply`](wharf_layer::apply()), which name the layer and the member; and those of the
/// source.
pub async fn unpack(
    source: Arc<dyn Source>,
    target: &Target,
    directory: impl Into<PathBuf>,
    options: &UnpackOptions,
) -> Result<UnpackedImage, Error> {
    let mut worker = Worker::start(directory.into(), options).await?;
    let (image, config, layers) = match read_image(&*source, target, options).await {
        Ok(read) => read,
        Err(error) => return Err(worker.first_failure(error).await),
    };
    let planned = layers.iter().map(|layer| layer.descriptor.size()).sum();
    options.progress.event(Event::Planned {
        count: layers.len(),
        bytes: planned,
    });
    for layer in layers {
        let descriptor = &layer.descriptor;
        options.progress.event(Event::Started { descriptor });
        let blob = match open_layer(&*source, descriptor).await {
            Ok(blob) => blob,
            Err(error) => return Err(worker.first_failure(error).await),
        };
        let input = Received::of(reported(blob, descriptor.clone(), Arc::clone(&options.progress)));
        if !worker.unpack(layer, input).await {
            break; // the worker has failed
        }
    }
    Ok(UnpackedImage {
        image,
        config,
        layers: worker.finish().await?,
    })
}

/// Reads the documents of the image, which the gates judge, and lists its layers.
async fn read_image(
    source: &dyn Source,
    target: &Target,
    options: &UnpackOptions,
) -> Result<(Descriptor, ImageConfig, Vec<Layer>), Error> {
    let mut recipe = Recipe::new();
    if let Some(platform) = &options.platform {
        recipe = recipe.select(platform.clone());
    }
    let graph = Graph::read(source, target, &recipe, &options.reading).await?;
    let image = graph.root();
    if image.is_index() {
        let message = format!("{target} is an index of images: select the platform of one of them");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let config_type = image.config().map(Descriptor::media_type);
    if config_type.and_then(kind) != Some(Kind::Config) {
        let message = format!("{target} is an artifact, and no container image: it has no file system");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let config = source.config(image).await?;
    check_counts(image, &config)?;
    let layers = layers(image, &config, options.trust_magic)?;
    Ok((image.descriptor().clone(), config, layers))
}

fn layers(image: &Manifest, config: &ImageConfig, trust_magic: bool) -> Result<Vec<Layer>, Error> {
    let listed = image.layers().iter().zip(config.diff_ids()?).enumerate();
    let layers = listed.map(|(position, (descriptor, diff_id))| {
        let number = position + 1;
        let Some(Kind::Layer(compression) | Kind::Foreign(compression)) = kind(descriptor.media_type())
        else {
            let message = format!(
                "layer {number} of {} has the type {}, which is no layer of a file system",
                image.digest(),
                descriptor.media_type()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let codec = match compression {
            Compression::None => Codec::Plain,
            Compression::Gzip => Codec::Gzip,
            Compression::Zstd => Codec::Zstd,
        };
        Ok(Layer {
            descriptor: descriptor.clone(),
            codec: (!trust_magic).then_some(codec),
            diff_id,
            number,
            image: image.digest().clone(),
        })
    });
    layers.collect()
}

/// A layer whose bytes are told of as they arrive.
fn reported(
    layer: Blob,
    descriptor: Descriptor,
    progress: Arc<dyn Progress>,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin {
    layer.inspect_ok(move |chunk| {
        progress.event(Event::Advanced {
            descriptor: &descriptor,
            bytes: chunk.len() as u64,
        });
    })
}

/// Tells of a layer that was unpacked.
fn finished(progress: &dyn Progress, descriptor: &Descriptor) {
    progress.event(Event::Finished {
        descriptor,
        outcome: Outcome::Copied,
    });
}
