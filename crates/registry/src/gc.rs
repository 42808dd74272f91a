//! Online garbage collection.
//!
//! Links are removed under the gate of their repository, which a manifest's push holds from the check of what
//! it needs to its acknowledgement: either the push finds the blob gone and fails, or the collection finds it
//! in use. Content is removed while nothing can be linked, and only if no repository links it. So nothing
//! that was acknowledged goes, and nobody has to stop pushing.

use std::{collections::HashSet, time::Duration};

use wharf_content::Error;
use wharf_reference::Digest;

use crate::{
    Change, Registry,
    route::Path,
    state::{Content, Repository, removal},
};

/// Content that is removed at a time, while links have to wait.
const BATCH: usize = 64;

/// What garbage collection removes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcOptions {
    /// How long a blob that no manifest needs stays after a client has pushed it or asked for it, so that the
    /// manifest can still come; the same for untagged manifests. Counted anew when a registry opens. Default
    /// 1 hour.
    pub grace: Duration,
    /// Whether manifests go that no tag leads to: directly, through an index, or as a referrer of one that
    /// stays. Default no.
    pub untagged: bool,
    /// Only counts. Default no.
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

/// What garbage collection removed, or would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcReport {
    /// Manifests that left a repository.
    pub manifests: u64,
    /// Blobs that left a repository.
    pub blobs: u64,
    /// Content that no repository had any more.
    pub content: u64,
    /// How many bytes that was.
    pub bytes: u64,
}

impl Registry {
    /// Removes what no manifest needs. Pushes and pulls go on meanwhile.
    ///
    /// A dry run does not count content that only goes because links go. When the removal of links cannot be
    /// recorded, as on a full disk, content without any goes all the same, and the error is returned.
    pub async fn collect_garbage(&self, options: &GcOptions) -> Result<GcReport, Error> {
        let mut report = GcReport::default();
        let mut unlinked = Ok(());
        for (path, repository) in self.state.repositories() {
            unlinked = self.unlink(&path, &repository, options, &mut report).await;
            if unlinked.is_err() {
                break; // on a full disk nothing can be recorded, but what follows makes room
            }
        }
        let all = self.state.backend.digests().await?;
        let loose = all
            .into_iter()
            .filter(|digest| !self.is_linked(digest))
            .collect::<Vec<_>>();
        for batch in loose.chunks(BATCH) {
            let _sweep = self.state.sweep.write().await;
            for digest in batch {
                if self.is_linked(digest) {
                    continue;
                }
                report.bytes += self.state.backend.size(digest).await?.unwrap_or_default();
                report.content += 1;
                if !options.dry_run {
                    self.state.backend.remove(digest).await?;
                    self.state.forget(digest);
                }
            }
        }
        self.state.forget_empty();
        unlinked.map(|()| report)
    }

    async fn unlink(
        &self,
        path: &Path,
        repository: &Repository,
        options: &GcOptions,
        report: &mut GcReport,
    ) -> Result<(), Error> {
        let _gate = repository.gate.write().await;
        let (manifests, blobs) = garbage(&repository.content(), options);
        report.manifests += manifests.len() as u64;
        report.blobs += blobs.len() as u64;
        if options.dry_run || (manifests.is_empty() && blobs.is_empty()) {
            return Ok(());
        }
        let removed = |kind| move |digest: &Digest| removal(kind, path, digest.as_str());
        let changes: Vec<Change> = manifests
            .iter()
            .map(removed('m'))
            .chain(blobs.iter().map(removed('b')))
            .collect();
        self.state.write(changes).await?;
        let mut content = repository.content_mut();
        for digest in &manifests {
            content.remove_manifest(digest);
        }
        for digest in &blobs {
            content.remove_blob(digest);
        }
        Ok(())
    }

    fn is_linked(&self, digest: &Digest) -> bool {
        self.state.repositories().iter().any(|(_, repository)| {
            let content = repository.content();
            content.blobs.contains_key(digest) || content.manifests.contains_key(digest)
        })
    }
}

/// Manifests and blobs of a repository that may go.
fn garbage(content: &Content, options: &GcOptions) -> (Vec<Digest>, Vec<Digest>) {
    let live = if options.untagged {
        reachable(content, options.grace)
    } else {
        content.manifests.keys().cloned().collect()
    };
    let dead = content.manifests.keys().filter(|digest| !live.contains(*digest));
    let manifests = dead.cloned().collect();
    let mut needed = HashSet::new();
    for link in live.iter().filter_map(|digest| content.manifests.get(digest)) {
        needed.extend(link.record.blobs.iter().map(|(digest, _)| digest));
        needed.extend(&link.record.manifests);
    }
    let unneeded = content
        .blobs
        .iter()
        .filter(|(digest, link)| !needed.contains(digest) && link.touched.elapsed() >= options.grace);
    let blobs = unneeded.map(|(digest, _)| digest.clone()).collect();
    (manifests, blobs)
}

/// The manifests that tags lead to, and those that were used a short while ago.
fn reachable(content: &Content, grace: Duration) -> HashSet<Digest> {
    let recent = content
        .manifests
        .iter()
        .filter(|(_, link)| link.touched.elapsed() < grace);
    let recent = recent.map(|(digest, _)| digest.clone());
    let mut waiting = content.tags.values().cloned().chain(recent).collect::<Vec<_>>();
    let mut reached = HashSet::new();
    while let Some(digest) = waiting.pop() {
        let Some(link) = content.manifests.get(&digest) else {
            continue;
        };
        if !reached.insert(digest.clone()) {
            continue;
        }
        waiting.extend(link.record.manifests.iter().cloned());
        waiting.extend(content.referrers.get(&digest).into_iter().flatten().cloned());
    }
    reached
}
