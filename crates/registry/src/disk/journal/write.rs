//! Writing groups of changes to the journal, and recovering it after a failure that leaves its state unknown.

use std::io::{Seek as _, SeekFrom, Write as _};

use wharf_content::Error;

use super::{
    SharedJournal, Tail,
    open::rewrite,
    queue::{Broken, QueuedChanges},
};
use crate::disk::files::At as _;

/// The effect of a write that failed.
enum Failed {
    /// The file is as it was before.
    Undone(Error),
    /// The state of the file on the disk is unknown.
    Unknown(Error),
}

impl SharedJournal {
    pub(super) fn append(&self, tail: &mut Tail, waiting: Vec<QueuedChanges>) {
        if waiting.is_empty() {
            return;
        }
        let bytes = waiting.iter().map(|waiting| waiting.bytes.as_slice());
        let bytes = bytes.collect::<Vec<_>>().concat();
        let written = self.write_group(tail, &bytes);
        if written.is_ok() {
            *self.length() = tail.length;
        }
        let failed = match written {
            Ok(()) => None,
            Err(Failed::Undone(error)) => Some(error),
            Err(Failed::Unknown(error)) => {
                self.queue().broken = Some(Broken::by(&error));
                self.recover(tail);
                Some(error)
            }
        };
        for waiting in waiting {
            let outcome = failed.as_ref().map_or(Ok(()), |error| Err(copy(error)));
            let _ = waiting.sender.send(outcome); // who waited may have gone
        }
    }

    fn write_group(&self, tail: &mut Tail, changes: &[u8]) -> Result<(), Failed> {
        let group = tail.id.group(tail.length, changes).map_err(Failed::Undone)?;
        let start = tail.file.seek(SeekFrom::Start(tail.length));
        let written = start
            .and_then(|_| tail.file.write_all(&group))
            .at("write", &self.path);
        if let Err(error) = written {
            return match tail.file.set_len(tail.length).at("truncate", &self.path) {
                Ok(()) => Err(Failed::Undone(error)),
                Err(error) => Err(Failed::Unknown(error)),
            };
        }
        (self.sync)(&tail.file)
            .at("sync", &self.path)
            .map_err(Failed::Unknown)?;
        tail.length += group.len() as u64;
        Ok(())
    }

    /// Rewrites the journal if its state is unknown. If that fails, the writers that wait get the error.
    pub(super) fn recover(&self, tail: &mut Tail) {
        if self.queue().broken.is_none() {
            return;
        }
        let recovered = {
            let mut length = self.length();
            rewrite(&self.path, tail.length, &self.sync).map(|rewritten| {
                *tail = rewritten;
                *length = tail.length;
            })
        };
        let mut queue = self.queue();
        queue.broken = recovered.err().map(|error| Broken::by(&error));
        if let Some(error) = queue.broken.as_ref().map(Broken::error) {
            for waiting in queue.waiting.drain(..) {
                let _ = waiting.sender.send(Err(copy(&error))); // who waited may have gone
            }
        }
    }
}

fn copy(error: &Error) -> Error {
    Error::new(error.kind(), describe(error))
}

pub(super) fn describe(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
