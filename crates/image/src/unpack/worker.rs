use std::{
    io::{self, Read},
    path::PathBuf,
    sync::{Arc, Weak},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};
use wharf_content::{Error, ErrorKind, Progress};
use wharf_layer::{Applied, ApplyOptions, Decoder, Limits, StagedRoot, apply};

use super::{Layer, UnpackOptions, finished};
use crate::layers::{Counted, Received, Unpacked};

/// A blocking thread that unpacks layers to a root, which it removes unless it is told that no layer is missing.
pub(super) struct Worker {
    layers: mpsc::Sender<Order>,
    result: JoinHandle<Result<Vec<Applied>, Error>>,
    caller: Caller,
}

/// The future that waits for the thread. When it is dropped, no more is read and the thread ends, also in the middle of a
/// layer.
struct Caller {
    waits: Arc<()>,
    /// The tasks that read layers.
    readers: Vec<AbortHandle>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.readers.iter().for_each(AbortHandle::abort);
    }
}

/// The next task of the thread.
enum Order {
    Unpack(Box<(Layer, Received)>),
    /// All layers are unpacked.
    Finish,
}

impl Worker {
    /// Makes the root.
    pub(super) async fn start(directory: PathBuf, options: &UnpackOptions) -> Result<Self, Error> {
        let (layers, orders) = mpsc::channel(1);
        let (to_starter, made) = oneshot::channel();
        let caller = Caller {
            waits: Arc::new(()),
            readers: Vec::new(),
        };
        let unpacking = Unpacking {
            apply: options.apply.clone(),
            limits: options.reading.limits.clone(),
            unpacked: Unpacked::new(options.reading.max_unpacked),
            progress: Arc::clone(&options.progress),
            caller: Arc::downgrade(&caller.waits),
        };
        let result = tokio::task::spawn_blocking(move || {
            let staged = StagedRoot::create(directory)?;
            let _ = to_starter.send(());
            unpacking.run(staged, orders)
        });
        let worker = Self {
            layers,
            result,
            caller,
        };
        match made.await {
            Ok(()) => Ok(worker),
            Err(_) => Err(worker.finish().await.err().unwrap_or_else(stopped)),
        }
    }

    /// Hands over the next layer, when the one before the last is unpacked. False if the worker has failed.
    pub(super) async fn unpack(&mut self, layer: Layer, input: Received) -> bool {
        self.caller.readers.push(input.reader());
        self.layers
            .send(Order::Unpack(Box::new((layer, input))))
            .await
            .is_ok()
    }

    /// Waits for the last layer, and moves the root to its path.
    pub(super) async fn finish(self) -> Result<Vec<Applied>, Error> {
        let _ = self.layers.send(Order::Finish).await;
        self.end().await
    }

    /// The failure of an earlier layer, if there is one, and otherwise this one. The root is removed then.
    pub(super) async fn first_failure(self, error: Error) -> Error {
        match self.end().await {
            Err(earlier) if earlier.kind() != ErrorKind::Cancelled => earlier,
            _ => error,
        }
    }

    /// Waits for the end of the thread, which gets no more orders.
    async fn end(self) -> Result<Vec<Applied>, Error> {
        let Self {
            layers,
            result,
            caller,
        } = self;
        drop(layers);
        let ended = result.await;
        drop(caller);
        ended.unwrap_or_else(|error| Err(Error::wrap(ErrorKind::Other, error)))
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Other, "the thread that unpacks stopped before its end")
}

/// The work of the thread.
struct Unpacking {
    apply: ApplyOptions,
    limits: Limits,
    unpacked: Unpacked,
    progress: Arc<dyn Progress>,
    /// Without a value, nobody waits for the root any more.
    caller: Weak<()>,
}

impl Unpacking {
    fn run(self, staged: StagedRoot, mut orders: mpsc::Receiver<Order>) -> Result<Vec<Applied>, Error> {
        let mut layers = Vec::new();
        loop {
            match orders.blocking_recv() {
                Some(Order::Unpack(next)) => {
                    let (layer, input) = *next;
                    let applied = self.layer(&staged, &layer, input);
                    layers.push(applied.map_err(|error| layer.named(error))?);
                    finished(&*self.progress, &layer.descriptor);
                }
                Some(Order::Finish) => break,
                None => return Err(Error::new(ErrorKind::Cancelled, "the image was not unpacked")),
            }
        }
        check(&self.caller)?;
        staged.finish()?;
        Ok(layers)
    }

    fn layer(&self, staged: &StagedRoot, layer: &Layer, input: Received) -> Result<Applied, Error> {
        let decoder = match layer.codec {
            Some(codec) => Decoder::new(codec, self.limits.clone()),
            None => Decoder::by_magic(self.limits.clone()),
        };
        let tar = Counted {
            tar: decoder.with_diff_id(layer.diff_id.clone())?.reader(input),
            unpacked: &self.unpacked,
        };
        let tar = Awaited {
            tar,
            caller: &self.caller,
        };
        apply(staged.root(), tar, &self.apply)
    }
}

/// A tar that fails when nobody waits for the root any more.
struct Awaited<'a, R> {
    tar: R,
    caller: &'a Weak<()>,
}

impl<R: Read> Read for Awaited<'_, R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        check(self.caller).map_err(io::Error::other)?;
        self.tar.read(output)
    }
}

fn check(caller: &Weak<()>) -> Result<(), Error> {
    if caller.strong_count() > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Cancelled, "the unpacking was given up"))
}
