//! The ways to send the bytes of a blob, and their order after a refusal.
//!
//! The first row that fits applies. A *passing* reason is one of [`may_try_again`]: a transient status, 404, 416, a
//! connection that broke or was too slow. Failures are counted for each way anew. *Chunks of half* (or of a quarter)
//! have that part of the bytes of the refused request, but at least 1 MiB and at most 16 MiB.
//!
//! | sent | refused with | next | remembered of the registry |
//! |---|---|---|---|
//! | in any way | 401, `UNAUTHORIZED`, `DENIED`, `NAME_UNKNOWN` or `NAME_INVALID` | nothing: that is final | |
//! | whole, after PATCH was refused | a passing reason | after a wait, whole again | |
//! | whole, after PATCH was refused | any other | nothing | |
//! | whole | 429 or 503 | after a wait, whole again | |
//! | whole, more than 1 MiB | 413 | at once, chunks of half | the size of the chunks |
//! | whole, 1 MiB or less | 413 | at once, one PATCH | |
//! | whole | another passing status, as the first failure | after a wait, whole again | |
//! | whole | another passing status, as a later failure | after a wait, one PATCH | |
//! | whole | another 4xx, or 501 | at once, one PATCH | |
//! | whole, 64 MiB or less | no status, passing, as the first or second failure | after a wait, whole again | |
//! | whole, more than 1 MiB | no status, passing | after a wait, chunks of half | |
//! | whole, 1 MiB or less | no status, passing | after a wait, one PATCH | |
//! | whole | any other | nothing | |
//! | by PATCH, more than 1 MiB | 413 | at once, chunks of a quarter | the size of the chunks |
//! | by PATCH | 405, 415 or 501 | at once, whole, and no PATCH afterwards | no PATCH |
//! | by PATCH | 404, or 400 that does not complain about the bytes | at once, whole, and no PATCH afterwards | |
//! | by PATCH | a passing reason | after a wait, in the same way | |
//! | by PATCH | any other | nothing | |
//! | in any way, if nothing would follow | 400 with `DIGEST_INVALID` or `SIZE_INVALID`, once | after a wait, in the same way | |
//!
//! A blob that was accepted by one PATCH is remembered too: the next ones are sent so. Not decided here is what follows
//! when no session was opened, when one that a refused mount had opened fails, and when a host that the registry named
//! for the upload fails: see [`Stage`](super::Stage).

mod stream;

use wharf_reference::Registry;

pub(super) use self::stream::{StreamMethod, StreamStrategy};

use super::{arrived_changed, may_try_again};
use crate::{Client, error::Error, send::denies_repository};

/// The most bytes of one chunk of an upload, unless the registry requires larger ones.
const LARGEST_CHUNK: u64 = 16 * 1024 * 1024;
/// The fewest bytes of one chunk of an upload, unless the registry takes only smaller ones.
const SMALLEST_CHUNK: u64 = 1024 * 1024;
/// The most bytes of a blob that is sent whole again after the connection broke.
const MAX_WHOLE_AGAIN: u64 = 64 * 1024 * 1024;

/// The way in which an upload sends its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadMethod {
    /// In the request that closes the session (distribution-spec, *POST then PUT*).
    Whole,
    /// In one PATCH, as Docker sends them.
    Patch,
    /// In chunks of this size (distribution-spec, *Pushing a blob in chunks*).
    Chunks(u64),
}

/// Deviations from the specification in how a registry accepts uploads, learned from its answers.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct UploadQuirks {
    /// It refused a whole blob because of its size, and accepts chunks of this size in bytes.
    chunk: Option<u64>,
    /// It refused a whole blob, and accepts one by PATCH.
    wants_patch: bool,
    /// It refuses PATCH.
    no_patch: bool,
    /// It does not state the digest of a blob that it has stored.
    pub(super) states_no_digest: bool,
}

/// The next step of an upload after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Send the bytes in another way at once. This is not a repetition and does not count against the retry
    /// budget.
    AtOnce,
    /// Send the bytes after a wait, in the same or another way.
    Later,
    /// The upload fails with the error.
    Never,
}

impl NextStep {
    const fn later_if(may_pass: bool) -> Self {
        if may_pass { Self::Later } else { Self::Never }
    }
}

/// The methods for one blob at one registry, one after the other.
pub(super) struct UploadStrategy<'a> {
    client: &'a Client,
    registry: &'a Registry,
    size: u64,
    method: UploadMethod,
    /// The number of failures of the method for passing reasons.
    failures: u32,
    patch_was_refused: bool,
    has_arrived_changed: bool,
}

impl<'a> UploadStrategy<'a> {
    pub(super) fn new(client: &'a Client, registry: &'a Registry, size: u64) -> Self {
        let quirks = client.host(registry).upload_quirks;
        let method = match quirks.chunk {
            _ if quirks.no_patch => UploadMethod::Whole,
            Some(chunk) => UploadMethod::Chunks(chunk),
            None if quirks.wants_patch => UploadMethod::Patch,
            None => UploadMethod::Whole,
        };
        Self {
            client,
            registry,
            size,
            method,
            failures: 0,
            patch_was_refused: false,
            has_arrived_changed: false,
        }
    }

    pub(super) const fn method(&self) -> UploadMethod {
        self.method
    }

    /// Records that the blob is stored.
    pub(super) fn succeeded(&self) {
        if self.method == UploadMethod::Patch && self.size > 0 {
            self.client
                .learn(self.registry, |host| host.upload_quirks.wants_patch = true);
        }
    }

    /// The next step after the current method failed with this error. Changes the method if another one is to
    /// be tried.
    pub(super) fn after(&mut self, error: &Error) -> NextStep {
        if is_final(error) {
            return NextStep::Never;
        }
        let next = match self.method {
            UploadMethod::Whole => self.after_whole(error),
            UploadMethod::Patch | UploadMethod::Chunks(_) => self.after_patch(error),
        };
        if next != NextStep::Never || !arrived_changed(error) || self.has_arrived_changed {
            return next;
        }
        self.has_arrived_changed = true;
        NextStep::Later
    }

    fn after_whole(&mut self, error: &Error) -> NextStep {
        self.failures += 1;
        let is_passing = may_try_again(error);
        match error.status() {
            _ if self.is_patch_refused() => NextStep::later_if(is_passing),
            Some(429 | 503) => NextStep::Later,
            Some(413) => {
                self.switch(self.half());
                self.remember_chunk();
                NextStep::AtOnce
            }
            Some(_) if is_passing => {
                if self.failures >= 2 {
                    self.switch(UploadMethod::Patch);
                }
                NextStep::Later
            }
            Some(400..=499 | 501) => {
                self.switch(UploadMethod::Patch);
                NextStep::AtOnce
            }
            // A proxy that closes the connection instead of answering 413 looks like a broken connection.
            None if is_passing => {
                if self.failures >= 3 || self.size > MAX_WHOLE_AGAIN {
                    self.switch(self.half());
                }
                NextStep::Later
            }
            _ => NextStep::Never,
        }
    }

    fn after_patch(&mut self, error: &Error) -> NextStep {
        let sent = match self.method {
            UploadMethod::Chunks(chunk) => chunk.min(self.size),
            _ => self.size,
        };
        match error.status() {
            Some(413) if sent > SMALLEST_CHUNK => {
                self.switch(chunks_of(sent / 4));
                self.remember_chunk();
                NextStep::AtOnce
            }
            Some(status @ (400 | 404 | 405 | 415 | 501)) if !arrived_changed(error) => {
                if matches!(status, 405 | 415 | 501) {
                    self.client
                        .learn(self.registry, |host| host.upload_quirks.no_patch = true);
                }
                self.patch_was_refused = true;
                self.switch(UploadMethod::Whole);
                NextStep::AtOnce
            }
            _ => NextStep::later_if(may_try_again(error)),
        }
    }

    fn is_patch_refused(&self) -> bool {
        self.patch_was_refused || self.client.host(self.registry).upload_quirks.no_patch
    }

    /// Chunks of half the blob; one PATCH for a blob that is no larger than the smallest chunk.
    fn half(&self) -> UploadMethod {
        if self.size > SMALLEST_CHUNK {
            chunks_of(self.size / 2)
        } else {
            UploadMethod::Patch
        }
    }

    fn switch(&mut self, method: UploadMethod) {
        self.method = method;
        self.failures = 0;
    }

    /// Remembers the size of chunks, if the method has one.
    fn remember_chunk(&self) {
        if let UploadMethod::Chunks(chunk) = self.method {
            self.client
                .learn(self.registry, |host| host.upload_quirks.chunk = Some(chunk));
        }
    }
}

/// Chunks of this many bytes, within the smallest and the largest size.
fn chunks_of(bytes: u64) -> UploadMethod {
    UploadMethod::Chunks(bytes.clamp(SMALLEST_CHUNK, LARGEST_CHUNK))
}

/// True if no other way of sending the bytes can succeed.
pub(super) fn is_final(error: &Error) -> bool {
    error.status() == Some(401) || denies_repository(error.registry_errors())
}

#[cfg(test)]
mod tests;
