use wharf_content::{Descriptor, Error, ErrorKind, MAX_DEPTH, Manifest, Platform, Source, Visits};

use crate::{ends::read_from, levels::too_deep};

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
/// [`ErrorKind::NotFound`] if there is no image for the platform, [`ErrorKind::Unsupported`] if the index
/// lists no image at all, [`ErrorKind::TooLarge`] beyond [`MAX_DEPTH`] or the limits of [`Visits`], and the
/// errors of the source.
pub async fn select(source: &dyn Source, top: Manifest, selection: &Selection) -> Result<Manifest, Error> {
    if !top.is_index() {
        return Ok(top);
    }
    let host = Platform::host();
    let platform = match selection {
        Selection::Platform(platform) => platform,
        Selection::Platforms(platforms) => platforms.first().unwrap_or(&host),
        Selection::All => &host,
    };
    read_from(source, &choose(source, &top, platform).await?).await
}

/// The entry for this platform, in an index or in the indexes nested in it, which are searched level by
/// level.
///
/// | entry | chosen |
/// |---|---|
/// | states a platform that fits | on the outermost level that has one, the best of that level |
/// | states no platform | if no entry of any level states one that fits |
/// | is a nested index that the source lacks, or beyond [`MAX_DEPTH`] | never; its error is returned if there is no other image |
pub(crate) async fn choose(
    source: &dyn Source,
    top: &Manifest,
    wanted: &Platform,
) -> Result<Descriptor, Error> {
    let mut visits = Visits::new();
    visits.add(top.descriptor())?;
    let (mut all, mut unread) = (Vec::new(), None);
    let mut entries = top.manifests().to_vec();
    for depth in 1.. {
        if let Some(chosen) = wanted.choose(&entries)
            && chosen.platform().is_some()
            && !is_other(chosen)
        {
            return Ok(chosen.clone());
        }
        let (indexes, images): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.media_type().is_index());
        all.extend(images);
        entries = Vec::new();
        for index in indexes {
            if !visits.add(&index)? {
                continue;
            }
            if depth + 1 >= MAX_DEPTH {
                unread = unread.or_else(|| Some(too_deep())); // its images would be one level below
                continue;
            }
            match read_from(source, &index).await {
                Ok(index) => entries.extend_from_slice(index.manifests()),
                Err(error) if error.kind() == ErrorKind::NotFound => unread = unread.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if entries.is_empty() {
            break;
        }
    }
    match (wanted.choose(&all), unread) {
        (Some(chosen), _) if !is_other(chosen) => Ok(chosen.clone()),
        (_, Some(error)) => Err(error),
        (Some(_), None) if all.iter().all(is_other) => Err(no_image(top)),
        _ => Err(no_such_platform(top, &all, wanted)),
    }
}

fn is_other(entry: &Descriptor) -> bool {
    !entry.media_type().is_manifest()
}

/// The error for an index that lists no image, such as the index of a build cache. It names the media types
/// that the index lists, three at most.
fn no_image(index: &Manifest) -> Error {
    const SHOWN: usize = 3;
    let mut types: Vec<&str> = Vec::new();
    for entry in index.manifests() {
        let media_type = entry.media_type().as_str();
        if types.len() < SHOWN && !types.contains(&media_type) {
            types.push(media_type);
        }
    }
    let is_cache = |media_type: &&str| media_type.starts_with("application/vnd.buildkit.cacheconfig.");
    let all = index.manifests().iter().map(|entry| entry.media_type().as_str());
    let what = if all.into_iter().any(|media_type| is_cache(&media_type)) {
        "it is a build cache of BuildKit, which is no image; build again with an image as output"
    } else {
        "it can only be copied as the index it is, with all that it lists"
    };
    let message = format!(
        "the index {} lists no image but {}: {what}",
        index.digest(),
        types.join(", ")
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// The error for an index that has no image for a platform. It lists the platforms of `entries`, twenty at
/// most.
pub(crate) fn no_such_platform(index: &Manifest, entries: &[Descriptor], wanted: &Platform) -> Error {
    let offered: Vec<String> = entries
        .iter()
        .filter_map(Descriptor::platform)
        .take(20)
        .map(shown)
        .collect();
    let message = format!(
        "the index {} has no image for {}; it has {}",
        index.digest(),
        shown(wanted),
        if offered.is_empty() {
            "none that names a platform".to_owned()
        } else {
            offered.join(", ")
        }
    );
    Error::new(ErrorKind::NotFound, message)
}

/// A platform as a document states it, bounded and without control characters.
pub(crate) fn shown(platform: &Platform) -> String {
    platform
        .to_string()
        .chars()
        .take(60)
        .flat_map(char::escape_default)
        .collect()
}
