//! Garbage collection: removes content that no name, no lease and no remaining image needs (threat S5 in
//! docs/threats.md).
//!
//! First all blobs are listed and all live ones marked: from index.json, from the leases of running
//! operations in all processes, and referrers from their subjects. Then the removal lock is taken for short
//! intervals; in each, names and leases are read again and blobs that are still not live are removed,
//! manifests before the content that they list. So an existing manifest never lacks content because of a
//! collector, even if that is killed.

mod exclusive;
mod leftovers;
mod marker;
mod options;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use wharf_content::{Error, ErrorKind};
use wharf_fs::Stamp;
use wharf_reference::Digest;

use crate::{
    Layout,
    disk::{Disk, Entry, VerifiedStamp, live_pins},
    index::{self, Index},
};
pub(crate) use exclusive::{Named, removable, remove, tidy};
use marker::Marker;
pub use options::{Collect, Collected, Prune};

/// The longest time for which the removal lock is held.
const CLOSED: Duration = Duration::from_millis(10);

impl Layout {
    /// Removes content that no image in index.json and no running operation needs.
    ///
    /// ```
    /// use wharf_store::{Collect, Layout};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let store = Layout::create(directory.path().join("images")).await?;
    /// let planned = store.collect(&Collect::default().with_dry_run(true)).await?;
    /// println!("{} bytes can be freed", planned.bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It can run at any time, beside any number of other processes, and can be stopped at any point.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if a live manifest is corrupt, because its content is not known then: call
    /// [`Layout::repair`] first. [`ErrorKind::Unsupported`] for a layout with shared blobs.
    /// [`ErrorKind::Conflict`] for an [`ExclusiveLayout`](crate::ExclusiveLayout), such as a registry's.
    pub async fn collect(&self, options: &Collect) -> Result<Collected, Error> {
        let options = options.clone();
        self.blocking(move |layout| collect(&layout.shared.disk, &options, |_| true))
            .await
    }

    /// Removes images, as `podman image prune` does: those without a name, or all; then the content that
    /// only they needed, as [`Layout::collect`] does.
    ///
    /// # Errors
    ///
    /// As [`Layout::collect`].
    pub async fn prune(&self, which: Prune, options: &Collect) -> Result<Collected, Error> {
        self.prune_where(which, None, options).await
    }

    /// As [`Layout::prune`], but of all images only these, by the digests of their manifests: those that a [`Filter`](crate::Filter)
    /// has left of a list. An image that has got a name meanwhile is not without a name, and stays.
    ///
    /// # Errors
    ///
    /// As [`Layout::collect`].
    pub async fn prune_only(
        &self,
        which: Prune,
        images: &[Digest],
        options: &Collect,
    ) -> Result<Collected, Error> {
        let only = images.iter().cloned().collect();
        self.prune_where(which, Some(only), options).await
    }

    async fn prune_where(
        &self,
        which: Prune,
        only: Option<HashSet<Digest>>,
        options: &Collect,
    ) -> Result<Collected, Error> {
        let options = options.clone();
        self.blocking(move |layout| {
            let disk = &layout.shared.disk;
            let is_spared = |entry: &index::Entry<'_>| {
                only.as_ref()
                    .is_some_and(|only| !only.contains(entry.descriptor().digest()))
            };
            let stays = |entry: &index::Entry<'_>| match which {
                Prune::Dangling => entry.has_name() || is_spared(entry),
                Prune::All => is_spared(entry),
            };
            if options.dry_run {
                return collect(disk, &options, stays);
            }
            refuse_foreign(disk)?;
            let images = disk.update_index(|index| {
                let changes = index.retain(stays);
                let removed = changes.removed();
                Ok((changes, removed))
            })?;
            let collected = collect(disk, &options, |_| true)?;
            Ok(Collected { images, ..collected })
        })
        .await
    }
}

/// Refuses a layout whose live content is not known from index.json and leases alone.
fn refuse_foreign(disk: &Disk) -> Result<(), Error> {
    if disk.options().shared_blobs.is_some() {
        let message = "a layout with shared blobs cannot be collected: its other users are not known";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if disk.is_exclusive()? {
        let message = format!(
            "{} cannot be collected: another program, such as a registry, uses it exclusively, and only that program \
             knows what is needed",
            disk.path().display()
        );
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(())
}

fn collect(
    disk: &Arc<Disk>,
    options: &Collect,
    stays: impl Fn(&index::Entry<'_>) -> bool,
) -> Result<Collected, Error> {
    let alone = disk.lock_collect()?;
    refuse_foreign(disk)?;
    let mut collected = Collected::default();
    let mut found = HashMap::new();
    for entry in disk.list_blobs()? {
        match entry {
            Entry::Blob(digest, stamp) => drop(found.insert(digest, stamp)),
            Entry::Foreign(path) => collected.foreign.push(path),
        }
    }
    let mut marker = Marker::new(disk);
    let removal = disk.removal_lock(true)?;
    let pins = live_pins(disk, !options.dry_run)?;
    drop(removal);
    let index = disk.index()?;
    collected.images = index.entries().filter(|entry| !stays(entry)).count();
    marker.pins(&pins)?;
    marker.roots(&index, &stays)?;
    let candidates = marker.garbage(&found)?;
    let candidates: Vec<(Digest, Stamp)> = candidates
        .into_iter()
        .filter(|(digest, stamp)| options.is_old_enough(VerifiedStamp::of(digest, stamp).is_some(), stamp))
        .collect();
    if options.dry_run {
        collected.blobs = candidates
            .into_iter()
            .map(|(digest, stamp)| (digest, stamp.size))
            .collect();
    } else {
        collected.images += forget_attachments(disk, &mut marker, &candidates)?;
        sweep(disk, &mut marker, index, candidates, &mut collected)?;
    }
    leftovers::remove(disk, options, &mut collected)?;
    collected.kept = found.len() - collected.blobs.len();
    drop(alone);
    Ok(collected)
}

/// Removes the names of attachments that are about to be removed, with the manifests that they were attached to. Returns
/// their number.
fn forget_attachments(
    disk: &Disk,
    marker: &mut Marker<'_>,
    candidates: &[(Digest, Stamp)],
) -> Result<usize, Error> {
    let candidates: HashSet<&Digest> = candidates.iter().map(|(digest, _)| digest).collect();
    let is_dead = |entry: &index::Entry<'_>, marker: &Marker<'_>| {
        let digest = entry.descriptor().digest();
        candidates.contains(digest) && entry.attached_to().is_some() && !marker.is_live(digest)
    };
    if !disk.index()?.entries().any(|entry| is_dead(&entry, marker)) {
        return Ok(0);
    }
    disk.update_index(|index| {
        marker.roots(index, |_| true)?;
        let changes = index.retain(|entry| !is_dead(entry, marker));
        let removed = changes.removed();
        Ok((changes, removed))
    })
}

fn sweep(
    disk: &Disk,
    marker: &mut Marker<'_>,
    mut index: Arc<Index>,
    candidates: Vec<(Digest, Stamp)>,
    collected: &mut Collected,
) -> Result<(), Error> {
    let mut candidates = candidates.into_iter().peekable();
    while candidates.peek().is_some() {
        let removal = disk.removal_lock(true)?;
        let closed = Instant::now();
        // Leases are read first: an operation that names an image ends its lease after index.json has the
        // name.
        marker.pins(&live_pins(disk, true)?)?;
        let now = disk.index()?;
        if !Arc::ptr_eq(&now, &index) {
            marker.roots(&now, |_| true)?;
            index = now;
        }
        for (digest, stamp) in candidates.by_ref() {
            if !marker.is_live(&digest) {
                disk.remove_blob(&digest)?;
                collected.blobs.push((digest, stamp.size));
            }
            if closed.elapsed() > CLOSED {
                break;
            }
        }
        drop(removal);
    }
    Ok(())
}
