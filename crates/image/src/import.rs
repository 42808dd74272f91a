use std::sync::Arc;

use wharf_content::{Error, History, ImageBuilder, ImageConfigBuilder, Sink};

use crate::{NewLayer, Options, Prepared, Recipe, prepare};

/// Makes an image of one layer and a config, as `podman import` does.
///
/// The layer is as [`Recipe::append`] takes it: standard input, for example, goes to the sink as it is read. The config has
/// no layers and no history; it gets an entry `import` with the message as its comment. Nothing is taken from the
/// clock: a time is set in the config and in the options.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageConfig, Platform};
/// use wharf_image::{NewLayer, Options, import};
/// use wharf_store::Memory;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let tar = vec![0; 1024];
/// let config = ImageConfig::builder(Platform::host()).with_cmd(["/bin/sh"]);
/// let (layer, options) = (NewLayer::from_bytes(tar), Options::default());
/// let image = import(layer, config, Some("from a backup"), Arc::new(Memory::new()), &options).await?;
/// assert_eq!(image.root().layers().len(), 1); // the image is a source, to be copied to the sink
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Deviation
///
/// Podman names the digest of the file in `created_by`; a stream's is known last, and the layer has it.
///
/// # Errors
///
/// Those of [`ImageConfigBuilder::build`] and of [`prepare`].
pub async fn import(
    layer: NewLayer,
    config: ImageConfigBuilder,
    message: Option<&str>,
    sink: Arc<dyn Sink>,
    options: &Options,
) -> Result<Prepared, Error> {
    let image = ImageBuilder::new().with_config(config.build()?).build()?;
    let target = image.digest().into();
    let mut history = History::default().with_created_by("import");
    if let Some(message) = message {
        history = history.with_comment(message);
    }
    let recipe = Recipe::new().append(layer, history);
    prepare(Arc::new(image), sink, &target, &recipe, options).await
}
