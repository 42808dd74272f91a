use crate::ImageLocation;

use super::{Action, SyncedImage};

/// An event of a plan or its run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The images of the set are known and will be compared with the destination.
    Listed {
        /// The number of images.
        count: usize,
    },
    /// An image was compared with the destination.
    Planned {
        /// The image of the set.
        from: &'a ImageLocation,
        /// Its location at the destination.
        to: &'a ImageLocation,
        /// The work that remains.
        action: &'a Action,
    },
    /// The copy of an image begins.
    Started {
        /// The image of the set.
        from: &'a ImageLocation,
        /// Its location at the destination.
        to: &'a ImageLocation,
    },
    /// The copy of an image reports an event.
    Copying {
        /// The location of the image at the destination.
        to: &'a ImageLocation,
        /// The event.
        event: wharf_content::Event<'a>,
    },
    /// An image is copied, or failed.
    Finished {
        /// The result.
        image: &'a SyncedImage,
    },
}
