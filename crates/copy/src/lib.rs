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
//! [`copy`] is [`plan`] followed by [`Plan::execute`]. A plan says what would move before anything does; execution
//! moves blobs in parallel on separate tasks, then manifests from the leaves up, and the root with its name last,
//! so that a name never points at something incomplete. What is already there is skipped, which is also how an
//! interrupted copy continues.
//!
//! It converts nothing: bytes are the same on both sides, or the copy fails.

mod execute;
mod gate;
mod levels;
mod options;
mod parallel;
mod places;
mod plan;
mod prepare;
mod referrers;
mod report;
mod schedule;
mod selection;
mod transfer;
mod walk;

pub use gate::{Gate, Rejection};
pub use options::Options;
pub use plan::{Action, Amount, Calls, Plan, Step};
pub use prepare::plan;
pub use referrers::Referrers;
pub use report::Report;
pub use selection::{Selection, select};

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
