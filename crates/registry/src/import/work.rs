//! The import itself: what is missing is copied, manifests after what they need, tags last.

use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc};

use wharf_content::{Error, ErrorKind, MAX_DEPTH, Manifest};
use wharf_reference::{Digest, Tag};

use super::{
    ImportReport, Modes, SkippedItem,
    blobs::{Bytes, copy},
    distribution::is_away,
    source::{Found, Source},
};
use crate::{
    Limits, ManifestRecord, Registry, RepositoryPath,
    state::{ManifestPush, Needs, PushError, Quota, RegistryState},
};

/// The number of times that the blobs of a manifest are looked for, while a collection removes some of them.
const ATTEMPTS: usize = 4;

/// An import under way.
pub(super) struct Work<'a> {
    pub(super) source: &'a dyn Source,
    registry: &'a Registry,
    pub(super) modes: Modes,
    told: &'a (dyn Fn(&SkippedItem) + Send + Sync),
    pub(super) report: ImportReport,
}

/// The reason why an item is not imported.
pub(super) enum Failed {
    /// It is skipped, for this reason.
    Skip(String),
    /// The import cannot go on.
    Fatal(Error),
}

impl Failed {
    pub(super) fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }

    /// The failure of a call of the source.
    pub(super) fn of_source(error: Error) -> Self {
        if is_away(&error) {
            Self::Fatal(error)
        } else {
            Self::Skip(error.to_string())
        }
    }
}

/// The failure of a call of the registry's backend.
impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// A repository under way.
pub(super) struct Repository {
    pub(super) path: RepositoryPath,
    /// Manifests that were skipped.
    failed: HashSet<Digest>,
    /// Blobs that the storage was asked for.
    probed: HashSet<Digest>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        source: &'a dyn Source,
        registry: &'a Registry,
        modes: Modes,
        told: &'a (dyn Fn(&SkippedItem) + Send + Sync),
    ) -> Self {
        Self {
            source,
            registry,
            modes,
            told,
            report: ImportReport::default(),
        }
    }

    pub(super) fn state(&self) -> &'a Arc<RegistryState> {
        &self.registry.state
    }

    fn skip(&mut self, repository: &str, item: &str, reason: String) {
        self.report.skipped += 1;
        (self.told)(&SkippedItem {
            repository: repository.to_owned(),
            item: item.to_owned(),
            reason,
        });
    }

    pub(super) async fn run(&mut self) -> Result<(), Error> {
        let mut left = vec![String::new()];
        while let Some(found) = self.source.next_repository(&mut left).await? {
            match found {
                Ok(path) => match RepositoryPath::parse(&path) {
                    Ok(path) => self.repository(path).await?,
                    Err(error) => self.skip(&path, "", error.to_string()),
                },
                Err((path, error)) => self.skip(&path, "", error.to_string()),
            }
        }
        Ok(())
    }

    async fn repository(&mut self, path: RepositoryPath) -> Result<(), Error> {
        self.report.repositories += 1;
        let mut repository = Repository {
            path,
            failed: HashSet::new(),
            probed: HashSet::new(),
        };
        match self.manifests(&mut repository).await {
            Ok(()) => {}
            Err(Failed::Skip(reason)) => self.skip(repository.path.as_str(), "", reason),
            Err(Failed::Fatal(error)) => return Err(error),
        }
        match self.tags(&mut repository).await {
            Ok(()) => Ok(()),
            Err(Failed::Skip(reason)) => {
                self.skip(repository.path.as_str(), "", reason);
                Ok(())
            }
            Err(Failed::Fatal(error)) => Err(error),
        }
    }

    async fn manifests(&mut self, repository: &mut Repository) -> Result<(), Failed> {
        let listings = self.source.manifests(&repository.path).await;
        for mut listing in listings.map_err(Failed::of_source)? {
            while let Some(part) = listing.next().await {
                for found in part.map_err(Failed::of_source)? {
                    self.listed(repository, found).await?;
                }
            }
        }
        Ok(())
    }

    /// Imports a manifest that was listed, or tells why not.
    async fn listed(&mut self, repository: &mut Repository, found: Found) -> Result<(), Failed> {
        let text = match found {
            Ok(text) => text,
            Err((text, error)) => {
                self.skip(repository.path.as_str(), &text, error.to_string());
                return Ok(());
            }
        };
        let Ok(digest) = Digest::parse(&text) else {
            self.skip(repository.path.as_str(), &text, "it is no digest".to_owned());
            return Ok(());
        };
        let before = self.report.manifests;
        if self.manifest(repository, &digest, 0).await? && self.report.manifests == before {
            self.report.unchanged += 1;
        }
        Ok(())
    }

    /// Imports a manifest with what it needs. Whether it is in the registry now; it was told if not.
    fn manifest<'f>(
        &'f mut self,
        repository: &'f mut Repository,
        digest: &'f Digest,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<bool, Failed>> + Send + 'f>> {
        Box::pin(async move {
            if repository.failed.contains(digest) {
                return Ok(false);
            }
            match self.take(repository, digest, depth).await {
                Ok(taken) => Ok(taken),
                Err(Failed::Skip(reason)) => {
                    repository.failed.insert(digest.clone());
                    self.skip(repository.path.as_str(), digest.as_str(), reason);
                    Ok(false)
                }
                fatal => fatal,
            }
        })
    }

    async fn take(
        &mut self,
        repository: &mut Repository,
        digest: &Digest,
        depth: usize,
    ) -> Result<bool, Failed> {
        let state = self.state();
        let view = state.repository(&repository.path);
        if let Some(record) = view.manifest(digest).await?
            && state.is_present(&record.content(digest)).await?
        {
            if self.modes.in_place {
                self.probe(repository, digest, &record).await?;
            }
            return Ok(true);
        }
        let config = &self.registry.config;
        let stored = self
            .source
            .manifest(&repository.path, digest, config.limits.manifest);
        let Some(stored) = stored.await.map_err(Failed::of_source)? else {
            return Ok(false); // the source does not have it any more
        };
        let media_type = stored.media_type.as_ref();
        let manifest = Manifest::parse_pinned(stored.bytes, media_type, digest)
            .map_err(|error| Failed::skip(error.to_string()))?;
        if depth >= MAX_DEPTH && !manifest.manifests().is_empty() {
            return Err(Failed::skip(format!(
                "indexes are nested more than {MAX_DEPTH} deep"
            )));
        }
        let sparse = config.needs() != Needs::All;
        for child in manifest.manifests() {
            if !self.manifest(repository, child.digest(), depth + 1).await?
                && self.blob(repository, child.digest(), child.size()).await? == Bytes::Missing
                && !sparse
            {
                return Err(Failed::skip(format!(
                    "{} is missing, which it names",
                    child.digest()
                )));
            }
        }
        for _ in 0..ATTEMPTS {
            self.blobs(repository, &manifest, sparse).await?;
            let push = ManifestPush {
                path: &repository.path,
                manifest: &manifest,
                tags: &[],
                user: stored.user.as_deref(),
                needs: config.needs(),
                quota: Quota::new(&Limits::default(), &repository.path, None),
                condition: None,
                events: Vec::new(),
            };
            match state.push_manifest(push).await {
                Ok(()) => {
                    self.report.manifests += 1;
                    self.report.bytes += manifest.bytes().len() as u64;
                    return Ok(true);
                }
                Err(PushError::Storage(error)) if error.kind() != ErrorKind::Conflict => {
                    return Err(error.into());
                }
                Err(PushError::Missing(_) | PushError::Storage(_)) => {} // collected meanwhile, or overtaken
                Err(refused) => return Err(Failed::skip(refused.to_string())),
            }
        }
        Err(Failed::skip("what it needs is removed again and again"))
    }

    /// Brings the blobs of a manifest into the repository.
    async fn blobs(
        &mut self,
        repository: &Repository,
        manifest: &Manifest,
        sparse: bool,
    ) -> Result<(), Failed> {
        for blob in manifest.blobs() {
            let brought = self.blob(repository, blob.digest(), blob.size()).await?;
            let optional = sparse || blob.media_type().is_nondistributable() || !blob.urls().is_empty();
            if brought == Bytes::Missing && !optional {
                return Err(Failed::skip(format!(
                    "{} is missing, which it needs",
                    blob.digest()
                )));
            }
        }
        Ok(())
    }

    /// Asks for the blobs of a manifest that is here, and brings those again that are gone.
    async fn probe(
        &mut self,
        repository: &mut Repository,
        manifest: &Digest,
        record: &ManifestRecord,
    ) -> Result<(), Failed> {
        for (blob, size) in &record.blobs {
            if !repository.probed.insert(blob.clone()) {
                continue;
            }
            match self.blob(repository, blob, *size).await {
                Ok(_) => {}
                Err(Failed::Skip(reason)) => {
                    self.skip(repository.path.as_str(), manifest.as_str(), reason);
                }
                Err(fatal) => return Err(fatal),
            }
        }
        Ok(())
    }

    async fn blob(&mut self, repository: &Repository, digest: &Digest, size: u64) -> Result<Bytes, Failed> {
        let brought = copy(self, &repository.path, digest, size).await?;
        match brought {
            Bytes::Here | Bytes::Missing => {}
            Bytes::Shared => self.report.blobs += 1,
            Bytes::InPlace => {
                self.report.blobs += 1;
                self.report.in_place += 1;
            }
            Bytes::Copied => {
                self.report.blobs += 1;
                self.report.bytes += size;
            }
        }
        Ok(brought)
    }

    async fn tags(&mut self, repository: &mut Repository) -> Result<(), Failed> {
        let tags = self.source.tags(&repository.path).await;
        let mut tags = tags.map_err(Failed::of_source)?;
        while let Some(part) = tags.next().await {
            for name in part.map_err(Failed::of_source)? {
                match self.tag(repository, &name).await {
                    Ok(()) => {}
                    Err(Failed::Skip(reason)) => self.skip(repository.path.as_str(), &name, reason),
                    fatal => return fatal,
                }
            }
        }
        Ok(())
    }

    async fn tag(&mut self, repository: &mut Repository, name: &str) -> Result<(), Failed> {
        let tag = Tag::parse(name).map_err(|_| Failed::skip("it is no tag"))?;
        let target = self.source.tag(&repository.path, &tag).await;
        let Some(target) = target.map_err(Failed::of_source)? else {
            return Ok(()); // the source does not have it any more
        };
        let digest = Digest::parse(&target).map_err(|_| Failed::skip("it does not point at a digest"))?;
        // Pushed since the manifests were listed, perhaps.
        if !self.manifest(repository, &digest, 0).await? {
            return Err(Failed::skip(format!(
                "it points at {digest}, which is not imported"
            )));
        }
        let path = repository.path.clone();
        let view = self.state().repository(&path);
        match view.set_tag(&tag, &digest, self.modes.keep_tags).await {
            Ok(true) => self.report.tags += 1,
            Ok(false) => self.report.unchanged += 1,
            Err(error) if error.kind() == ErrorKind::Conflict => return Err(Failed::Skip(error.to_string())),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
