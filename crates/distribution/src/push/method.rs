//! The ways to send the bytes of a blob, and their order after a refusal.
//!
//! | refused | next |
//! |---|---|
//! | the session itself, or any request with `NAME_UNKNOWN`, `NAME_INVALID`, `DENIED` or 401 | nothing: that is final |
//! | a session that a refused mount opened | at once, a session of its own |
//! | the whole blob, with 413 | at once, chunks of half its size, at least 1 MiB; one request for a smaller blob |
//! | the whole blob, with another 4xx or with 501 | at once, its bytes in one PATCH, then an empty PUT |
//! | the whole blob for a passing reason: 404, 416, 5xx, a broken connection | after a wait, the whole blob; the second time (the third, of a connection) by PATCH |
//! | a PATCH with 413 | at once, chunks of a quarter |
//! | a PATCH with 400, 404, 405, 415 or 501 | at once, the whole blob, and no PATCH afterwards |
//! | bytes that do not match digest or size, according to the registry | after a wait, once more |
//!
//! The client remembers for each registry how it accepts uploads: the chunk size that it accepts, and
//! whether it needs or refuses PATCH.

use wharf_reference::Registry;

use super::{arrived_changed, may_try_again};
use crate::{Client, error::Error};

/// The size of chunks in bytes, unless the registry requires larger ones or accepts only smaller ones.
const CHUNK: u64 = 16 * 1024 * 1024;
/// The fewest bytes of one chunk of an upload, unless the registry takes only smaller ones.
const SMALLEST_CHUNK: u64 = 1024 * 1024;

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

/// The ways in which a registry accepts uploads, as learned from its answers.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct UploadQuirks {
    /// It refused a whole blob because of its size, and accepts chunks of this size in bytes.
    chunk: Option<u64>,
    /// It refused a whole blob, and accepts one by PATCH.
    wants_patch: bool,
    /// It refuses PATCH.
    no_patch: bool,
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
        let may_pass = may_try_again(error);
        let is_out = self.patch_was_refused || self.client.host(self.registry).upload_quirks.no_patch;
        let is_refused = match error.status() {
            _ if is_out => false,
            Some(429 | 503) => false,
            Some(_) if may_pass => self.failures >= 2,
            Some(status) => matches!(status, 400..=499 | 501),
            // A proxy that closes the connection instead of answering 413 looks like a broken connection.
            None => may_pass && (self.failures >= 3 || self.size > 4 * CHUNK),
        };
        if !is_refused {
            return if may_pass {
                NextStep::Later
            } else {
                NextStep::Never
            };
        }
        let is_large = error.status() == Some(413) || error.status().is_none();
        if is_large && self.size > SMALLEST_CHUNK {
            let chunk = CHUNK.min(self.size / 2).max(SMALLEST_CHUNK);
            self.switch(UploadMethod::Chunks(chunk));
            if error.status() == Some(413) {
                self.remember_chunk(chunk);
            }
        } else {
            self.switch(UploadMethod::Patch);
        }
        if may_pass {
            NextStep::Later
        } else {
            NextStep::AtOnce
        }
    }

    fn after_patch(&mut self, error: &Error) -> NextStep {
        let chunk = match self.method {
            UploadMethod::Chunks(chunk) => chunk.min(self.size),
            _ => self.size,
        };
        match error.status() {
            Some(413) if chunk > SMALLEST_CHUNK => {
                let chunk = (chunk / 4).max(SMALLEST_CHUNK);
                self.switch(UploadMethod::Chunks(chunk));
                self.remember_chunk(chunk);
                NextStep::AtOnce
            }
            Some(400 | 404 | 405 | 415 | 501) if !arrived_changed(error) && !self.patch_was_refused => {
                if matches!(error.status(), Some(405 | 415 | 501)) {
                    self.client
                        .learn(self.registry, |host| host.upload_quirks.no_patch = true);
                }
                self.patch_was_refused = true;
                self.switch(UploadMethod::Whole);
                NextStep::AtOnce
            }
            _ if may_try_again(error) => NextStep::Later,
            _ => NextStep::Never,
        }
    }

    fn switch(&mut self, method: UploadMethod) {
        self.method = method;
        self.failures = 0;
    }

    fn remember_chunk(&self, chunk: u64) {
        self.client
            .learn(self.registry, |host| host.upload_quirks.chunk = Some(chunk));
    }
}

/// True if no other way of sending the bytes can succeed.
pub(super) fn is_final(error: &Error) -> bool {
    const FINAL: [&str; 4] = ["NAME_UNKNOWN", "NAME_INVALID", "DENIED", "UNAUTHORIZED"];
    let codes = error.registry_errors();
    error.status() == Some(401) || codes.iter().any(|said| FINAL.contains(&said.code.as_str()))
}
