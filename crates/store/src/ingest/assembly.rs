//! A blob received in pieces, in any order.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{Descriptor, Error, ErrorKind, Hasher};

use super::{Slot, acquire};
use crate::{Layout, error::At as _, os, runtime::blocking};

const HASH_CHUNK: usize = 1024 * 1024;

/// A blob that arrives in pieces, in any order: parallel ranges of one large layer.
///
/// It can be written to from several tasks. What has arrived is hashed as far as it is without a gap. Dropped
/// before its end, it leaves the bytes before the first gap for the next attempt.
#[derive(Debug)]
pub struct Assembly {
    parts: Arc<Parts>,
    layout: Layout,
    _flight: OwnedMutexGuard<()>,
}

#[derive(Debug)]
struct Parts {
    descriptor: Descriptor,
    path: PathBuf,
    file: File,
    slot: Mutex<Option<Slot>>,
    present: Mutex<Ranges>,
    hasher: Mutex<Hasher>,
}

impl Layout {
    /// Begins to receive a blob in pieces; `None` if it is there. Waits for others who are receiving it, and
    /// takes up what they leave.
    pub async fn assemble(&self, descriptor: &Descriptor) -> Result<Option<Assembly>, Error> {
        let wanted = descriptor.clone();
        let there = self.blocking(move |layout| {
            layout.lease.pin([wanted.digest()])?;
            layout.shared.vouch(&wanted)
        });
        if there.await? {
            return Ok(None);
        }
        let flight = self.shared.flights.enter(descriptor.digest()).await;
        let Some((mut slot, hasher)) = acquire(&self.shared, descriptor, true).await? else {
            return Ok(None);
        };
        let Some((file, path)) = slot.file() else {
            return Ok(None);
        };
        let (file, path) = (file.try_clone().at("open", path)?, path.clone());
        let parts = Parts {
            descriptor: descriptor.clone(),
            path,
            file,
            present: Mutex::new(Ranges::up_to(hasher.count())),
            hasher: Mutex::new(hasher),
            slot: Mutex::new(Some(slot)),
        };
        Ok(Some(Assembly {
            parts: Arc::new(parts),
            layout: self.clone(),
            _flight: flight,
        }))
    }
}

impl Assembly {
    /// The bytes that have not arrived yet, in order.
    #[must_use]
    pub fn missing(&self) -> Vec<Range<u64>> {
        lock(&self.parts.present).gaps(self.parts.descriptor.size())
    }

    /// Takes in bytes that belong at `offset`. Bytes that are there already are not written again.
    ///
    /// Fails with [`ErrorKind::Mismatch`] for bytes beyond the end of the blob.
    pub async fn write(&self, offset: u64, bytes: Bytes) -> Result<(), Error> {
        let parts = Arc::clone(&self.parts);
        blocking(move || parts.write(offset, &bytes)).await
    }

    /// Makes what has arrived a blob.
    ///
    /// Fails with [`ErrorKind::Mismatch`] if the digest is wrong, and then forgets everything, or if bytes are
    /// missing.
    pub async fn finish(self) -> Result<(), Error> {
        let (parts, shared) = (Arc::clone(&self.parts), Arc::clone(&self.layout.shared));
        blocking(move || {
            if let Some(gap) = lock(&parts.present).gaps(parts.descriptor.size()).first() {
                let digest = parts.descriptor.digest();
                let message = format!("blob {digest} lacks its bytes {} to {}", gap.start, gap.end);
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            parts.hash(&mut lock(&parts.hasher))?;
            let Some(mut slot) = lock(&parts.slot).take() else {
                return Ok(());
            };
            let (digest, actual) = (parts.descriptor.digest(), lock(&parts.hasher).clone().finish()?);
            if actual != *digest {
                slot.discard()?;
                let message = format!("blob {digest} was received with the digest {actual}");
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            if let Some(stamp) = slot.commit()? {
                shared.verified.set(digest, stamp);
            }
            Ok(())
        })
        .await
    }
}

impl Parts {
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.descriptor.size() {
            let (digest, size) = (self.descriptor.digest(), self.descriptor.size());
            let message = format!("blob {digest} has more than the {size} bytes it was said to have");
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        let wanted = lock(&self.present).gaps_in(offset..end);
        for gap in wanted {
            let piece = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
            let piece = bytes.get(piece(gap.start)..piece(gap.end)).unwrap_or_default();
            os::write_all_at(&self.file, piece, gap.start).at("write", &self.path)?;
            lock(&self.present).add(gap);
        }
        // Whoever finds the hasher free hashes for all.
        match self.hasher.try_lock() {
            Ok(mut hasher) => self.hash(&mut hasher),
            Err(_) => Ok(()),
        }
    }

    /// Hashes what is there without a gap.
    fn hash(&self, hasher: &mut Hasher) -> Result<(), Error> {
        let mut buffer = Vec::new();
        loop {
            let end = lock(&self.present).prefix();
            let rest = usize::try_from(end.saturating_sub(hasher.count())).unwrap_or(usize::MAX);
            if rest == 0 {
                return Ok(());
            }
            buffer.resize(rest.min(HASH_CHUNK), 0);
            let read = os::read_at(&self.file, &mut buffer, hasher.count()).at("read", &self.path)?;
            if read == 0 {
                let message = format!("{} was cut short by somebody", self.path.display());
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let slot = self.slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slot.take() else {
            return;
        };
        let hasher = self.hasher.get_mut().unwrap_or_else(PoisonError::into_inner);
        let present = self.present.get_mut().unwrap_or_else(PoisonError::into_inner);
        let prefix = present.prefix();
        if self.file.set_len(prefix).is_ok() {
            slot.keep_prefix(prefix, hasher.clone());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ranges that do not touch: from each start to its end.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn up_to(end: u64) -> Self {
        let mut ranges = Self::default();
        ranges.add(0..end);
        ranges
    }

    /// How far it goes from the start without a gap.
    fn prefix(&self) -> u64 {
        self.0.get(&0).copied().unwrap_or(0)
    }

    fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        let touching: Vec<(u64, u64)> = self
            .0
            .range(..=end)
            .rev()
            .take_while(|(_, other_end)| **other_end >= start)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (other_start, other_end) in touching {
            self.0.remove(&other_start);
            (start, end) = (start.min(other_start), end.max(other_end));
        }
        self.0.insert(start, end);
    }

    fn gaps(&self, size: u64) -> Vec<Range<u64>> {
        self.gaps_in(0..size)
    }

    /// What of `range` is not in these.
    fn gaps_in(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for (start, end) in &self.0 {
            if *end <= at {
                continue;
            }
            if *start >= range.end {
                break;
            }
            if *start > at {
                gaps.push(at..*start);
            }
            at = *end;
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(ranges: &Ranges, within: Range<u64>) -> Vec<(u64, u64)> {
        let gaps = ranges.gaps_in(within);
        gaps.into_iter().map(|gap| (gap.start, gap.end)).collect()
    }

    #[test]
    fn ranges_join_and_leave_gaps() {
        let mut ranges = Ranges::up_to(0);
        assert_eq!((ranges.prefix(), gaps(&ranges, 0..10)), (0, vec![(0, 10)]));
        for range in [4..6, 8..9, 6..7, 0..1, 2..3] {
            ranges.add(range);
        }
        assert_eq!(gaps(&ranges, 0..10), [(1, 2), (3, 4), (7, 8), (9, 10)]);
        assert_eq!(gaps(&ranges, 5..8), [(7, 8)]);
        assert_eq!(gaps(&ranges, 4..7), []);
        ranges.add(1..8);
        assert_eq!((ranges.prefix(), gaps(&ranges, 0..10)), (9, vec![(9, 10)]));
    }
}
