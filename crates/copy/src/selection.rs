use wharf_content::{Descriptor, Error, ErrorKind, Manifest, Platform, Source};

use crate::ends::read_from;

/// Which images of a multi-platform index are copied. An image that is not in an index is always copied whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The one image that fits this platform best; the index itself is left behind, and the name means the
    /// image.
    Platform(Platform),
    /// The index as it is, byte for byte, and of its images those that fit one of these platforms (a sparse
    /// index). Each platform must be there.
    Platforms(Vec<Platform>),
    /// The index and all its images.
    All,
}

impl Default for Selection {
    /// The host's platform.
    fn default() -> Self {
        Self::Platform(Platform::host())
    }
}

/// The image of an index that a selection means: the manifest itself if it is an image, and the first
/// platform's where a selection has several.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if the index has no image for the platform, and the failures of the source.
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
    read_from(source, choose(&top, platform)?).await
}

/// The entry of an index for this platform.
pub(crate) fn choose<'a>(index: &'a Manifest, wanted: &Platform) -> Result<&'a Descriptor, Error> {
    match wanted.choose(index.manifests()) {
        Some(chosen) if chosen.media_type().is_manifest() => Ok(chosen),
        Some(_) if index.manifests().iter().all(is_other) => Err(no_image(index)),
        _ => Err(no_such_platform(index, wanted)),
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

/// What an index offers instead of the platform that was asked for.
pub(crate) fn no_such_platform(index: &Manifest, wanted: &Platform) -> Error {
    let offered: Vec<String> = index
        .manifests()
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
