//! Sends written bytes to the disk while more arrive, so that the sync at the end has little left to do.

use std::{
    fs::File,
    io,
    thread::{self, JoinHandle},
};

/// How many bytes are written between two flushes.
const STEP: u64 = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Flush {
    at: u64,
    running: Option<JoinHandle<io::Result<()>>>,
    /// A sync that failed: what it was about is lost, and no later sync would say so.
    failed: Option<io::Error>,
}

impl Flush {
    /// Starts a flush if enough has been written since the last one and none is running.
    pub(super) fn step(&mut self, file: &File, written: u64) {
        if written < self.at.saturating_add(STEP) {
            return;
        }
        if self
            .running
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            return;
        }
        self.at = written;
        self.join();
        let Ok(file) = file.try_clone() else {
            return; // the sync at the end does it all then
        };
        let flush = thread::Builder::new().name("wharf-flush".to_owned());
        self.running = flush.spawn(move || file.sync_data()).ok();
    }

    /// Waits for the last flush; fails if any has.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.join();
        self.failed.take().map_or(Ok(()), Err)
    }

    fn join(&mut self) {
        let result = self.running.take().map(JoinHandle::join);
        if let Some(Ok(Err(error))) = result {
            self.failed = Some(error);
        }
    }
}
