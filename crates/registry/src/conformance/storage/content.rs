use bytes::Bytes;
use wharf_reference::Algorithm;

use super::super::{ConformanceFailure, Run, collect};
use crate::Storage;

const KEPT: &[u8] = b"kept after the backend has been closed";
const DIGITS: &[u8] = b"0123456789";

impl Run {
    pub(super) async fn no_content(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.case = "content in the beginning";
        let digest = self.digest(Algorithm::Sha256, b"nothing")?;
        let digests = self.all(storage.digests().await).await?;
        self.that(digests.is_empty(), "is none")?;
        let size = self.ok(storage.size(&digest).await)?;
        self.that(size.is_none(), "has no size")?;
        let read = storage.read(&digest, 0..1).await;
        self.missing(read, "says NotFound when it is read")?;
        self.ok(storage.remove(&digest).await)?;
        self.that(true, "is removed although it is not there")
    }

    pub(super) async fn content(
        &mut self,
        storage: &dyn Storage,
        algorithm: Algorithm,
    ) -> Result<(), ConformanceFailure> {
        self.case = "content";
        let (ids, other) = match algorithm {
            Algorithm::Sha256 => (["b1", "c1"], Algorithm::Sha512),
            _ => (["b2", "c2"], Algorithm::Sha256),
        };
        let digits = || Bytes::from_static(DIGITS);
        let [first, second] = ids;
        let digest = self.upload_as(storage, first, algorithm, digits()).await?;
        let size = self.ok(storage.size(&digest).await)?;
        self.that(size == Some(10), "has its size")?;
        for range in [0..10, 0..1, 9..10, 3..7, 5..5] {
            let expected = (b'0'..=b'9')
                .skip(index(range.start))
                .take(index(range.end - range.start));
            let expected = expected.collect::<Vec<_>>();
            let bytes = self.read_stored(storage, &digest, range.clone()).await?;
            self.that(
                bytes == expected,
                &format!("is read from {} to {}", range.start, range.end),
            )?;
        }
        self.upload_as(storage, second, algorithm, digits()).await?;
        let bytes = self.read_stored(storage, &digest, 0..10).await?;
        self.that(bytes == DIGITS, "may come twice")?;
        let digests = self.all(storage.digests().await).await?;
        self.that(digests.contains(&digest), "is listed")?;
        let absent = self.digest(other, b"another")?;
        let size = self.ok(storage.size(&absent).await)?;
        self.that(size.is_none(), "has one algorithm's digest")?;
        let sizes = self.ok(storage.sizes(&[absent, digest.clone()]).await)?;
        self.that(sizes == [None, Some(10)], "has its size among others")?;
        self.ok(storage.remove(&digest).await)
    }

    pub(super) async fn removal(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.case = "removal";
        let bytes = vec![7; 3_000_000];
        let digest = self.upload(storage, "c3", bytes.clone().into()).await?;
        let reading = self.ok(storage.read(&digest, 0..bytes.len() as u64).await)?;
        self.ok(storage.remove(&digest).await)?;
        let size = self.ok(storage.size(&digest).await)?;
        self.that(size.is_none(), "is seen at once")?;
        let intact = collect(reading).await.is_ok_and(|read| read == bytes);
        self.that(intact, "leaves a stream that has begun alone")?;
        self.ok(storage.quarantine(&digest).await)?;
        let digests = self.all(storage.digests().await).await?;
        self.that(digests.is_empty(), "leaves nothing behind")
    }

    pub(super) async fn leave_content(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.case = "what is left behind";
        self.upload(storage, "e5", Bytes::from_static(KEPT)).await?;
        self.leave_upload(storage).await
    }

    /// Looks for the content that [`Run::leave_content`] left.
    pub(super) async fn find_content(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        let digest = self.digest(Algorithm::Sha256, KEPT)?;
        let bytes = self.read_stored(storage, &digest, 0..KEPT.len() as u64).await?;
        self.that(bytes == KEPT, "content does")
    }
}

fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
