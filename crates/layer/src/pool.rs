//! Threads that do jobs side by side; the results come back in the order of the jobs.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use crate::{Error, ErrorKind};

/// A job, and where its result goes.
type Order<J, R> = (J, mpsc::Sender<R>);

/// Threads that make an `R` of a `J` each.
pub(crate) struct Pool<J, R> {
    orders: Option<mpsc::Sender<Order<J, R>>>,
    /// Of the jobs that were ordered, in their order.
    results: VecDeque<mpsc::Receiver<R>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static, R: Send + 'static> Pool<J, R> {
    /// Starts threads with this name. Fewer, if the system refuses some.
    ///
    /// # Errors
    ///
    /// The system's, if it refuses all.
    pub(crate) fn start(
        name: &str,
        threads: usize,
        work: impl Fn(J) -> R + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel();
        let shared = Arc::new((Mutex::new(queue), work));
        let mut pool = Self {
            orders: Some(orders),
            results: VecDeque::new(),
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            let started = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(&shared.0, &shared.1));
            match started {
                Ok(thread) => pool.threads.push(thread),
                Err(error) if pool.threads.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(pool)
    }

    /// Orders a job. If every thread has one, and one more waits, the result of the first of them is awaited and returned.
    pub(crate) fn push(&mut self, job: J) -> Result<Option<R>, Error> {
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

    /// Waits for the result of the first job that was ordered and whose result was not returned. `None`: all were.
    pub(crate) fn next(&mut self) -> Result<Option<R>, Error> {
        match self.results.pop_front() {
            Some(result) => result.recv().map(Some).map_err(|_| ended()),
            None => Ok(None),
        }
    }
}

/// Ends the threads, after the jobs that they have begun.
impl<J, R> Drop for Pool<J, R> {
    fn drop(&mut self) {
        self.results.clear();
        self.orders = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn serve<J, R>(queue: &Mutex<mpsc::Receiver<Order<J, R>>>, work: &impl Fn(J) -> R) {
    loop {
        let order = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, result)) = order else {
            return;
        };
        // Whoever ordered the job may be gone.
        let _ = result.send(work(job));
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Other, "a thread that makes a layer has ended")
}
