//! Objects below the registry's prefix that are none of its own.

use futures_util::TryStreamExt as _;
use wharf_content::Error;

use super::{Check, FsckFinding};

impl Check<'_> {
    /// Tells of objects beside those that [`Check::objects`] lists.
    pub(super) async fn foreign(&mut self) -> Result<(), Error> {
        let objects = self.backend.objects().clone();
        let mut foreign = objects.list_foreign();
        while let Some((path, size)) = foreign.try_next().await? {
            self.tell(FsckFinding::Foreign { path, size });
        }
        Ok(())
    }
}
