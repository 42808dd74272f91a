//! Mounts blobs from another layout by shared blocks. A hard link would be as fast, but mode and time of
//! the file belong to both names, and the other layout must not change.

use std::path::Path;

use wharf_content::{Descriptor, Error};

use crate::{Layout, disk::Disk, hashing::file_has, ingest, runtime::blocking};

/// Mounts the blob from the layout at `from`; `false` if its bytes must be copied.
pub(crate) async fn mount(layout: &Layout, descriptor: &Descriptor, from: &Path) -> Result<bool, Error> {
    let (wanted, from) = (descriptor.clone(), from.to_owned());
    let opened = layout.blocking(move |layout| {
        layout.lease.pin([wanted.digest()])?;
        let there = layout.shared.ensure_verified(&wanted)?;
        Ok((there, Disk::open_blobs(&from).ok()))
    });
    let source = match opened.await? {
        (true, _) => return Ok(true),
        (false, Some(source)) if source.path() != layout.path() => source,
        (false, _) => return Ok(false),
    };
    let shared = &layout.shared;
    let flight = shared.receiving.lock_for(descriptor.digest()).lock_owned().await;
    let Some((mut slot, _)) = ingest::acquire(layout, descriptor, false).await? else {
        return Ok(true);
    };
    let (shared, descriptor) = (layout.shared.clone(), descriptor.clone());
    let taken = blocking(move || {
        if !share_blocks(&source, &mut slot, &descriptor)? {
            slot.discard()?;
            return Ok(false);
        }
        let stamp = slot.commit()?;
        if let Some(stamp) = stamp {
            shared.hashed.insert(descriptor.digest(), stamp);
        }
        Ok(stamp.is_some())
    })
    .await;
    drop(flight);
    taken
}

/// Makes the ingest file share the blocks of the other layout's file.
fn share_blocks(source: &Disk, slot: &mut ingest::Slot, descriptor: &Descriptor) -> Result<bool, Error> {
    let Some((from, stamp)) = source.open_blob(descriptor.digest())? else {
        return Ok(false);
    };
    let Some((file, path)) = slot.file() else {
        return Ok(false);
    };
    if stamp.size != descriptor.size() || !wharf_fs::reflink(&from, file) {
        return Ok(false);
    }
    // Hashed after the blocks were shared, so later changes by the other process do not matter.
    file_has(file, descriptor.digest(), path)
}
