use std::sync::Arc;

use tokio::{runtime::Handle, task::spawn_blocking};
use wharf_content::{Error, ErrorKind, Role, Source, SourceExt as _, Target};
use wharf_layer::Merged;

use crate::{
    Options,
    compose::check_container,
    layers::{Stack, Tar},
    validate::check_counts,
};

/// The root file system that the layers of an image make, without a file system: its names, metadata, and the digests of
/// its files. Of two of them, [`Merged::differences_from`] lists where they differ.
///
/// Each layer is read once and verified; memory grows with the number of files. `layers` is the number of the layers, from the
/// lowest; without it, all count. It needs a tokio runtime.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, Platform};
/// use wharf_image::{Options, merge};
/// use wharf_layer::tar::of_files;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let image = ImageBuilder::for_platform(Platform::host())
///     .with_tar(of_files([("etc/motd", "hello")])?)
///     .with_tar(of_files([("etc/issue", "wharf")])?)
///     .build()?;
/// let (target, image, options) = (image.digest().into(), Arc::new(image), Options::default());
/// let before = merge(image.clone(), &target, Some(1), &options).await?;
/// let after = merge(image, &target, None, &options).await?;
/// let added: Vec<_> = after.differences_from(&before).map(|difference| difference.name).collect();
/// assert_eq!(added, [b"etc/issue"]);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for an index, of which an image is chosen first ([`choose_image`](wharf_content::choose_image)),
/// and if the layers do not fit the config; [`ErrorKind::NotFound`] if the image has fewer layers; [`ErrorKind::Unsupported`]
/// for what is no container image; those of the gate, of [`Merged::add`] and of the source.
pub async fn merge(
    source: Arc<dyn Source>,
    target: &Target,
    layers: Option<usize>,
    options: &Options,
) -> Result<Merged, Error> {
    let stack = stack(source, target, layers, options).await?;
    let merged = spawn_blocking(move || stack.merge(&Handle::current())).await;
    merged.map_err(|error| Error::wrap(ErrorKind::Other, error))?
}

/// The layers of an image, or the lowest of them.
pub(crate) async fn stack(
    source: Arc<dyn Source>,
    target: &Target,
    layers: Option<usize>,
    options: &Options,
) -> Result<Stack, Error> {
    let image = source.checked_manifest(target).await?;
    options.admit(&image, &Role::Target).await?;
    if image.is_index() {
        let message = format!("{} is an index; choose an image of it", image.digest());
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    check_container(&image)?;
    options.check_size(&image)?;
    let config = source.config(&image).await?;
    check_counts(&image, &config)?;
    let all = image.layers().len();
    let count = layers.unwrap_or(all);
    if count > all {
        let message = format!("{} has {all} layers, and not {count}", image.digest());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let tars = image.layers().iter().zip(config.diff_ids()?);
    let tars = tars.map(|(layer, diff_id)| Tar::Stored {
        source: Arc::clone(&source),
        layer: Box::new(layer.clone()),
        diff_id,
    });
    Ok(Stack::new(tars.take(count).collect(), 0, options))
}
