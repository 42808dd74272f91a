/// The limits of a [`Reader`](crate::tar::Reader). The defaults suit layers of strangers.
///
/// An error because of a limit is [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and names the field.
///
/// ```
/// use wharf_layer::tar::{Limits, Reader};
/// let archive = Reader::new(Limits::default().with_members(100_000));
/// # let _ = archive;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Members of one archive, global headers included. A reader remembers 8 bytes of each, to report
    /// duplicates. Default 1,000,000.
    pub members: u64,
    /// Bytes of one extension header (PAX, GNU long name or long link). Default 1 MiB.
    pub extension: u64,
    /// Extension headers in a row, before one member. Default 3.
    pub extensions: u32,
    /// Bytes of a name, without the `.wh.` of a whiteout, and of a link's target. Default 4,096, Linux's `PATH_MAX`.
    pub path: usize,
    /// Bytes of one component of a name, without the `.wh.` of a whiteout. Default 255, Linux's `NAME_MAX`.
    pub component: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 1_000_000,
            extension: 1 << 20,
            extensions: 3,
            path: 4096,
            component: 255,
        }
    }
}

impl Limits {
    /// Sets [`Limits::members`].
    #[must_use]
    pub fn with_members(mut self, members: u64) -> Self {
        self.members = members;
        self
    }

    /// Sets [`Limits::extension`].
    #[must_use]
    pub fn with_extension(mut self, bytes: u64) -> Self {
        self.extension = bytes;
        self
    }

    /// Sets [`Limits::extensions`].
    #[must_use]
    pub fn with_extensions(mut self, headers: u32) -> Self {
        self.extensions = headers;
        self
    }

    /// Sets [`Limits::path`].
    #[must_use]
    pub fn with_path(mut self, bytes: usize) -> Self {
        self.path = bytes;
        self
    }

    /// Sets [`Limits::component`].
    #[must_use]
    pub fn with_component(mut self, bytes: usize) -> Self {
        self.component = bytes;
        self
    }
}
