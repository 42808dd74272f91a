//! Syncs written bytes in the background while more arrive, so that the sync at the end is short.

use std::{
    fs::File,
    io,
    thread::{self, JoinHandle},
};

/// The number of bytes written between two syncs.
const STEP: u64 = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Flush {
    at: u64,
    running: Option<JoinHandle<io::Result<()>>>,
    /// The error of a failed sync. Its bytes may be lost, and no later sync would report that.
    failed: Option<io::Error>,
}

impl Flush {
    /// Starts a sync if enough has been written since the last one and none is running.
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

    /// Waits for the last sync; an error if any has failed.
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
