//! Content in objects that another registry has written: there is no listing of theirs, so that each is asked for.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wharf_content::Error;

use super::{
    Check, FsckFinding,
    named::{Owner, OwnerKey},
};
use crate::content::pieces::Location;

/// The most requests at a time.
const AT_ONCE: usize = 8;

impl Check<'_> {
    /// Compares the external objects of contents with what is there.
    pub(super) async fn external(&mut self, owners: &[Owner]) -> Result<(), Error> {
        let objects = self.backend.objects();
        let asked = owners
            .iter()
            .filter_map(|owner| Some((owner, owner.pieces.external.as_ref()?)));
        let requests = asked.map(|(owner, key)| async move {
            let found = objects.size(&Location::External(key.clone())).await?;
            Ok::<_, Error>((owner, key, found))
        });
        let requests: Vec<_> = requests.collect();
        let found: Vec<_> = stream::iter(requests).buffered(AT_ONCE).try_collect().await?;
        for (owner, key, found) in found {
            self.report.external += 1;
            let size = owner.pieces.size();
            if found == Some(size) || !self.has(owner, key).await? {
                continue;
            }
            self.tell(FsckFinding::DamagedObject {
                owner: owner.name.clone(),
                object: key.clone(),
                size,
                found,
            });
            if let OwnerKey::Content(id) = owner.key
                && self.options.repair
            {
                self.backend.quarantine_content(id).await?;
            }
        }
        Ok(())
    }
}
