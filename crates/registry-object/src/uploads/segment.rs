//! The bytes of a request on their way into one object.

use bytes::Bytes;
use object_store::PutPayload;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher};

use crate::objects::{Objects, Parts};

/// The size of a part of an object, the smallest that all stores accept. An upload holds up to four times as much in memory.
pub(super) const PART: usize = 5 * 1024 * 1024;
/// Fewer bytes are hashed on the current thread.
const SMALL: usize = 64 * 1024;

/// An object that is being written: in one request if it has at most [`PART`] bytes, else in parts.
pub(super) struct Segment<'o> {
    objects: &'o Objects,
    object: &'o str,
    parts: Option<Parts>,
    buffer: Vec<Bytes>,
    buffered: usize,
    length: u64,
    hasher: Option<Hasher>,
}

impl<'o> Segment<'o> {
    pub(super) const fn new(objects: &'o Objects, object: &'o str, hasher: Option<Hasher>) -> Self {
        Self {
            objects,
            object,
            parts: None,
            buffer: Vec::new(),
            buffered: 0,
            length: 0,
            hasher,
        }
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Takes bytes; waits while enough of them are on their way.
    pub(super) async fn push(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.buffered == PART {
                self.send_part().await?;
            }
            let part = bytes.split_to(bytes.len().min(PART - self.buffered));
            self.buffered += part.len();
            self.length = self.length.saturating_add(part.len() as u64);
            self.buffer.push(part);
        }
        Ok(())
    }

    /// Completes the object, which is durable and visible then, and returns the hasher after its last byte.
    pub(super) async fn complete(mut self) -> Result<Option<Hasher>, Error> {
        let last = self.take_buffer();
        let hashing = Hashing::begin(self.hasher.take(), last.clone());
        match self.parts.take() {
            None => self.objects.put(self.object, last).await?,
            Some(mut parts) => {
                if let Err(failure) = parts.send(last.into_iter().collect()).await {
                    parts.abort().await;
                    return Err(failure);
                }
                parts.complete().await?;
            }
        }
        hashing.end().await
    }

    /// Gives the object up.
    pub(super) async fn abort(self) {
        if let Some(parts) = self.parts {
            parts.abort().await;
        }
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let part = self.take_buffer();
        let hashing = Hashing::begin(self.hasher.take(), part.clone());
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(self.objects.put_parts(self.object).await?),
        };
        parts.send(part.into_iter().collect::<PutPayload>()).await?;
        self.hasher = hashing.end().await?;
        Ok(())
    }

    fn take_buffer(&mut self) -> Vec<Bytes> {
        self.buffered = 0;
        std::mem::take(&mut self.buffer)
    }
}

/// Bytes that are hashed while they are sent.
enum Hashing {
    Done(Box<Option<Hasher>>),
    Begun(tokio::task::JoinHandle<Hasher>),
}

impl Hashing {
    fn begin(hasher: Option<Hasher>, bytes: Vec<Bytes>) -> Self {
        let Some(mut hasher) = hasher else {
            return Self::Done(Box::new(None));
        };
        let length: usize = bytes.iter().map(Bytes::len).sum();
        let work = move || {
            for chunk in &bytes {
                hasher.update(chunk);
            }
            hasher
        };
        if length < SMALL {
            Self::Done(Box::new(Some(work())))
        } else {
            Self::Begun(tokio::task::spawn_blocking(work))
        }
    }

    async fn end(self) -> Result<Option<Hasher>, Error> {
        let interrupted = |_| Error::new(ErrorKind::Cancelled, "the runtime is shutting down");
        match self {
            Self::Done(hasher) => Ok(*hasher),
            Self::Begun(task) => task.await.map(Some).map_err(interrupted),
        }
    }
}

/// The next bytes of a stream, of which there is at least one; `None` at its end.
pub(super) async fn next(stream: &mut ByteStream) -> Option<Result<Bytes, Error>> {
    loop {
        let next = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await;
        match next {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            next => return next,
        }
    }
}
