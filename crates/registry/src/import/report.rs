use std::fmt;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Repositories that were read.
    pub repositories: u64,
    /// Manifests that were copied.
    pub manifests: u64,
    /// Blobs that came into a repository: copied, shared with another repository, or left in place.
    pub blobs: u64,
    /// Blobs of these that stay where the source has them.
    pub in_place: u64,
    /// Bytes of manifests and blobs that were copied.
    pub bytes: u64,
    /// Tags that were set or moved.
    pub tags: u64,
    /// Manifests and tags that were there already.
    pub unchanged: u64,
    /// Items that were skipped.
    pub skipped: u64,
}

/// An item that an import skipped. Its text may come from foreign file names and documents: `Display` escapes
/// control characters and bounds its length.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedItem {
    /// The repository, or what stands in the place of one.
    pub repository: String,
    /// The digest of the manifest or the name of the tag; empty for a whole repository.
    pub item: String,
    /// The reason.
    pub reason: String,
}

/// The most characters of a text of a source that are shown.
const MAX_SHOWN: usize = 300;

impl fmt::Display for SkippedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| {
            let mut shown = String::new();
            for character in text.chars().take(MAX_SHOWN) {
                if character.is_control() {
                    shown.extend(character.escape_default());
                } else {
                    shown.push(character);
                }
            }
            shown
        };
        let separator = if self.item.contains(':') { "@" } else { ":" };
        let separator = if self.item.is_empty() { "" } else { separator };
        let (repository, item) = (shown(&self.repository), shown(&self.item));
        write!(f, "{repository}{separator}{item}: {}", shown(&self.reason))
    }
}
