//! From a [`Blob`] to a [`Slot`]: the task that polls hashes, a blocking thread writes, a small queue lies
//! between them.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};
use wharf_content::{Blob, Descriptor, Error, ErrorKind, Hasher};

use super::{Attempt, Slot};
use crate::{
    os::Stamp,
    runtime::{blocking, joined},
    shared::Shared,
};

/// Bytes that go to the disk in one call.
const BATCH: usize = 512 * 1024;

/// Batches on their way to the writer, so that receiving goes on while one is written.
const QUEUED: usize = 2;

/// Takes in a blob that the caller has pinned. On return it is one of the layout's, or what was received is
/// kept for the next attempt.
pub(crate) async fn push(shared: &Arc<Shared>, blob: Blob) -> Result<(), Error> {
    let blob = from_start(blob)?;
    let descriptor = blob.descriptor().clone();
    let flight = shared.flights.enter(descriptor.digest()).await;
    let Some((slot, hasher)) = acquire(shared, &descriptor, blob.can_reopen()).await? else {
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
            // What an earlier attempt left was wrong, and is gone: once more from the start.
            match acquire(shared, &descriptor, false).await? {
                Some((slot, _)) => write(slot, blob).await?,
                None => None,
            }
        }
        (result, _) => result?,
    };
    if let Some(stamp) = written {
        shared.verified.set(descriptor.digest(), stamp);
    }
    drop(flight);
    Ok(())
}

/// An earlier attempt has left all bytes: there is nothing to ask the source for.
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

/// Waits for the right to write; `None` if the blob is there.
pub(crate) async fn acquire(
    shared: &Arc<Shared>,
    descriptor: &Descriptor,
    resumable: bool,
) -> Result<Option<(Slot, Hasher)>, Error> {
    loop {
        let (shared, descriptor) = (Arc::clone(shared), descriptor.clone());
        let attempt = blocking(move || Slot::attempt(&shared.disk, &shared.partials, &descriptor, resumable));
        match attempt.await? {
            Attempt::Present => return Ok(None),
            Attempt::Busy => {}
            Attempt::Granted(granted) => return Ok(Some(*granted)),
        }
    }
}

async fn write(slot: Slot, mut blob: Blob) -> Result<Option<Stamp>, Error> {
    let mut writing = Writing {
        slot: Some(slot),
        thread: None,
        batch: Vec::new(),
        batched: 0,
        hasher: None,
    };
    // A blob that somebody else has verified is hashed here: what is under a digest has it, by our own eyes.
    let digest = blob.descriptor().digest().clone();
    let mut own = match blob.hasher() {
        Some(_) => None,
        None => Some(Hasher::new(digest.algorithm())?),
    };
    loop {
        writing.make_room().await?;
        // Nothing is awaited between a chunk's arrival and its place in the batch: a drop loses no byte.
        match blob.next().await {
            Some(Ok(chunk)) => {
                if let Some(own) = &mut own {
                    own.update(&chunk);
                }
                writing.batched += chunk.len();
                writing.batch.push(chunk);
                writing.hasher = blob.hasher().cloned().map(Box::new);
            }
            Some(Err(error)) if error.kind() == ErrorKind::Mismatch => {
                writing.end(End::Discard).await?;
                return Err(error);
            }
            Some(Err(error)) => {
                let hasher = writing.hasher.take();
                writing.end(End::Keep(hasher)).await?;
                return Err(error);
            }
            None => {
                if let Some(own) = own.take()
                    && own.finish()? != digest
                {
                    writing.end(End::Discard).await?;
                    return Err(mismatch(blob.descriptor()));
                }
                return writing.end(End::Commit).await;
            }
        }
    }
}

enum Message {
    Write(Vec<Bytes>, OwnedSemaphorePermit),
    End(Vec<Bytes>, End),
}

enum End {
    Commit,
    Keep(Option<Box<Hasher>>),
    Discard,
}

struct Thread {
    queue: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    handle: JoinHandle<Result<Option<Stamp>, Error>>,
}

/// A blob being written. The writer starts with the first full batch, so a small blob costs one hand-over.
struct Writing {
    slot: Option<Slot>,
    thread: Option<Thread>,
    batch: Vec<Bytes>,
    batched: usize,
    hasher: Option<Box<Hasher>>,
}

impl Writing {
    /// Sends a full batch on its way, waiting for its turn.
    async fn make_room(&mut self) -> Result<(), Error> {
        if self.batched < BATCH {
            return Ok(());
        }
        if let Some(slot) = self.slot.take() {
            self.thread = Some(start(slot));
        }
        let Some(thread) = &mut self.thread else {
            return Ok(());
        };
        let permit = Arc::clone(&thread.room).acquire_owned().await;
        let permit = permit.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        self.batched = 0;
        let message = Message::Write(std::mem::take(&mut self.batch), permit);
        if thread.queue.send(message).is_err() {
            return joined((&mut thread.handle).await).map(drop); // it ended early: with an error
        }
        Ok(())
    }

    async fn end(&mut self, end: End) -> Result<Option<Stamp>, Error> {
        let batch = std::mem::take(&mut self.batch);
        if let Some(slot) = self.slot.take() {
            return blocking(move || finish(slot, &batch, end)).await;
        }
        let Some(thread) = self.thread.take() else {
            return Ok(None);
        };
        let _ = thread.queue.send(Message::End(batch, end)); // if it has ended, it says why
        joined(thread.handle.await)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (batch, end) = (std::mem::take(&mut self.batch), End::Keep(self.hasher.take()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.queue.send(Message::End(batch, end));
        }
    }
}

fn start(mut slot: Slot) -> Thread {
    let (queue, mut messages) = mpsc::unbounded_channel();
    let handle = tokio::task::spawn_blocking(move || {
        while let Some(message) = messages.blocking_recv() {
            match message {
                Message::Write(batch, permit) => {
                    slot.write(&batch)?;
                    drop((batch, permit));
                }
                Message::End(batch, end) => return finish(slot, &batch, end),
            }
        }
        slot.keep(None);
        Ok(None)
    });
    Thread {
        queue,
        room: Arc::new(Semaphore::new(QUEUED)),
        handle,
    }
}

fn finish(mut slot: Slot, batch: &[Bytes], end: End) -> Result<Option<Stamp>, Error> {
    match end {
        End::Commit => {
            slot.write(batch)?;
            slot.commit()
        }
        End::Keep(hasher) => {
            slot.write(batch)?;
            slot.keep(hasher.map(|hasher| *hasher));
            Ok(None)
        }
        End::Discard => slot.discard().map(|()| None),
    }
}
