//! The ways to send bytes whose number is not known before, and their order after a refusal.
//!
//! The first row that fits applies; *passing* is as [above](super). *Kept* are the bytes that were sent last, which can
//! be sent again ([`Replay`](crate::push::replay::Replay)). Before bytes are sent in chunks, the registry is asked how
//! many it has; if these are not kept, the upload fails.
//!
//! | sent | refused with | next | remembered of the registry |
//! |---|---|---|---|
//! | in any way | 401, `UNAUTHORIZED`, `DENIED`, `NAME_UNKNOWN` or `NAME_INVALID` | nothing: that is final | |
//! | the rest in one PATCH | 413 | at once, chunks of a quarter of what was read | the size of the chunks |
//! | a chunk of more than 1 MiB | 413 | at once, chunks of a quarter | the size of the chunks |
//! | the rest in one PATCH | 411 | at once, chunks of as much as is kept | |
//! | in any way, and all bytes are kept | 405, 415 or 501 | at once, whole, from a temporary file | no PATCH |
//! | in any way, and all bytes are kept | 404, or 400 that does not complain about the bytes | at once, whole, from a temporary file | |
//! | the rest in one PATCH | a passing reason | after a wait, chunks of as much as is kept | |
//! | a chunk | no status, passing | after a wait, chunks of a quarter | |
//! | a chunk | another passing reason | after a wait, in the same way | |
//! | in any way | any other | nothing | |

use wharf_reference::Registry;

use super::{NextStep, SMALLEST_CHUNK, is_final};
use crate::{
    Client,
    error::Error,
    push::{arrived_changed, may_try_again, replay::KEPT_OF_A_STREAM},
};

/// The way in which an upload of unknown length sends its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) enum StreamMethod {
    /// All that follow in one PATCH, as they are made.
    Rest,
    /// In chunks of this many bytes, each of which is known before it is sent.
    Chunks(u64),
    /// In the request that closes the session, after all bytes were written to a temporary file.
    Spooled,
}

/// The methods for one stream at one registry, one after the other.
pub(in crate::push) struct StreamStrategy<'a> {
    client: &'a Client,
    registry: &'a Registry,
    method: StreamMethod,
}

impl<'a> StreamStrategy<'a> {
    pub(in crate::push) fn new(client: &'a Client, registry: &'a Registry) -> Self {
        let quirks = client.host(registry).upload_quirks;
        let method = match quirks.chunk {
            _ if quirks.no_patch => StreamMethod::Spooled,
            Some(chunk) => StreamMethod::Chunks(chunk.min(KEPT_OF_A_STREAM)),
            None => StreamMethod::Rest,
        };
        Self {
            client,
            registry,
            method,
        }
    }

    pub(in crate::push) const fn method(&self) -> StreamMethod {
        self.method
    }

    /// The next step after a request with `sent` bytes failed. Changes the method if another one is to be tried.
    pub(in crate::push) fn after(&mut self, error: &Error, sent: u64, all_kept: bool) -> NextStep {
        let was_whole = self.method == StreamMethod::Rest;
        // A registry may want chunks that are larger than it takes.
        let sent = match self.method {
            StreamMethod::Chunks(chunk) => chunk.min(sent),
            _ => sent,
        };
        match error.status() {
            _ if is_final(error) => NextStep::Never,
            Some(413) if was_whole || sent > SMALLEST_CHUNK => {
                let chunk = quarter(sent);
                self.method = StreamMethod::Chunks(chunk);
                self.client
                    .learn(self.registry, |host| host.upload_quirks.chunk = Some(chunk));
                NextStep::AtOnce
            }
            Some(411) if was_whole => {
                self.method = StreamMethod::Chunks(KEPT_OF_A_STREAM);
                NextStep::AtOnce
            }
            Some(status @ (400 | 404 | 405 | 415 | 501)) if all_kept && !arrived_changed(error) => {
                if matches!(status, 405 | 415 | 501) {
                    self.client
                        .learn(self.registry, |host| host.upload_quirks.no_patch = true);
                }
                self.method = StreamMethod::Spooled;
                NextStep::AtOnce
            }
            status if may_try_again(error) => {
                if was_whole {
                    self.method = StreamMethod::Chunks(KEPT_OF_A_STREAM);
                } else if status.is_none() {
                    // A proxy that closes the connection instead of answering 413 looks like a broken connection.
                    self.method = StreamMethod::Chunks(quarter(sent));
                }
                NextStep::Later
            }
            _ => NextStep::Never,
        }
    }
}

/// A quarter of the bytes that were refused, within the size of the smallest chunk and what is kept.
fn quarter(bytes: u64) -> u64 {
    (bytes / 4).clamp(SMALLEST_CHUNK, KEPT_OF_A_STREAM)
}
