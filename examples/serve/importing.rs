//! The import of another registry's images, before this one serves.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wharf_registry::{Import, Registry};
use wharf_registry_object::{Store, StoreUrl};

use crate::{report::say, storage};

#[derive(Args)]
#[command(next_help_heading = "Import")]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
pub(crate) struct Importing {
    /// Take over what another registry has stored, before serving: the root directory of Docker's registry, or its
    /// bucket as --store has it (`s3://BUCKET/PREFIX`), which may go on serving; or the directory of another `serve`,
    /// which may not. Can be repeated: then it takes what changed.
    #[arg(id = "import", long = "import", value_name = "DIR|URL")]
    source: Option<String>,
    /// Leave the blobs of Docker's registry where they are, and read them there: in the bucket of --store, or in
    /// a directory of this machine beside a --store that is one. They are never changed; nobody else may delete them.
    #[arg(long = "import-in-place", requires = "import", requires = "store")]
    in_place: bool,
    /// Do not read and hash the blobs that stay in place.
    #[arg(long = "import-trust-digests", requires = "in_place")]
    trust_digests: bool,
    /// End when everything is imported.
    #[arg(long = "import-only", requires = "import")]
    only: bool,
    /// Leave tags where they are that are here already.
    #[arg(long, requires = "import")]
    keep_tags: bool,
}

impl Importing {
    /// Takes over everything that can be, and says what cannot. Whether this is all that was asked for.
    pub(crate) async fn run(&self, registry: &Registry) -> anyhow::Result<bool> {
        let Some(source) = &self.source else {
            return Ok(false);
        };
        let import = self.open(source).await?;
        let import = import
            .with_keep_tags(self.keep_tags)
            .with_in_place(self.in_place)
            .with_trusted_digests(self.trust_digests)
            .with_skipped(|item| say(format_args!("serve: not imported: {item}")));
        let report = import.run(registry).await;
        let report = report.with_context(|| format!("cannot import {source}"))?;
        say(format_args!(
            "serve: imported {source}: {} manifests, {} blobs, {} bytes and {} tags of {} repositories; {} blobs stay in place, {} items were there, {} were skipped",
            report.manifests,
            report.blobs,
            report.bytes,
            report.tags,
            report.repositories,
            report.in_place,
            report.unchanged,
            report.skipped
        ));
        Ok(self.only)
    }

    async fn open(&self, source: &str) -> anyhow::Result<Import> {
        if !source.contains("://") {
            return Ok(Import::open(Path::new(source)).await?);
        }
        let url = StoreUrl::parse(source).context("--import")?;
        if let Some(directory) = url.directory() {
            return Ok(Import::open(directory).await?);
        }
        let bucket = Store::build(&url, &storage::store_options())?;
        let bucket = bucket.external().context("the store has no bucket")?;
        let tree = bucket.tree(url.key_prefix())?.find().await?;
        let tree = tree.ok_or_else(|| {
            anyhow!("{url} has no registry: no repositories, neither below it nor below docker/registry/v2")
        })?;
        Ok(Import::from_tree(tree))
    }
}
