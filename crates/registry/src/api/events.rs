//! The events of requests, as far as anybody is to be told.

use wharf_content::{Error, Manifest};
use wharf_reference::{Digest, Tag};

use super::RepositoryRequest;
use crate::{
    Event, EventAction, ManifestRecord, RepositoryPath, events::EventContext, route::ManifestReference,
};

impl RepositoryRequest<'_> {
    /// The events of a manifest that is pushed.
    pub(super) fn manifest_events(&self, manifest: &Manifest, tags: &[Tag]) -> Result<Vec<Event>, Error> {
        let events = |events: &EventContext| events.manifest_pushed(&self.path, manifest, tags);
        self.events.as_ref().map_or_else(|| Ok(Vec::new()), events)
    }

    /// The event of a blob that is pushed, or mounted from a repository.
    pub(super) fn blob_event(
        &self,
        digest: &Digest,
        size: u64,
        from: Option<&RepositoryPath>,
    ) -> Result<Option<Event>, Error> {
        let action = match from {
            Some(_) => EventAction::Mount,
            None => EventAction::Push,
        };
        self.event(|events| events.blob(action, &self.path, digest, size, from))
    }

    /// The event of a blob or a manifest that is deleted.
    pub(super) fn deletion(&self, digest: &Digest) -> Result<Option<Event>, Error> {
        self.event(|events| events.deleted(&self.path, digest))
    }

    /// The event of a tag that is deleted.
    pub(super) fn tag_deletion(&self, tag: &Tag) -> Result<Option<Event>, Error> {
        self.event(|events| events.tag_deleted(&self.path, tag))
    }

    fn event(
        &self,
        make: impl FnOnce(&EventContext) -> Result<Event, Error>,
    ) -> Result<Option<Event>, Error> {
        self.events.as_ref().map(make).transpose()
    }

    /// Tells of a blob that is pulled.
    pub(super) fn tell_blob_pulled(&self, digest: &Digest, size: u64) {
        self.tell_pulled(|events| events.blob(EventAction::Pull, &self.path, digest, size, None));
    }

    /// Tells of a manifest that is pulled.
    pub(super) fn tell_manifest_pulled(
        &self,
        target: &ManifestReference,
        digest: &Digest,
        record: &ManifestRecord,
    ) {
        let tag = match target {
            ManifestReference::Tag(tag) => Some(tag),
            ManifestReference::Digest(_) => None,
        };
        let (media_type, size) = (&record.media_type, record.size);
        self.tell_pulled(|events| events.manifest_pulled(&self.path, digest, media_type, size, tag));
    }

    fn tell_pulled(&self, make: impl Fn(&EventContext) -> Result<Event, Error>) {
        if let Some(events) = &self.events {
            self.registry.config.notifications.pulled(|| make(events));
        }
    }
}
