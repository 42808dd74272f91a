//! Layers of what is in a directory.

use std::path::PathBuf;

use wharf_layer::{DiffOptions, Root, Snapshot, diff};

use crate::NewLayer;

impl NewLayer {
    /// A layer of all that is in a directory, which must not change until the image is copied. Equal trees give equal
    /// layers. The options say whose files they are and the latest time that one has, by default those of the directory.
    ///
    /// ```
    /// use wharf_image::NewLayer;
    /// use wharf_layer::{DiffOptions, Ownership};
    ///
    /// // Whoever owns the files here, they belong to root in the image.
    /// let layer = NewLayer::from_directory("site", DiffOptions::default().with_ownership(Ownership::Current));
    /// # let _ = layer;
    /// ```
    ///
    /// The directory is read on a blocking thread. Its errors, those of [`diff`], are those of the preparation and of the
    /// copy.
    pub fn from_directory(directory: impl Into<PathBuf>, options: DiffOptions) -> Self {
        Self::from_changes(Snapshot::empty(), directory, options)
    }

    /// A layer of the changes of a directory since a snapshot: of an image that was unpacked, what a container has made
    /// of it, as `podman commit` and `umoci repack` add it. Otherwise as [`NewLayer::from_directory`].
    ///
    /// ```no_run
    /// use wharf_content::{Error, History};
    /// use wharf_image::{NewLayer, Recipe};
    /// use wharf_layer::{DiffOptions, Root, Snapshot};
    ///
    /// # fn example() -> Result<(), Error> {
    /// let before = Snapshot::of(&Root::open("rootfs")?)?; // after the base was unpacked there
    /// // ... programs change it ...
    /// let layer = NewLayer::from_changes(before, "rootfs", DiffOptions::default());
    /// let recipe = Recipe::new().append(layer, History::default().with_created_by("commit")); // for the base
    /// # let _ = recipe;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_changes(before: Snapshot, directory: impl Into<PathBuf>, options: DiffOptions) -> Self {
        let directory = directory.into();
        Self::from_tar_writer(move |out| diff(&before, &Root::open(&directory)?, &options, out).map(drop))
    }
}
