//! Online garbage collection.
//!
//! A link is removed while its repository is locked, and the push of a manifest holds that lock from the
//! check of what it needs to its acknowledgement: either the push finds the blob gone and fails, or the
//! collection finds the blob in use. Content is removed while nothing can be linked, and only if no
//! repository links it. So acknowledged content stays, and pushes go on.
//!
//! A step is one repository, a part of the listing of content, or [`BATCH`] removals. Other tasks run between
//! two steps. If the future is dropped, whole steps have been done.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::task::{spawn_blocking, yield_now};
use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

use super::{Engine, Repository};
use crate::{
    Change, Commit, RecordKey, Storage,
    packed::{BLOB, MANIFEST, PackedDigest, PackedManifest, unpack_digest},
};

/// The number of contents that are removed at a time, while no content can be linked.
const BATCH: usize = 64;

/// A repository with more links than this is searched on a thread for blocking work, while it is locked.
const MANY: usize = 1000;

/// The settings of a garbage collection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcOptions {
    /// The time that a blob that no manifest needs stays after a client has pushed it or asked for it, so
    /// that its manifest can follow; likewise for untagged manifests. Restarts when a registry opens.
    /// Default: 1 hour.
    pub grace: Duration,
    /// Whether manifests are removed that no tag leads to: directly, through an index, or as a referrer of a
    /// manifest that stays. Default: `false`.
    pub untagged: bool,
    /// Whether the collection only counts. Default: `false`.
    pub dry_run: bool,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(60 * 60),
            untagged: false,
            dry_run: false,
        }
    }
}

impl GcOptions {
    /// Sets [`GcOptions::grace`].
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets [`GcOptions::untagged`].
    #[must_use]
    pub const fn with_untagged(mut self, untagged: bool) -> Self {
        self.untagged = untagged;
        self
    }

    /// Sets [`GcOptions::dry_run`].
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

/// The result of a garbage collection: what was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcReport {
    /// Manifests that left a repository.
    pub manifests: u64,
    /// Blobs that left a repository.
    pub blobs: u64,
    /// Contents that no repository linked any more.
    pub content: u64,
    /// The bytes of these contents.
    pub bytes: u64,
    /// Objects whose removal failed, and which a later collection removes; 0 in an engine whose collection fails then.
    pub failed: u64,
}

impl<S: Storage + 'static> Engine<S> {
    /// A collection. If the removal of links cannot be recorded, as on a full disk, content without links is
    /// removed nevertheless.
    pub(super) async fn collect(self: &Arc<Self>, options: &GcOptions) -> Result<GcReport, Error> {
        let mut report = GcReport::default();
        let mut unlinked = Ok(());
        for repository in self.index.repositories_after("") {
            unlinked = self.unlink(&repository, options, &mut report).await;
            if unlinked.is_err() {
                break; // on a full disk nothing can be recorded, but what follows makes room
            }
            yield_now().await;
        }
        let mut listing = self.storage.digests().await?;
        while let Some(part) = listing.next().await {
            let mut loose = part?;
            loose.retain(|digest| !self.index.aggregates.is_linked(&digest.into()));
            for batch in loose.chunks(BATCH) {
                self.remove_unlinked(batch, options.dry_run, &mut report).await?;
            }
            yield_now().await;
        }
        self.index.forget_empty();
        unlinked.map(|()| report)
    }

    /// Removes the contents among these digests that no repository links, and counts them; a dry run only
    /// counts.
    async fn remove_unlinked(
        &self,
        digests: &[Digest],
        dry_run: bool,
        report: &mut GcReport,
    ) -> Result<(), Error> {
        let _sweep = self.sweep.write().await;
        for digest in digests {
            if self.index.aggregates.is_linked(&digest.into()) {
                continue;
            }
            report.bytes += self.storage.size(digest).await?.unwrap_or_default();
            report.content += 1;
            if !dry_run {
                self.forget(digest);
                self.storage.remove(digest).await?;
            }
        }
        Ok(())
    }

    async fn unlink(
        self: &Arc<Self>,
        repository: &Arc<Repository>,
        options: &GcOptions,
        report: &mut GcReport,
    ) -> Result<(), Error> {
        // A search of many links takes long. A push that waits for the lock of the repository keeps no thread, nor
        // the locks that all repositories share, which one would that waits for the links.
        let mut closed = None;
        if !repository.is_small() {
            closed = Some(repository.commit_lock().write_owned().await);
        }
        let mut found = look_through(repository, options).await?;
        if options.dry_run {
            report.count(&found);
        }
        if options.dry_run || found.is_empty() {
            return Ok(());
        }
        let closed = if let Some(closed) = closed {
            closed
        } else {
            let closed = repository.commit_lock().write_owned().await;
            // Again: what was pushed meanwhile may need some of it.
            found = look_through(repository, options).await?;
            closed
        };
        report.count(&found);
        let manifests = found.manifests.into_iter().map(RecordKey::Manifest);
        let keys = manifests.chain(found.blobs.into_iter().map(RecordKey::Blob));
        let changes = keys.map(Change::Remove).collect();
        self.record(repository, Commit::new(changes)?, None, closed).await
    }
}

impl GcReport {
    fn count(&mut self, garbage: &Garbage) {
        self.manifests += garbage.manifests.len() as u64;
        self.blobs += garbage.blobs.len() as u64;
    }
}

/// The manifests and blobs whose links may be removed from a repository.
struct Garbage {
    manifests: Vec<Digest>,
    blobs: Vec<Digest>,
}

impl Garbage {
    const fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.blobs.is_empty()
    }
}

impl Repository {
    fn is_small(&self) -> bool {
        self.content().held() <= MANY
    }
}

async fn look_through(repository: &Arc<Repository>, options: &GcOptions) -> Result<Garbage, Error> {
    if repository.is_small() {
        return Ok(garbage(repository, options));
    }
    let (repository, options) = (Arc::clone(repository), options.clone());
    let looking = spawn_blocking(move || garbage(&repository, &options));
    looking
        .await
        .map_err(|error| Error::wrap(ErrorKind::Cancelled, error))
}

/// Finds the manifests and blobs of a repository that may be removed.
fn garbage(repository: &Repository, options: &GcOptions) -> Garbage {
    let (now, grace) = (repository.content().now(), options.grace.as_millis());
    let live = options.untagged.then(|| reachable(repository, now, grace));
    let (mut manifests, mut needed) = (Vec::new(), HashSet::new());
    repository.each(MANIFEST, |digest, link| {
        let lives = |live: &HashSet<_>| live.contains(&PackedDigest::of(digest));
        if live.as_ref().is_none_or(lives) {
            let all = link.manifest().into_iter().flat_map(PackedManifest::needed);
            needed.extend(all.map(PackedDigest::of));
        } else {
            manifests.extend(unpack_digest(digest));
        }
    });
    let mut blobs = Vec::new();
    repository.each(BLOB, |digest, link| {
        if link.touched.is_before(now, grace) && !needed.contains(&PackedDigest::of(digest)) {
            blobs.extend(unpack_digest(digest));
        }
    });
    Garbage { manifests, blobs }
}

/// The manifests that tags lead to, and those that were used within the grace.
fn reachable(repository: &Repository, now: u64, grace: u128) -> HashSet<PackedDigest> {
    let mut waiting = repository
        .content()
        .targets()
        .map(Box::from)
        .collect::<Vec<Box<[u8]>>>();
    repository.each(MANIFEST, |digest, link| {
        if !link.touched.is_before(now, grace) {
            waiting.push(digest.into());
        }
    });
    let mut reached = HashSet::new();
    while let Some(digest) = waiting.pop() {
        let content = repository.content();
        let Some(manifest) = content.manifest(&digest) else {
            continue;
        };
        if reached.insert(PackedDigest::of(&digest)) {
            waiting.extend(manifest.manifests().map(Box::from));
            waiting.extend(content.referrers(&digest).map(Box::from));
        }
    }
    reached
}
