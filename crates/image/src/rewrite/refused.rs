//! Conversions that are refused.

use wharf_content::{Error, ErrorKind, Manifest, MediaType};

use crate::Format;

pub(super) fn no_counterpart(image: &Manifest, what: &str, media_type: &MediaType, format: Format) -> Error {
    let format = match format {
        Format::Oci => "OCI's",
        Format::Docker => "Docker's",
    };
    let message = format!(
        "{} cannot be converted to {format} format: {what} is of type {media_type}, which has no counterpart there",
        image.digest()
    );
    Error::new(ErrorKind::Unsupported, message)
}

pub(crate) fn docker_zstd(image: &Manifest, number: usize) -> Error {
    let message = format!(
        "layer {number} of {} is compressed with zstd, which not all readers of Docker's format understand; \
         compress it again with gzip, or allow zstd in Docker's format",
        image.digest()
    );
    Error::new(ErrorKind::Unsupported, message)
}
