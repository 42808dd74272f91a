//! Threads that compress blocks side by side; the blocks come back in order.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use super::block::Block;
use crate::{Error, ErrorKind};

/// The most threads of one encoder.
pub(super) const MAX_THREADS: usize = 64;

/// A block to compress.
pub(super) struct Job {
    pub(super) block: Block,
    /// True for the last block of the member.
    pub(super) last: bool,
}

type Compressed = Result<Block, Error>;

/// A job, and where its result goes.
type Order = (Job, mpsc::Sender<Compressed>);

pub(super) struct Pool {
    orders: Option<mpsc::Sender<Order>>,
    /// Of the blocks that were ordered, in their order.
    results: VecDeque<mpsc::Receiver<Compressed>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts threads. Fewer, if the system refuses some.
    ///
    /// # Errors
    ///
    /// The system's, if it refuses all.
    pub(super) fn start(level: u8, threads: usize) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut pool = Self {
            orders: Some(orders),
            results: VecDeque::new(),
            threads: Vec::new(),
        };
        for _ in 0..threads.min(MAX_THREADS) {
            let queue = Arc::clone(&queue);
            let started = thread::Builder::new()
                .name("wharf-gzip".to_owned())
                .spawn(move || work(level, &queue));
            match started {
                Ok(thread) => pool.threads.push(thread),
                Err(error) if pool.threads.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(pool)
    }

    /// Orders a block. If every thread has one, and one more waits, the first of them is awaited and returned.
    pub(super) fn push(&mut self, job: Job) -> Result<Option<Block>, Error> {
        let first = if self.results.len() > self.threads.len() {
            self.next()?
        } else {
            None
        };
        let (sender, receiver) = mpsc::channel();
        let orders = self.orders.as_ref().ok_or_else(ended)?;
        orders.send((job, sender)).map_err(|_| ended())?;
        self.results.push_back(receiver);
        Ok(first)
    }

    /// Waits for the first block that was ordered and not returned. `None`: all were.
    pub(super) fn next(&mut self) -> Result<Option<Block>, Error> {
        match self.results.pop_front() {
            Some(result) => result.recv().map_err(|_| ended())?.map(Some),
            None => Ok(None),
        }
    }
}

/// Ends the threads, after the blocks that they have begun.
impl Drop for Pool {
    fn drop(&mut self) {
        self.results.clear();
        self.orders = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn work(level: u8, queue: &Mutex<mpsc::Receiver<Order>>) {
    loop {
        let order = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((Job { mut block, last }, result)) = order else {
            return;
        };
        let compressed = block.compress(level, last).map(|()| block);
        // Whoever ordered the block may be gone.
        let _ = result.send(compressed);
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Other, "a thread that compresses has ended")
}
