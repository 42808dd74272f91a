//! How the bytes of a blob are sent, and what is tried after a refusal.
//!
//! | refused | what is tried next |
//! |---|---|
//! | the session itself, or anything with `NAME_UNKNOWN`, `NAME_INVALID`, `DENIED` or 401 | nothing: that is final |
//! | a session that a refused mount opened | at once, a session of its own |
//! | the whole blob, with 413 | at once, chunks of half its size, at least 1 MiB; one request with a smaller blob |
//! | the whole blob, with another 4xx or with 501 | at once, its bytes in one PATCH, then an empty PUT |
//! | the whole blob for a passing reason: 404, 416, 5xx, a broken connection | after a wait, the same; the second time (the third, of a connection) by PATCH |
//! | a PATCH with 413 | at once, chunks of a quarter |
//! | a PATCH with 400, 404, 405, 415 or 501 | at once, the whole blob again, and PATCH no more |
//! | bytes that, as the registry says, are not those of the digest or size | after a wait, the same once more |
//!
//! The client remembers of each registry how it takes uploads: the size of chunks that it takes, whether it wants
//! PATCH, and whether it refuses PATCH.

use wharf_reference::Registry;

use super::{arrived_changed, may_try_again};
use crate::{Client, error::Error};

/// The size of chunks, unless the registry wants larger or takes only smaller ones.
const CHUNK: u64 = 16 * 1024 * 1024;
/// The fewest bytes of one chunk of an upload, unless the registry takes only smaller ones.
const SMALLEST_CHUNK: u64 = 1024 * 1024;

/// How an upload sends its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// In the request that closes the session (distribution-spec, *POST then PUT*).
    Whole,
    /// In one PATCH, as Docker sends them.
    Patch,
    /// In chunks of this size (distribution-spec, *Pushing a blob in chunks*).
    Chunks(u64),
}

/// The ways in which a registry takes uploads, as learned from its answers.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct UploadQuirks {
    /// It refused a whole blob for its size, but takes chunks of this size.
    chunk: Option<u64>,
    /// It refused a whole blob, but takes one by PATCH.
    wants_patch: bool,
    /// It does not take PATCH.
    no_patch: bool,
}

/// The next step of an upload after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Send the bytes in another way at once. This is no repetition and takes nothing from the retry budget.
    AtOnce,
    /// Send the bytes in the same or another way, after a wait.
    Later,
    /// Give up: the upload fails with the error.
    Never,
}

/// The plans for one blob at one registry, one after the other.
pub(super) struct UploadStrategy<'a> {
    client: &'a Client,
    registry: &'a Registry,
    size: u64,
    plan: Plan,
    /// How often the plan has failed for a passing reason.
    failures: u32,
    patch_was_refused: bool,
    has_arrived_changed: bool,
}

impl<'a> UploadStrategy<'a> {
    pub(super) fn new(client: &'a Client, registry: &'a Registry, size: u64) -> Self {
        let quirks = client.host(registry).upload_quirks;
        let plan = match quirks.chunk {
            _ if quirks.no_patch => Plan::Whole,
            Some(chunk) => Plan::Chunks(chunk),
            None if quirks.wants_patch => Plan::Patch,
            None => Plan::Whole,
        };
        Self {
            client,
            registry,
            size,
            plan,
            failures: 0,
            patch_was_refused: false,
            has_arrived_changed: false,
        }
    }

    pub(super) const fn plan(&self) -> Plan {
        self.plan
    }

    /// The blob is stored.
    pub(super) fn succeeded(&self) {
        if self.plan == Plan::Patch && self.size > 0 {
            self.client
                .learn(self.registry, |host| host.upload_quirks.wants_patch = true);
        }
    }

    /// The next step after the current plan failed with this error. Changes the plan if another one is to be tried.
    pub(super) fn after(&mut self, error: &Error) -> NextStep {
        if is_final(error) {
            return NextStep::Never;
        }
        let next = match self.plan {
            Plan::Whole => self.after_whole(error),
            Plan::Patch | Plan::Chunks(_) => self.after_patch(error),
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
            // A proxy that hangs up instead of answering 413 looks like a bad connection.
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
            self.switch(Plan::Chunks(chunk));
            if error.status() == Some(413) {
                self.remember_chunk(chunk);
            }
        } else {
            self.switch(Plan::Patch);
        }
        if may_pass {
            NextStep::Later
        } else {
            NextStep::AtOnce
        }
    }

    fn after_patch(&mut self, error: &Error) -> NextStep {
        let chunk = match self.plan {
            Plan::Chunks(chunk) => chunk.min(self.size),
            _ => self.size,
        };
        match error.status() {
            Some(413) if chunk > SMALLEST_CHUNK => {
                let chunk = (chunk / 4).max(SMALLEST_CHUNK);
                self.switch(Plan::Chunks(chunk));
                self.remember_chunk(chunk);
                NextStep::AtOnce
            }
            Some(400 | 404 | 405 | 415 | 501) if !arrived_changed(error) && !self.patch_was_refused => {
                if matches!(error.status(), Some(405 | 415 | 501)) {
                    self.client
                        .learn(self.registry, |host| host.upload_quirks.no_patch = true);
                }
                self.patch_was_refused = true;
                self.switch(Plan::Whole);
                NextStep::AtOnce
            }
            _ if may_try_again(error) => NextStep::Later,
            _ => NextStep::Never,
        }
    }

    fn switch(&mut self, plan: Plan) {
        self.plan = plan;
        self.failures = 0;
    }

    fn remember_chunk(&self, chunk: u64) {
        self.client
            .learn(self.registry, |host| host.upload_quirks.chunk = Some(chunk));
    }
}

/// Whether no other way of sending the bytes can help.
pub(super) fn is_final(error: &Error) -> bool {
    const FINAL: [&str; 4] = ["NAME_UNKNOWN", "NAME_INVALID", "DENIED", "UNAUTHORIZED"];
    let codes = error.registry_errors();
    error.status() == Some(401) || codes.iter().any(|said| FINAL.contains(&said.code.as_str()))
}
