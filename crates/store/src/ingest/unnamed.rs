//! Receives a blob of unknown digest into a temporary file. The thread that writes it hashes it.

use std::{future::poll_fn, mem};

use bytes::Bytes;
use tokio::sync::mpsc;
use wharf_content::{ByteStream, Descriptor, Error, ErrorKind, Hasher, MediaType};
use wharf_reference::Algorithm;

use super::{BATCH, QUEUED, flush::Flush, slot::write_all};
use crate::{
    Durability, Layout,
    disk::{Disk, Temporary},
    error::At as _,
    runtime::joined,
};

/// The most chunks of a stream that are written in one call, however small they are.
const MAX_CHUNKS: usize = 1024;

/// Receives a stream. When this returns `Ok`, the blob is in the layout; otherwise nothing of it is left.
pub(crate) async fn ingest(
    layout: &Layout,
    media_type: MediaType,
    algorithm: Algorithm,
    mut bytes: ByteStream,
) -> Result<Descriptor, Error> {
    let hasher = Hasher::new(algorithm)?;
    let (queue, messages) = mpsc::channel(QUEUED);
    let layout = layout.clone();
    let writer = tokio::task::spawn_blocking(move || receive(&layout, media_type, hasher, messages));
    let mut batch = Vec::new();
    let mut batched = 0;
    let failed = loop {
        let message = match poll_fn(|context| bytes.as_mut().poll_next(context)).await {
            Some(Ok(chunk)) if chunk.is_empty() => continue,
            Some(Ok(chunk)) => {
                batched += chunk.len();
                batch.push(chunk);
                if batched < BATCH && batch.len() < MAX_CHUNKS {
                    continue;
                }
                batched = 0;
                Message::Write(mem::take(&mut batch))
            }
            Some(Err(error)) => break Some(error),
            None => Message::End(mem::take(&mut batch)),
        };
        let is_end = matches!(message, Message::End(_));
        if queue.send(message).await.is_err() || is_end {
            break None; // if the writer has ended early, it says why
        }
    };
    drop(queue);
    let received = joined(writer.await);
    match failed {
        Some(error) => Err(error),
        None => {
            received?.ok_or_else(|| Error::new(ErrorKind::Other, "the writer ended before the stream did"))
        }
    }
}

enum Message {
    Write(Vec<Bytes>),
    /// The last chunks of the stream.
    End(Vec<Bytes>),
}

/// Hashes and writes; `None` if the stream ended early.
fn receive(
    layout: &Layout,
    media_type: MediaType,
    hasher: Hasher,
    mut messages: mpsc::Receiver<Message>,
) -> Result<Option<Descriptor>, Error> {
    let mut file = Unnamed::new(&layout.shared.disk, hasher)?;
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Write(chunks) => file.write(&chunks)?,
            Message::End(chunks) => {
                file.write(&chunks)?;
                return file.commit(layout, media_type).map(Some);
            }
        }
    }
    Ok(None)
}

/// The temporary file. It is removed when dropped.
struct Unnamed<'a> {
    file: Temporary<'a>,
    hasher: Hasher,
    flush: Flush,
    durable: bool,
}

impl<'a> Unnamed<'a> {
    fn new(disk: &'a Disk, hasher: Hasher) -> Result<Self, Error> {
        Ok(Self {
            file: disk.temporary()?,
            hasher,
            flush: Flush::default(),
            durable: disk.options().durability == Durability::Durable,
        })
    }

    fn write(&mut self, chunks: &[Bytes]) -> Result<(), Error> {
        for chunk in chunks {
            self.hasher.update(chunk);
        }
        write_all(&mut self.file.file, chunks, Bytes::as_ref).at("write", &self.file.path())?;
        if self.durable {
            self.flush.step(&self.file.file, self.hasher.count());
        }
        Ok(())
    }

    /// Moves the file to the name of its blob, unless the blob is there and verified.
    fn commit(mut self, layout: &Layout, media_type: MediaType) -> Result<Descriptor, Error> {
        self.flush.finish().at("sync", &self.file.path())?;
        let size = self.hasher.count();
        let descriptor = Descriptor::new(media_type, self.hasher.finish()?, size)?;
        layout.lease.pin([descriptor.digest()])?;
        if !layout.shared.ensure_verified(&descriptor)? {
            let stamp = self.file.commit(descriptor.digest())?;
            layout.shared.hashed.insert(descriptor.digest(), stamp);
        }
        Ok(descriptor)
    }
}
