//! Taking blobs from a layout next door.

use std::path::Path;

use wharf_content::{Descriptor, Error};

use crate::{
    Layout, Options,
    disk::{Disk, temporary_name},
    error::At as _,
    hashing::file_has,
    ingest, os,
    runtime::blocking,
};

/// Takes the blob from the layout at `from`; `false` if its bytes must be copied.
pub(crate) async fn adopt(layout: &Layout, descriptor: &Descriptor, from: &Path) -> Result<bool, Error> {
    let (wanted, from) = (descriptor.clone(), from.to_owned());
    let opened = layout.blocking(move |layout| {
        layout.lease.pin([wanted.digest()])?;
        let there = layout.shared.vouch(&wanted)?;
        Ok((there, Disk::open(&from, Options::default()).ok()))
    });
    let source = match opened.await? {
        (true, _) => return Ok(true),
        (false, Some(source)) if source.path() != layout.path() => source,
        (false, _) => return Ok(false),
    };
    let shared = &layout.shared;
    let flight = shared.flights.enter(descriptor.digest()).await;
    let Some((mut slot, _)) = ingest::acquire(layout, descriptor, false).await? else {
        return Ok(true);
    };
    let (shared, descriptor) = (layout.shared.clone(), descriptor.clone());
    let taken = blocking(move || {
        let digest = descriptor.digest();
        let stamp = if reflink(&source, &mut slot, &descriptor)? {
            slot.commit()?
        } else {
            slot.discard()?;
            link(&shared.disk, &source, &descriptor)?
        };
        if let Some(stamp) = stamp {
            shared.verified.set(digest, stamp);
        }
        Ok(stamp.is_some())
    })
    .await;
    drop(flight);
    taken
}

/// Makes the file being received share the other's blocks.
fn reflink(source: &Disk, slot: &mut ingest::Slot, descriptor: &Descriptor) -> Result<bool, Error> {
    let Some((from, stamp)) = source.open_blob(descriptor.digest())? else {
        return Ok(false);
    };
    let Some((file, path)) = slot.file() else {
        return Ok(false);
    };
    if stamp.size != descriptor.size() || !os::reflink(&from, file) {
        return Ok(false);
    }
    // Hashed after it was shared: what the other does to its file now does not matter.
    file_has(file, descriptor.digest(), path)
}

/// Gives the other's file a second name here, if it belongs to the owner of this store.
fn link(disk: &Disk, source: &Disk, descriptor: &Descriptor) -> Result<Option<os::Stamp>, Error> {
    let digest = descriptor.digest();
    let ingest = disk.ingest()?;
    let name = temporary_name();
    let path = ingest.path().join(&name);
    let gate = disk.gate(false)?; // no collector sees it before it is locked
    if !source.link_blob(digest, &ingest, &name)? {
        return Ok(None);
    }
    let opened = ingest.read(&name).at("open", &path);
    let opened = opened.and_then(|file| disk.try_lock(&file, &path).map(|_| file));
    drop(gate);
    let good = opened.and_then(|mut file| {
        let stamp = os::stamp_of(&file).at("look at", &path)?;
        let ours = stamp.owner == disk.owner()? && stamp.size == descriptor.size();
        Ok((ours && file_has(&mut file, digest, &path)?).then_some(file))
    });
    let committed = match good {
        Ok(Some(file)) => disk.commit(&ingest, &name, &file, digest).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    if !matches!(committed, Ok(Some(_))) {
        let _ = ingest.remove(&name);
    }
    committed
}
