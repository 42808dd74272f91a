//! Copies images between registries and stores: children first, concurrently, resumable.
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
//! A copy converts nothing: bytes are the same on both sides, or the copy fails before anything is written.
//! It retries nothing, because the source and the sink know what may be repeated. It needs a tokio runtime;
//! the crate has no features.
//!
//! # How it goes
//!
//! [`copy`] is [`plan`] followed by [`Plan::execute`]. A [`Plan`] states, before anything is written, which
//! items will be copied, mounted or skipped, in bytes and calls. All refusals are made there: by a
//! [`Gate`], by a sink that cannot store a type or an algorithm, by the limits.
//!
//! The execution first checks for each blob whether the sink has it or can mount it, while others are
//! copied. Each blob is copied on a task of its own, so that blobs are hashed on several cores. Manifests
//! follow from the leaves up, those of one level concurrently; then [`Referrers`], if requested; the root
//! and its name last, so that a name never points at an incomplete image. [`Signatures`] that are carried or made
//! follow the name: an image without them is complete, and the same copy adds them.
//!
//! An interrupted copy has no state of its own. The same call in this or another process skips what is
//! complete, and the sink resumes blobs of which it has a part. Dropping the future aborts all tasks, and
//! no name is set afterwards, unless the sink was setting it just then: a store's thread and a registry
//! finish what they have begun.
//!
//! # Round trips
//!
//! Round trips in sequence, for an image of *n* small blobs including its config; tests count them. A
//! pushed blob needs two (distribution-spec, *Pushing a blob in two requests*). Only one side is remote.
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
//! | signatures, if they are carried | those of the source's kinds, read side by side | before the blobs; written after the name |
//!
//! The sink is asked for the root before its blobs. That costs a round trip, but if nothing has changed the
//! answer makes all other questions unnecessary. [`Options::with_byte_budget`] says why 32 blobs are copied
//! at a time.
//!
//! # Limits
//!
//! Hostile documents are bounded: 4 levels of manifests ([`MAX_DEPTH`]), 2,000 manifests
//! ([`MAX_MANIFESTS`]) of 32 MiB in total ([`MAX_MANIFEST_BYTES`]), 20,000 manifests and blobs
//! ([`MAX_ITEMS`]), 1,000 referrers of one manifest. [`Options::with_max_size`] bounds the size that an
//! image may state.
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
mod signatures;
mod transfer;
mod walk;

pub use options::Options;
pub use plan::{Action, Amount, Plan, RequestCounts, Step};
pub use prepare::plan;
pub use referrers::Referrers;
pub use report::Report;
pub use selection::{Selection, select};
pub use signatures::{SignatureCounts, Signatures};
#[doc(no_inline)]
pub use wharf_content::{
    Gate, MAX_DEPTH, MAX_ITEMS, MAX_MANIFEST_BYTES, MAX_MANIFESTS, Rejection, Role, Visits,
};

use std::sync::Arc;

use wharf_content::{Error, Sink, Source, Target, Wanted};

/// Copies the image or index that `target` means in `source` to `sink`: makes a [`Plan`] and executes it.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, ImageConfig, Name, Platform};
/// use wharf_copy::{Options, copy};
/// use wharf_store::Memory;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let config = ImageConfig::builder(Platform::host()).build()?;
/// let image = ImageBuilder::new().with_config(config).build()?;
/// let target = image.digest().clone().into();
/// let options = Options::default().with_name(Name::parse("app:1")?);
/// let report = copy(Arc::new(image), Arc::new(Memory::new()), &target, options).await?;
/// assert_eq!(report.outcomes().count(), 2); // the config and the manifest
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The errors of the source and the sink; [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if no
/// image of an index fits the platform, [`ErrorKind::Rejected`](wharf_content::ErrorKind::Rejected) from
/// a [`Gate`], and the error of a gate that could not decide;
/// [`ErrorKind::TooLarge`](wharf_content::ErrorKind::TooLarge) beyond a limit. Content that was complete
/// before the failure stays in the sink, without a name.
pub async fn copy(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
) -> Result<Report, Error> {
    if options.signatures.carry != Signatures::Leave {
        source.expect_signatures(Wanted::EVERYTHING);
    }
    prepare::walk(source, sink, target, options)
        .await?
        .execute()
        .await
}
