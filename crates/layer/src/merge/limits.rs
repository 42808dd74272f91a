/// The limits of a [`Merged`](crate::Merged). The defaults suit layers of strangers.
///
/// An error because of a limit is [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and names the field. What is in
/// files takes no memory and is not bounded here.
///
/// ```
/// use wharf_layer::{MergeLimits, Merged};
/// let merged = Merged::new().with_limits(MergeLimits::default().with_names(100_000));
/// # let _ = merged;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeLimits {
    /// Names in the tree, also while layers are added. Each takes some 250 bytes of memory. Default 2,000,000.
    pub names: u64,
    /// Bytes of names, of targets of symbolic links and of extended attributes in the tree. Default 256 MiB.
    pub bytes: u64,
}

impl Default for MergeLimits {
    fn default() -> Self {
        Self {
            names: 2_000_000,
            bytes: 256 << 20,
        }
    }
}

impl MergeLimits {
    /// Sets [`MergeLimits::names`].
    #[must_use]
    pub fn with_names(mut self, names: u64) -> Self {
        self.names = names;
        self
    }

    /// Sets [`MergeLimits::bytes`].
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }
}
