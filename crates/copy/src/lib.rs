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
mod options;
mod plan;
mod report;

pub use options::{Gate, Options, Rejection, Selection};
pub use plan::{Action, Plan, Step, plan, select};
pub use report::Report;

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
    plan::walk(source, sink, target, options).await?.execute().await
}
