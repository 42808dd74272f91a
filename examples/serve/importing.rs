//! The import of another registry's images, before this one serves.

use std::path::Path;

use anyhow::Context as _;
use wharf_registry::{Import, Registry};

use crate::report::say;

/// Takes over everything that can be, and says what cannot.
pub(crate) async fn import(source: &Path, keep_tags: bool, registry: &Registry) -> anyhow::Result<()> {
    let import = Import::open(source).await?;
    let import = import
        .with_keep_tags(keep_tags)
        .with_skipped(|item| say(format_args!("serve: not imported: {item}")));
    let report = import.run(registry).await;
    let report = report.with_context(|| format!("cannot import {}", source.display()))?;
    say(format_args!(
        "serve: imported {}: {} manifests, {} blobs, {} bytes and {} tags of {} repositories; {} items were there, {} were skipped",
        source.display(),
        report.manifests,
        report.blobs,
        report.bytes,
        report.tags,
        report.repositories,
        report.unchanged,
        report.skipped
    ));
    Ok(())
}
