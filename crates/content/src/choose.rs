use crate::{Descriptor, Error, ErrorKind, MAX_DEPTH, Manifest, Platform, Source, SourceExt as _, Visits};

/// Chooses the entry for this platform, in an index or in the indexes nested in it, which are searched level
/// by level. Nested indexes are read from the source only if the index itself lists no image for the
/// platform.
///
/// | entry | chosen |
/// |---|---|
/// | states a platform that fits | on the outermost level that has one, the best of that level |
/// | states no platform | if no entry of any level states one that fits |
/// | is a nested index that the source lacks, or beyond [`MAX_DEPTH`] | never; its error is returned if there is no other image |
///
/// ```
/// use wharf_content::{ImageBuilder, IndexBuilder, Platform, choose_image};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let arm = Platform::new("linux", "arm64");
/// let image = ImageBuilder::for_platform(arm.clone()).build()?;
/// let index = IndexBuilder::new().with_image(&image).build()?;
/// let chosen = choose_image(&index, index.root(), &arm).await?;
/// assert_eq!(chosen.digest(), image.digest());
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
pub async fn choose_image(
    source: &dyn Source,
    index: &Manifest,
    wanted: &Platform,
) -> Result<Descriptor, Error> {
    let mut visits = Visits::new();
    visits.add(index.descriptor())?;
    let (mut all, mut unread) = (Vec::new(), None);
    let mut entries = index.manifests().to_vec();
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
        for nested in indexes {
            if !visits.add(&nested)? {
                continue;
            }
            if depth + 1 >= MAX_DEPTH {
                unread = unread.or_else(|| Some(Visits::too_deep())); // its images would be one level below
                continue;
            }
            match source.manifest_of(&nested).await {
                Ok(nested) => entries.extend_from_slice(nested.manifests()),
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
        (Some(_), None) if all.iter().all(is_other) => Err(no_image(index)),
        _ => Err(wanted.not_in(index, &all)),
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
