//! Copies images between registries and stores: children first, in parallel, resumable.
//!
//! ```no_run
//! # async fn example(
//! #     registry: std::sync::Arc<dyn wharf_content::Source>,
//! #     store: std::sync::Arc<dyn wharf_content::Sink>,
//! # ) -> Result<(), wharf_content::Error> {
//! use wharf_content::Name;
//! use wharf_copy::{Options, copy};
//!
//! let name = Name::parse("latest")?;
//! let options = Options::default().with_name(name.clone());
//! let report = copy(registry, store, &name.into(), options).await?;
//! println!("{}", report.digest());
//! # Ok(())
//! # }
//! ```
//!
//! It converts nothing: bytes are the same on both sides, or the copy fails before anything moves. It retries nothing:
//! that is for the source and the sink, which know what may be repeated. It needs a tokio runtime, and no feature
//! has to be chosen.
//!
//! # How it goes
//!
//! [`copy`] is [`plan`] followed by [`Plan::execute`]. A [`Plan`] says what would move before anything does, and
//! can be shown: which items are copied, mounted, skipped, in bytes and calls. Everything that can be
//! refused is refused there: by the [`Gate`], by the sink that cannot keep a type or an algorithm, by the limits.
//!
//! Execution checks each blob (is it there, can it be mounted) while others move, on tasks of their own so that
//! they are hashed on as many cores; then come manifests from the leaves up, those of one level at once; then
//! [`Referrers`], if they were asked for; the root and its name last, so that a name never points at something
//! incomplete.
//!
//! Nothing needs to be kept for an interrupted copy to continue, in this or another process: the same call again
//! skips what is complete, and the sink goes on with the blobs it has a part of. Dropping the future at any point
//! aborts every task, and no name appears after that, unless the sink was giving it just then: what a store does on
//! a thread of its own, or a registry on its side, is not called back.
//!
//! # Round trips
//!
//! What follows each other, for an image of *n* small blobs, its config included; tests count it. A pushed blob takes
//! two (distribution-spec, *Pushing a blob in two requests*); the other side is near.
//!
//! | copy | round trips | which |
//! |---|---|---|
//! | pull | 1 + ⌈*n*/32⌉ | manifest; blobs |
//! | pull from an index | 2 + ⌈*n*/32⌉ | index; manifest; blobs; 1 more for each index nested in it on the way |
//! | pull again, nothing changed | 1 | manifest, or index where the sink can read what it has |
//! | push | 3 + 2⌈*n*/32⌉ | root asked for; blobs asked for, the rest while others move; blobs; root |
//! | push again | 2 | root asked for; name |
//! | within one registry | 3 + ⌈*n*/32⌉ | manifest; root asked for; blobs mounted unasked; root |
//! | each level of an index | 2, and 1 for the manifests | asked for; read; pushed |
//! | each depth of referrers | 3, and 1 for the manifests | listed; asked for; read; pushed |
//!
//! The root is asked for before its blobs, though that costs a round trip, because the answer spares all other
//! questions when nothing has changed. Why 32 at a time: [`Options::with_byte_budget`].
//!
//! # Limits
//!
//! Against hostile documents: 4 levels of indexes ([`MAX_DEPTH`]), 2,000 manifests ([`MAX_MANIFESTS`]) of 32 MiB
//! together ([`MAX_MANIFEST_BYTES`]), 20,000 manifests and blobs ([`MAX_ITEMS`]), 1,000 referrers of one manifest. [`Options::with_max_size`] bounds what an image may claim to have.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ends;
mod execute;
mod levels;
mod options;
mod parallel;
mod plan;
mod prepare;
mod referrers;
mod report;
mod schedule;
mod selection;
mod transfer;
mod walk;

pub use options::Options;
pub use plan::{Action, Amount, Calls, Plan, Step};
pub use prepare::plan;
pub use referrers::Referrers;
pub use report::Report;
pub use selection::{Selection, select};
#[doc(no_inline)]
pub use wharf_content::{Gate, MAX_DEPTH, MAX_ITEMS, MAX_MANIFEST_BYTES, MAX_MANIFESTS, Rejection, Visits};

use std::sync::Arc;

use wharf_content::{Error, Sink, Source, Target};

/// Copies what `target` is in `source` to `sink`: plans, then executes.
///
/// # Errors
///
/// Those of the source and the sink; [`wharf_content::ErrorKind::NotFound`] if no manifest of an index fits the
/// platform asked for, [`wharf_content::ErrorKind::Rejected`] from the [`Gate`]. After a failure everything
/// that was complete stays at the destination, unnamed.
pub async fn copy(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
) -> Result<Report, Error> {
    prepare::walk(source, sink, target, options)
        .await?
        .execute()
        .await
}
