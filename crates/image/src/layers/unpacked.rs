use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

use wharf_content::{Error, ErrorKind};

/// The bytes that the layers of an image unpack to, all together, beside the most that they may.
#[derive(Debug)]
pub(crate) struct Unpacked {
    limit: u64,
    used: AtomicU64,
}

impl Unpacked {
    pub(crate) const fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }

    /// Counts bytes of a layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if there are more than the limit now.
    pub(crate) fn add(&self, bytes: usize) -> Result<(), Error> {
        let bytes = bytes as u64;
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        let message = format!(
            "the layers of the image unpack to more than that: the limit `max_unpacked` is {}",
            self.limit
        );
        Err(Error::new(ErrorKind::TooLarge, message))
    }
}

/// A tar whose bytes are counted with those of the other layers.
pub(crate) struct Counted<'a, R> {
    pub(crate) tar: R,
    pub(crate) unpacked: &'a Unpacked,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let count = self.tar.read(output)?;
        self.unpacked.add(count).map_err(io::Error::other)?;
        Ok(count)
    }
}
