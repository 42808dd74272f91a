use std::{io::Write, sync::Arc};

use tokio::{runtime::Handle, task::spawn_blocking};
use wharf_content::{Error, ErrorKind, Source, Target};

use crate::{Options, merge::stack};

/// Writes the root file system of an image as one tar, without whiteouts. Returns its length in bytes.
///
/// The layers are merged without a file system ([`wharf_layer::Merged`]), and equal layers give equal bytes. Each layer is
/// read twice, and verified each time; memory grows with the number of files. What is written before an error is not
/// to be used. It needs a tokio runtime, on whose blocking threads the writer is called.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, Platform};
/// use wharf_image::{Options, export};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let tar = vec![0; 1024];
/// let image = ImageBuilder::for_platform(Platform::host()).with_tar(tar).build()?;
/// let target = image.digest().into();
/// let length = export(Arc::new(image), &target, std::io::sink(), &Options::default()).await?;
/// assert_eq!(length, 1024);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for an index, of which an image is chosen first ([`choose_image`](wharf_content::choose_image)),
/// and if the layers do not fit the config; [`ErrorKind::Unsupported`] for what is no container image; those of the gate,
/// of [`Merged::add`](wharf_layer::Merged::add) and [`Merged::write`](wharf_layer::Merged::write), of the source and of the
/// writer.
pub async fn export(
    source: Arc<dyn Source>,
    target: &Target,
    writer: impl Write + Send + 'static,
    options: &Options,
) -> Result<u64, Error> {
    let stack = stack(source, target, None, options).await?;
    let written = spawn_blocking(move || stack.write(&Handle::current(), writer)).await;
    written.map_err(|error| Error::wrap(ErrorKind::Other, error))?
}
