use super::{access::Access, scan::Scan, tree::Tree};
use crate::{Error, Root};

/// The state of a tree, to be compared with a later one by [`diff`](crate::diff()).
///
/// It has the names, attributes and digests of contents of all files, in some 220 bytes of memory for each name.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// `None`: nothing, not even a root.
    pub(super) tree: Option<Tree>,
}

impl Snapshot {
    /// The state that a tree has now. Nothing may write to it meanwhile.
    ///
    /// All files are read, as their digests tell later what changed where times do not: those of a copy of the tree, or
    /// of a file that was replaced by an equal one. A file that has the same inode, size and times, also that of the
    /// last change of its attributes, is not read again by [`diff`](crate::diff()).
    ///
    /// # Errors
    ///
    /// Each names the file. Those of reading in [`diff`](crate::diff()).
    pub fn of(root: &Root) -> Result<Self, Error> {
        let tree = Some(Scan::new(root, &mut Access::new(root)?, true)?.tree()?);
        Ok(Self { tree })
    }

    /// Nothing: the difference of a tree to it is the whole tree as one layer, but for the attributes of the root
    /// itself, as a directory that is packed into an image says nothing about the image's root.
    #[must_use]
    pub const fn empty() -> Self {
        Self { tree: None }
    }
}
