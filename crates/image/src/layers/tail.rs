//! The end of the tar of a layer.

use wharf_content::Error;
use wharf_layer::tar::{Limits, Reader};

/// The most members of a tar whose end is looked for: the names of all are remembered, in some 20 bytes each.
const MAX_MEMBERS: u64 = 200_000;

/// Reads a tar for what follows its end. That is no reason to refuse a layer: the `diff_id` covers it, and no reader
/// parses it. Nor is a stored layer refused whose tar cannot be read; one that is added is.
pub(super) struct Tail {
    /// `None` after an error.
    reader: Option<Reader>,
    strict: bool,
}

impl Tail {
    pub(super) fn new() -> Self {
        let limits = Limits::default().with_members(MAX_MEMBERS);
        Self {
            reader: Some(Reader::new(limits)),
            strict: false,
        }
    }

    pub(super) fn strict() -> Self {
        Self {
            reader: Some(Reader::new(Limits::default())),
            strict: true,
        }
    }

    pub(super) fn read(&mut self, mut tar: &[u8]) -> Result<(), Error> {
        while let Some(reader) = &mut self.reader {
            match reader.next_event(&mut tar) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if self.strict => return Err(error),
                Err(_) => self.reader = None,
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Option<u64>, Error> {
        match self.reader.map(Reader::finish) {
            Some(Ok(ended)) => Ok(Some(ended.trailing)),
            Some(Err(error)) if self.strict => Err(error),
            Some(Err(_)) | None => Ok(None),
        }
    }
}
