//! Receives a [`Blob`] into a [`Slot`]: the task that polls the blob hashes it, on a thread of its own if
//! the blob is large; another thread writes, and a short queue is between them.
//!
//! Pieces are written at their offsets as they arrive, and hashed in the blob's order: from memory if they
//! arrive in order, otherwise read back from the file.

use std::{ops::Range, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use wharf_content::{Blob, Descriptor, Error, ErrorKind, Hasher, LARGE_BLOB, Piece, Pieces};
use wharf_fs::Stamp;

use super::{BATCH, QUEUED, Slot};
use crate::{
    Layout,
    runtime::{blocking, joined, on_own_thread},
};

/// The most bytes read back in one call.
const READ: u64 = 512 * 1024;

/// Receives a blob. When this returns `Ok`, the blob is in the layout; otherwise the bytes received stay
/// for the next attempt.
pub(crate) async fn push(layout: &Layout, blob: Blob) -> Result<(), Error> {
    let blob = from_start(blob)?;
    let (shared, descriptor) = (&layout.shared, blob.descriptor().clone());
    let flight = shared.receiving.lock_for(descriptor.digest()).lock_owned().await;
    let Some((slot, hasher)) = acquire(layout, &descriptor, blob.can_reopen()).await? else {
        return Ok(());
    };
    let begun = hasher.count() > 0;
    let again = if begun { blob.reopen() } else { None };
    let first = if hasher.count() == descriptor.size() && begun {
        commit_whole(slot, hasher, &descriptor).await
    } else if !begun {
        write(slot, blob).await
    } else if let Some(rest) = blob.resume(hasher) {
        write(slot, rest).await
    } else {
        Err(mismatch(&descriptor))
    };
    let written = match (first, again) {
        (Err(error), Some(blob)) if error.kind() == ErrorKind::Mismatch => {
            // The bytes of an earlier attempt were wrong and were removed: receive the blob once more from
            // the start.
            match acquire(layout, &descriptor, false).await? {
                Some((slot, _)) => write(slot, blob).await?,
                None => None,
            }
        }
        (result, _) => result?,
    };
    if let Some(stamp) = written {
        shared.hashed.insert(descriptor.digest(), stamp);
    }
    drop(flight);
    Ok(())
}

/// Commits the file if an earlier attempt has received all bytes, without a request to the source.
async fn commit_whole(
    mut slot: Slot,
    hasher: Hasher,
    descriptor: &Descriptor,
) -> Result<Option<Stamp>, Error> {
    let good = hasher.finish()? == *descriptor.digest();
    let error = mismatch(descriptor);
    blocking(move || {
        if good {
            return slot.commit();
        }
        slot.discard()?;
        Err(error)
    })
    .await
}

fn mismatch(descriptor: &Descriptor) -> Error {
    let message = format!("the bytes of blob {} have another digest", descriptor.digest());
    Error::new(ErrorKind::Mismatch, message)
}

fn from_start(blob: Blob) -> Result<Blob, Error> {
    if blob.position() == 0 {
        return Ok(blob);
    }
    blob.reopen().ok_or_else(|| {
        let message = "a blob that has been read in part cannot be stored";
        Error::new(ErrorKind::Invalid, message)
    })
}

/// Pins the blob and waits for the right to write it; `None` if the blob is there and verified.
pub(crate) async fn acquire(
    layout: &Layout,
    descriptor: &Descriptor,
    resumable: bool,
) -> Result<Option<(Slot, Hasher)>, Error> {
    const PAUSE: Duration = Duration::from_millis(10);
    loop {
        let permit = layout.shared.acquire_permits.acquire().await;
        let wanted = descriptor.clone();
        let attempt = layout.blocking(move |layout| attempt(layout, &wanted, resumable));
        let attempt = attempt.await?;
        drop(permit);
        match attempt {
            Attempt::There => return Ok(None),
            Attempt::Granted(granted) => return Ok(Some(*granted)),
            Attempt::Begun(mut slot) => {
                return blocking(move || {
                    let hasher = slot.hasher()?;
                    Ok(Some((*slot, hasher)))
                })
                .await;
            }
            Attempt::Unread => {
                let wanted = descriptor.clone();
                let verified = layout.blocking(move |layout| layout.shared.ensure_verified(&wanted));
                if verified.await? {
                    return Ok(None);
                }
            }
            Attempt::Busy => {
                // No system has a lock for which a wait can be cancelled.
                let pause = || {
                    thread::sleep(PAUSE);
                    Ok(())
                };
                blocking(pause).await?;
            }
        }
    }
}

/// The result of asking for the right to write a blob.
enum Attempt {
    There,
    /// There is an unverified file of the blob.
    Unread,
    /// Another writer has the right.
    Busy,
    /// The right to write.
    Granted(Box<(Slot, Hasher)>),
    /// The right to continue the bytes of an earlier attempt, which must be hashed first.
    Begun(Box<Slot>),
}

fn attempt(layout: &Layout, descriptor: &Descriptor, resumable: bool) -> Result<Attempt, Error> {
    let Layout { shared, lease } = layout;
    lease.pin([descriptor.digest()])?;
    match shared.contains_cached(descriptor)? {
        Some(true) => return Ok(Attempt::There),
        Some(false) => {}
        None => return Ok(Attempt::Unread),
    }
    let Some(mut slot) = Slot::attempt(&shared.disk, &shared.partials, descriptor, resumable)? else {
        return Ok(Attempt::Busy);
    };
    if slot.is_begun() {
        return Ok(Attempt::Begun(Box::new(slot)));
    }
    let hasher = slot.hasher()?;
    Ok(Attempt::Granted(Box::new((slot, hasher))))
}

async fn write(slot: Slot, blob: Blob) -> Result<Option<Stamp>, Error> {
    if blob.descriptor().size() < LARGE_BLOB {
        return receive(slot, blob).await;
    }
    on_own_thread(receive(slot, blob)).await
}

async fn receive(slot: Slot, blob: Blob) -> Result<Option<Stamp>, Error> {
    // Pieces are always hashed here, even if the source has verified them before.
    let mut writing = Writing {
        pieces: blob.into_pieces()?,
        slot: Some(slot),
        thread: None,
        batch: Vec::new(),
        batched: 0,
    };
    loop {
        writing.make_room().await?;
        // There is no await between the arrival of a piece and its place in the batch, so that no byte is
        // lost if this is dropped.
        match writing.pieces.next().await {
            Some(Ok(piece)) => {
                writing.batched += piece.bytes.len();
                writing.batch.push(piece);
                while let Some(due) = writing.pieces.due() {
                    let step = due.start..due.end.min(due.start.saturating_add(READ));
                    let bytes = writing.read(step).await?;
                    if bytes.is_empty() {
                        return Err(Error::new(
                            ErrorKind::Other,
                            "the writer ended before the blob did",
                        ));
                    }
                    writing.pieces.give_back(&bytes);
                }
            }
            Some(Err(error)) if error.kind() == ErrorKind::Mismatch => {
                writing.end(End::Discard).await?;
                return Err(error);
            }
            Some(Err(error)) => {
                let suspend = writing.suspend();
                writing.end(suspend).await?;
                return Err(error);
            }
            None => return writing.end(End::Commit).await,
        }
    }
}

enum Message {
    Write(Batch, OwnedSemaphorePermit),
    Read(Range<u64>, oneshot::Sender<Vec<u8>>),
    End(Batch, End),
}

/// A batch of pieces to write.
struct Batch {
    pieces: Vec<Piece>,
    /// The offset of the first gap after this batch is written.
    front: u64,
}

enum End {
    Commit,
    Suspend(Box<Hasher>),
    Discard,
}

struct Writer {
    queue: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    handle: JoinHandle<Result<Option<Stamp>, Error>>,
}

/// A blob that is being received. The writer's thread starts with the first full batch, so that a small
/// blob needs only one hand-over to a thread.
struct Writing {
    pieces: Pieces,
    slot: Option<Slot>,
    thread: Option<Writer>,
    batch: Vec<Piece>,
    batched: usize,
}

impl Writing {
    /// Sends the batch to the writer if it is full, once the queue has room.
    async fn make_room(&mut self) -> Result<(), Error> {
        if self.batched < BATCH {
            return Ok(());
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Error> {
        if let Some(slot) = self.slot.take() {
            self.thread = Some(start(slot));
        }
        let Some(thread) = &mut self.thread else {
            return Ok(());
        };
        let permit = Arc::clone(&thread.room).acquire_owned().await;
        let permit = permit.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        let batch = Batch::take(&mut self.batch, &self.pieces);
        self.batched = 0;
        if thread.queue.send(Message::Write(batch, permit)).is_err() {
            return joined((&mut thread.handle).await).map(drop); // it ended early: with an error
        }
        Ok(())
    }

    /// Reads back bytes, including those of the batch.
    async fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.send().await?;
        let Some(thread) = &mut self.thread else {
            return Ok(Vec::new());
        };
        let (reply, bytes) = oneshot::channel();
        let _ = thread.queue.send(Message::Read(range, reply)); // if it has ended, it says why
        match bytes.await {
            Ok(bytes) => Ok(bytes),
            Err(_) => joined((&mut thread.handle).await).map(|_| Vec::new()),
        }
    }

    async fn end(&mut self, end: End) -> Result<Option<Stamp>, Error> {
        let batch = Batch::take(&mut self.batch, &self.pieces);
        if let Some(slot) = self.slot.take() {
            return blocking(move || finish(slot, &batch, end)).await;
        }
        let Some(thread) = self.thread.take() else {
            return Ok(None);
        };
        let _ = thread.queue.send(Message::End(batch, end)); // if it has ended, it says why
        joined(thread.handle.await)
    }

    fn suspend(&self) -> End {
        End::Suspend(Box::new(self.pieces.hasher().clone()))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let batch = Batch::take(&mut self.batch, &self.pieces);
            let _ = thread.queue.send(Message::End(batch, self.suspend()));
        }
    }
}

impl Batch {
    fn take(pieces: &mut Vec<Piece>, of: &Pieces) -> Self {
        Self {
            pieces: std::mem::take(pieces),
            front: of.hasher().count(),
        }
    }
}

fn start(mut slot: Slot) -> Writer {
    let (queue, mut messages) = mpsc::unbounded_channel();
    let handle = tokio::task::spawn_blocking(move || {
        while let Some(message) = messages.blocking_recv() {
            match message {
                Message::Write(batch, permit) => {
                    slot.write(&batch.pieces, batch.front)?;
                    drop((batch, permit));
                }
                Message::Read(range, reply) => {
                    let _ = reply.send(slot.read(range)?); // nobody waits for it any more
                }
                Message::End(batch, end) => return finish(slot, &batch, end),
            }
        }
        slot.suspend(None);
        Ok(None)
    });
    Writer {
        queue,
        room: Arc::new(Semaphore::new(QUEUED)),
        handle,
    }
}

fn finish(mut slot: Slot, batch: &Batch, end: End) -> Result<Option<Stamp>, Error> {
    match end {
        End::Commit => {
            slot.write(&batch.pieces, batch.front)?;
            slot.commit()
        }
        End::Suspend(hasher) => {
            slot.write(&batch.pieces, batch.front)?;
            slot.suspend(Some(*hasher));
            Ok(None)
        }
        End::Discard => slot.discard().map(|()| None),
    }
}
