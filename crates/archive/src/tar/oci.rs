//! The documents of an OCI image layout (image-spec, *Image Layout*).

use bytes::Bytes;
use serde::Deserialize;
use wharf_content::{Error, ErrorKind, Manifest, MediaType};

use super::image::ArchivedImage;
use crate::error::error;

/// The file that makes a directory or an archive an image layout.
pub(crate) const LAYOUT: &str = "oci-layout";

/// The file that lists the images.
pub(crate) const INDEX: &str = "index.json";

/// The most bytes of `oci-layout`.
pub(crate) const MAX_LAYOUT_SIZE: u64 = 64 * 1024;

/// The text of `oci-layout`.
pub(crate) const LAYOUT_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// Checks `oci-layout`.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] if it states no version, [`ErrorKind::Unsupported`] for a version other than 1.
pub(crate) fn check_layout(text: &[u8]) -> Result<(), Error> {
    let layout: Layout = serde_json::from_slice(text).map_err(|_| {
        error(
            ErrorKind::Invalid,
            format_args!("{LAYOUT} states no version of the image layout"),
        )
    })?;
    if layout.image_layout_version.split('.').next() == Some("1") {
        return Ok(());
    }
    let version: String = layout.image_layout_version.chars().take(20).collect();
    Err(error(
        ErrorKind::Unsupported,
        format_args!("its image layout has the version {version:?}; 1.0.0 is known"),
    ))
}

/// Reads the entries of `index.json` that are manifests or indexes.
///
/// # Errors
///
/// As [`Manifest::parse`].
pub(crate) fn images(text: Bytes) -> Result<Vec<ArchivedImage>, Error> {
    let index = Manifest::parse(text, Some(&MediaType::OCI_INDEX))
        .map_err(|cause| error(cause.kind(), format_args!("{INDEX} cannot be used: {cause}")))?;
    let entries = index.manifests().iter().enumerate();
    let manifests = entries.filter(|(_, entry)| entry.media_type().is_manifest());
    Ok(manifests
        .map(|(position, entry)| ArchivedImage::listed(position, entry.clone()))
        .collect())
}
