//! Collection of an exclusive layout: its program decides, but nothing is removed that index.json or a
//! running operation needs.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use wharf_content::Error;
use wharf_reference::Digest;

use super::{Collect, Collected, Marker, leftovers};
use crate::{
    disk::{Disk, Entry, VerifiedStamp, live_pins},
    index::Index,
    sync::LockExt as _,
};

/// The content that index.json needs, cached until the file changes.
#[derive(Debug, Default)]
pub(crate) struct Named(Mutex<(Option<Arc<Index>>, HashSet<Digest>)>);

impl Named {
    fn contains(&self, disk: &Disk, digest: &Digest) -> Result<bool, Error> {
        let now = disk.index()?;
        let mut named = self.0.locked();
        let (index, live) = &mut *named;
        if !index.as_ref().is_some_and(|index| Arc::ptr_eq(index, &now)) {
            let mut marker = Marker::new(disk);
            marker.roots(&now, |_| true)?;
            (*index, *live) = (Some(now), marker.into_live());
        }
        Ok(live.contains(digest))
    }
}

/// All blobs that only the program of the exclusive layout may need. Listing them stops when `wanted`
/// returns false.
pub(crate) fn removable(disk: &Disk, wanted: &dyn Fn() -> bool) -> Result<Vec<Digest>, Error> {
    let options = Collect::default();
    let found = disk
        .list_blobs_while(wanted)?
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Blob(digest, stamp) => Some((digest, stamp)),
            Entry::Foreign(_) => None,
        });
    let found = found.collect();
    let mut marker = Marker::new(disk);
    let removal = disk.removal_lock(true)?;
    let pins = live_pins(disk, true)?;
    drop(removal);
    let index = disk.index()?;
    marker.pins(&pins)?;
    marker.roots(&index, |_| true)?;
    if !marker.is_empty() {
        marker.referrers(&found)?;
    }
    let removable = found.into_iter().filter(|(digest, stamp)| {
        !marker.is_live(digest) && options.is_old_enough(VerifiedStamp::of(digest, stamp).is_some(), stamp)
    });
    Ok(removable.map(|(digest, _)| digest).collect())
}

/// Removes a blob and returns true, unless index.json or a running operation needs it.
pub(crate) fn remove(disk: &Disk, named: &Named, digest: &Digest) -> Result<bool, Error> {
    let removal = disk.removal_lock(true)?;
    // Leases are read first: an operation that names an image ends its lease after index.json has the name.
    let pins = live_pins(disk, true)?;
    if is_pinned(disk, &pins, digest)? || named.contains(disk, digest)? {
        return Ok(false);
    }
    disk.remove_blob(digest)?;
    drop(removal);
    Ok(true)
}

fn is_pinned(disk: &Disk, pins: &HashSet<Digest>, digest: &Digest) -> Result<bool, Error> {
    let mut marker = Marker::new(disk);
    marker.pins(pins)?;
    Ok(marker.is_live(digest))
}

/// Removes leftovers of interrupted operations that are too old to be continued.
pub(crate) fn tidy(disk: &Disk) -> Result<(), Error> {
    leftovers::remove(disk, &Collect::default(), &mut Collected::default())
}
