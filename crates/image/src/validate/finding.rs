use std::fmt;

use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

/// Something that is wrong with an image, or that some tools do not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of check that found it.
    pub check: Check,
    /// The manifest or index that it is about, or that lists the blob that it is about.
    pub manifest: Digest,
    /// The number of the layer, counted from one, lowest first.
    pub layer: Option<usize>,
    /// The finding in words: at most some hundred characters, control characters escaped.
    pub message: String,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Specifications allow it, and some tools refuse it or read it in their own way.
    Warning,
    /// The image is not what a specification says, and must not be used.
    Error,
}

/// A kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// Content that is listed is there.
    Present,
    /// Content has the digest and size by which it is listed.
    Digest,
    /// A manifest or config can be read, in one way only.
    Document,
    /// Manifests, layers and an image stay within limits.
    Limit,
    /// The platform that an index states is that of the config.
    Platform,
    /// The config has `rootfs` of the type `layers`.
    RootFs,
    /// There are as many layers as the config lists, and as its history has.
    Counts,
    /// The tar of a layer has the digest that the config lists.
    DiffId,
    /// A layer is compressed as its type says, and whole.
    Compression,
    /// The tar of a layer follows the grammar and can be read in one way, and its names stay within the image.
    Tar,
    /// Whiteouts name a file.
    Whiteout,
    /// No name occurs twice in a layer.
    Duplicate,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        check: Check,
        manifest: &Digest,
        layer: Option<usize>,
        message: impl fmt::Display,
    ) -> Self {
        let message = message.to_string();
        let message = message.chars().take(400).flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_debug());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        });
        Self {
            severity,
            check,
            manifest: manifest.clone(),
            layer,
            message: message.collect(),
        }
    }

    pub(super) fn error(
        check: Check,
        manifest: &Digest,
        layer: Option<usize>,
        message: impl fmt::Display,
    ) -> Self {
        Self::new(Severity::Error, check, manifest, layer, message)
    }

    pub(super) fn warning(
        check: Check,
        manifest: &Digest,
        layer: Option<usize>,
        message: impl fmt::Display,
    ) -> Self {
        Self::new(Severity::Warning, check, manifest, layer, message)
    }

    /// The finding for content that could not be read, if the error is about the content; otherwise the error, which
    /// is about the source.
    pub(super) fn of(error: Error, manifest: &Digest, layer: Option<usize>) -> Result<Self, Error> {
        let check = match error.kind() {
            ErrorKind::NotFound => Check::Present,
            ErrorKind::Mismatch => Check::Digest,
            ErrorKind::Corrupt | ErrorKind::Ambiguous | ErrorKind::Invalid | ErrorKind::Unsupported => {
                Check::Document
            }
            ErrorKind::TooLarge => Check::Limit,
            _ => return Err(error),
        };
        Ok(Self::error(check, manifest, layer, error))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.manifest)?;
        if let Some(number) = self.layer {
            write!(f, ": layer {number}")?;
        }
        write!(f, ": {}", self.message)
    }
}
