//! Directories of artifacts, where layers cannot be unpacked.

use std::path::Path;

use wharf_content::{Descriptor, Error, ErrorKind};

/// Refuses to unpack.
pub(in crate::artifact) fn unpack(
    _: &std::fs::File,
    content: &Descriptor,
    _: &Path,
    _: &[String],
    _: &str,
) -> Result<(), Error> {
    let message = format!(
        "{}: directories of artifacts are unpacked on Linux only",
        content.digest()
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}
