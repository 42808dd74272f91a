use wharf_content::{Error, Manifest, Platform, Source, SourceExt as _, choose_image};

/// The images of a multi-platform index that are copied. An image that is not in an index is always copied
/// whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The one image that fits this platform best ([`Platform::choose`]), in the index or in the indexes
    /// nested in it. Only the image is copied, and the name in the sink means the image.
    Platform(Platform),
    /// The index unchanged, and of its images those that fit one of these platforms (a sparse index).
    /// Indexes nested in it are copied likewise. The copy fails if there is no image for one of the
    /// platforms.
    Platforms(Vec<Platform>),
    /// The index and all its images.
    All,
    /// The index alone, unchanged and without any of its images. Most registries refuse such an index unless they have
    /// the images. If a gate has to judge the images, the copy fails.
    IndexOnly,
}

/// The one image for this platform.
impl From<Platform> for Selection {
    fn from(platform: Platform) -> Self {
        Self::Platform(platform)
    }
}

impl From<&Self> for Selection {
    fn from(selection: &Self) -> Self {
        selection.clone()
    }
}

impl Default for Selection {
    /// The host's platform.
    fn default() -> Self {
        Self::Platform(Platform::host())
    }
}

/// The image that a selection means at a source: `top` itself if it is an image, otherwise the image of the
/// index `top` for the platform, for the first platform of [`Selection::Platforms`] or for the host's
/// platform. Reads indexes that are nested in `top` only if `top` lists no image for that platform.
///
/// ```
/// use wharf_content::{ImageBuilder, ImageConfig, IndexBuilder, Manifest, Platform, Source};
/// use wharf_copy::{Selection, select};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let arm = Platform::new("linux", "arm64");
/// # let config = ImageConfig::builder(arm.clone()).build()?;
/// # let image = ImageBuilder::new().with_config(config).build()?;
/// # let source = IndexBuilder::new().with_image(&image).build()?;
/// let top: Manifest = source.root().clone();
/// let selection = Selection::Platform(Platform::new("linux", "arm64"));
/// let image = select(&source, top, &selection).await?;
/// assert!(!image.is_index());
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of [`choose_image`].
pub async fn select(source: &dyn Source, top: Manifest, selection: &Selection) -> Result<Manifest, Error> {
    if !top.is_index() {
        return Ok(top);
    }
    let host = Platform::host();
    let platform = match selection {
        Selection::Platform(platform) => platform,
        Selection::Platforms(platforms) => platforms.first().unwrap_or(&host),
        Selection::All | Selection::IndexOnly => &host,
    };
    source
        .manifest_of(&choose_image(source, &top, platform).await?)
        .await
}
