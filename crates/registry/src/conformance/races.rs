//! Links while another handle collects garbage.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use bytes::Bytes;

use super::{ConformanceFailure, Run, content::now};
use crate::{Backend, BlobRecord, NewContent, Outcome, Record, RecordKey};

/// The number of times that a race is run.
pub(super) const ROUNDS: usize = 30;

/// Waits for two futures that run side by side on one task.
pub(super) async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(context)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

impl Run {
    /// A manifest is linked while another handle collects what it needs: either it is refused, or what it needs
    /// stays.
    pub(super) async fn links_against_a_collector(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "a link against a collector";
        let path = self.path("collector/links")?;
        let collecting = now();
        for round in 0..ROUNDS {
            let bytes = Bytes::from(format!("needed {round}"));
            let size = bytes.len() as u64;
            let blob = self.blob(one, &path, bytes.clone()).await?;
            let (content, commit) = self.manifest_of(&blob, size)?;
            let manifest = RecordKey::Manifest(content.digest().clone());
            let (link, collected) = if round % 2 == 0 {
                both(one.link(&path, content, commit), other.collect(&collecting)).await
            } else {
                let collect = other.collect(&collecting);
                let (collected, link) = both(collect, one.link(&path, content, commit)).await;
                (link, collected)
            };
            self.ok(collected)?;
            if self.ok(link)? == Outcome::Committed {
                for backend in [one, other] {
                    let stored = self.linked(backend, &path, RecordKey::Blob(blob.clone())).await?;
                    let read = self.read(backend, &stored, 0..size).await?;
                    self.that(read == bytes, "keeps what it needs")?;
                }
            } else {
                let value = self.value(other, &path, manifest.clone()).await?;
                self.that(value.is_none(), "leaves nothing if it is refused")?;
            }
            let outcome = other.commit(&path, self.remove(manifest)?).await;
            self.committed(outcome, "is undone")?;
        }
        self.ok(one.collect(&collecting).await)?;
        let exists = self.ok(other.exists(&path).await)?;
        self.that(!exists, "leaves nothing behind")
    }

    /// Content is mounted while another handle removes its last link: either the mount is refused, or the content
    /// stays.
    pub(super) async fn mounts_against_a_collector(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "a mount against a collector";
        let (from, to) = (self.path("collector/from")?, self.path("collector/to")?);
        let collecting = now();
        for round in 0..ROUNDS {
            let bytes = Bytes::from(format!("mounted {round}"));
            let size = bytes.len() as u64;
            let blob = self.blob(one, &from, bytes.clone()).await?;
            let key = RecordKey::Blob(blob.clone());
            let stored = self.linked(one, &from, key.clone()).await?;
            let record = Record::Blob(blob.clone(), BlobRecord::new(size));
            let commit = self.put(record)?;
            let outcome = other.commit(&from, self.remove(key.clone())?).await;
            self.committed(outcome, "finds the last link gone")?;
            let mount = one.link(&to, NewContent::Stored(stored), commit);
            let (mount, collected) = both(mount, other.collect(&collecting)).await;
            self.ok(collected)?;
            if self.ok(mount)? == Outcome::Committed
                && let Some(Record::Blob(digest, record)) = self.value(other, &to, key.clone()).await?
            {
                let read = self.read(other, &record.content(&digest), 0..size).await?;
                self.that(read == bytes, "keeps the content")?;
            }
            let outcome = other.commit(&to, self.remove(key)?).await;
            self.committed(outcome, "is undone")?;
        }
        self.ok(other.collect(&collecting).await)?;
        let exist = (self.ok(one.exists(&from).await)?, self.ok(one.exists(&to).await)?);
        self.that(exist == (false, false), "leaves nothing behind")
    }
}
