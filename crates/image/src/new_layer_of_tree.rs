//! Layers of what is in a directory.

use std::path::{Path, PathBuf};

use wharf_content::{Error, ErrorKind};
use wharf_layer::{DiffOptions, Root, Snapshot, diff, tar::Limits};

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
        Self::from_tar_writer(move |out| {
            let diffed = diff(&before, &Root::open(&directory)?, &options, out)?;
            check(&directory, diffed.members)
        })
    }
}

/// Refuses a layer with more members than readers take by default.
fn check(directory: &Path, members: u64) -> Result<(), Error> {
    let most = Limits::default().members;
    if members <= most {
        return Ok(());
    }
    let message = format!(
        "{} gives a layer with {members} members; {most} are the most that are read by default",
        directory.display()
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_readers_refuse_for_its_members_is_not_made() {
        check(Path::new("site"), 1_000_000).unwrap();
        let error = check(Path::new("site"), 1_000_001).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
}
