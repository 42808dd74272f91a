//! Verification of content for reads of a part: the whole is hashed once for all requests that wait.
//!
//! A request whose client hangs up waits no more, whether it was the first or not. The hash goes on as long as
//! one request waits, and ends when none does.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, Weak},
    task::Poll,
};

use tokio::sync::{Semaphore, watch};
use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

use crate::sync::LockExt as _;

/// The most contents that are hashed at a time for reads of a part; the others wait. On the disk each takes
/// two threads, one of which waits for the other.
const MAX_HASHES: usize = 4;

/// The hashes that are under way, and those that wait for their time.
pub(super) struct Hashes(Arc<Shared>);

struct Shared {
    running: Mutex<HashMap<Digest, Weak<Announcer>>>,
    permits: Semaphore,
}

/// `None` until the hash has ended. An error is shared by all that wait, as its kind and message.
type Outcome = Option<Result<(), (ErrorKind, String)>>;
type Announcer = watch::Sender<Outcome>;

impl Default for Hashes {
    fn default() -> Self {
        Self(Arc::new(Shared {
            running: Mutex::default(),
            permits: Semaphore::new(MAX_HASHES),
        }))
    }
}

impl Hashes {
    /// Waits for the hash of this content that is under way, or else for `hash`.
    pub(super) async fn once(
        &self,
        digest: &Digest,
        hash: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Result<(), Error> {
        let mut announced = self.join(digest, hash);
        let outcome = announced.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(Err((kind, message)))) => Err(Error::new(*kind, message.clone())),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::Cancelled,
                "the verification of the content was stopped",
            )),
        }
    }

    fn join(
        &self,
        digest: &Digest,
        hash: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> watch::Receiver<Outcome> {
        let mut running = self.0.running.locked();
        if let Some(announcer) = running.get(digest).and_then(Weak::upgrade) {
            return announcer.subscribe();
        }
        running.retain(|_, announcer| announcer.strong_count() > 0);
        let (announcer, announced) = watch::channel(None);
        let announcer = Arc::new(announcer);
        running.insert(digest.clone(), Arc::downgrade(&announcer));
        tokio::spawn(Arc::clone(&self.0).run(digest.clone(), hash, announcer));
        announced
    }
}

impl Shared {
    /// Hashes content as long as a request waits for it.
    async fn run(
        self: Arc<Self>,
        digest: Digest,
        hash: impl Future<Output = Result<(), Error>> + Send,
        announcer: Arc<Announcer>,
    ) {
        let mut hashing = pin!(async {
            let _permit = self.permits.acquire().await;
            hash.await
        });
        let hashed = loop {
            let mut abandoned = pin!(announcer.closed());
            let ended = poll_fn(|context| {
                if let Poll::Ready(hashed) = hashing.as_mut().poll(context) {
                    return Poll::Ready(Some(hashed));
                }
                abandoned.as_mut().poll(context).map(|()| None)
            });
            if let Some(hashed) = ended.await {
                break hashed;
            }
            let mut running = self.running.locked();
            if announcer.receiver_count() == 0 {
                running.remove(&digest); // under the lock under which others join
                return;
            }
        };
        self.running.locked().remove(&digest);
        announcer.send_replace(Some(hashed.map_err(|error| (error.kind(), error.to_string()))));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use tokio::sync::oneshot;
    use wharf_content::Hasher;
    use wharf_reference::Algorithm;

    use super::*;

    type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    type Ends = oneshot::Sender<Result<(), Error>>;

    fn digest(text: &str) -> Digest {
        Hasher::digest(Algorithm::Sha256, text.as_bytes()).unwrap()
    }

    /// A request that has begun to wait, for a hash that ends when the sender says so, and is dropped when no
    /// request waits.
    async fn wait<'a>(hashes: &'a Hashes, digest: &'a Digest) -> (Waiting<'a>, Ends) {
        let (ends, ended) = oneshot::channel();
        let hash = async { ended.await.unwrap() };
        let mut waiting: Waiting<'_> = Box::pin(hashes.once(digest, hash));
        let polled = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
        assert!(polled, "it does not wait");
        tokio::task::yield_now().await; // the hash begins
        (waiting, ends)
    }

    #[tokio::test]
    async fn a_hash_goes_on_while_anybody_waits_and_ends_when_nobody_does() {
        let (hashes, digest) = (Hashes::default(), digest("a"));
        for leaves in [0, 1, 2] {
            let (first, mut ends) = wait(&hashes, &digest).await;
            let (second, unused) = wait(&hashes, &digest).await;
            let (third, _) = wait(&hashes, &digest).await;
            assert!(unused.is_closed(), "one hash is enough");
            let mut all = vec![first, second, third];
            drop(all.remove(leaves));
            tokio::task::yield_now().await;
            assert!(!ends.is_closed());
            if leaves == 1 {
                ends.send(Ok(())).unwrap();
                for waiting in all {
                    waiting.await.unwrap();
                }
            } else {
                all.clear();
                ends.closed().await;
            }
            assert_eq!(hashes.0.permits.available_permits(), MAX_HASHES);
        }
        assert!(hashes.0.running.locked().is_empty());
    }

    #[tokio::test]
    async fn an_error_is_told_to_all_and_remembered_of_none() {
        let (hashes, digest) = (Hashes::default(), digest("a"));
        let (first, ends) = wait(&hashes, &digest).await;
        let (second, _) = wait(&hashes, &digest).await;
        ends.send(Err(Error::new(ErrorKind::NotFound, "gone"))).unwrap();
        for waiting in [first, second] {
            let error = waiting.await.unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::NotFound, "gone")
            );
        }
        hashes.once(&digest, async { Ok(()) }).await.unwrap();
    }

    #[tokio::test]
    async fn a_hash_that_panics_fails_and_blocks_nobody() {
        let (hashes, digest) = (Hashes::default(), digest("a"));
        let panics = async { std::panic::resume_unwind(Box::new(())) };
        let error = hashes.once(&digest, panics).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        hashes.once(&digest, async { Ok(()) }).await.unwrap();
    }

    #[tokio::test]
    async fn few_contents_are_hashed_at_a_time() {
        let hashes = Hashes::default();
        let digests = (0..MAX_HASHES + 2).map(|number| digest(&number.to_string()));
        let digests = digests.collect::<Vec<_>>();
        let mut all = Vec::new();
        for digest in &digests {
            all.push(wait(&hashes, digest).await);
        }
        assert_eq!(hashes.0.permits.available_permits(), 0);
        // Those that wait for a permit leave without one, and the last gets the first that is free.
        drop(all.remove(MAX_HASHES));
        let (last, ends) = all.pop().unwrap();
        ends.send(Ok(())).unwrap();
        let (first, ends) = all.remove(0);
        ends.send(Ok(())).unwrap();
        first.await.unwrap();
        last.await.unwrap();
    }
}
