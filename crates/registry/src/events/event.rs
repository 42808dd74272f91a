use serde::{Deserialize, Serialize};
use wharf_content::MediaType;
use wharf_reference::{Digest, Tag};

use crate::RepositoryPath;

/// A change of a repository, or a pull from one. As JSON it has the shape of an event of distribution's
/// notifications.
///
/// Clients choose names, the host and the user agent; escape them before you show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// A UUID. An event that is delivered twice has the same id both times.
    pub id: String,
    /// The number of the event in its repository: numbers ascend in the order of the commits, with or without
    /// gaps. `None` for a pull, which no order holds for. Not in the JSON.
    #[serde(skip)]
    pub number: Option<u64>,
    /// The time of the request, as RFC 3339 writes it, in UTC.
    pub timestamp: String,
    /// The kind of change or access.
    pub action: EventAction,
    /// The blob, manifest or tag that the event is about.
    pub target: EventTarget,
    /// The request that did it.
    pub request: EventRequest,
    /// The user who sent the request.
    pub actor: EventActor,
    /// The registry that answered it.
    pub source: EventSource,
}

/// The kind of change or access that an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventAction {
    /// A manifest or a blob was pushed, whether it was there before or not.
    Push,
    /// A manifest or a blob was read, or a client asked whether it is there.
    Pull,
    /// A blob of another repository was linked.
    Mount,
    /// A manifest, a blob or a tag was deleted. A manifest is deleted with all its tags.
    Delete,
}

/// The target of an event: a blob or a manifest, or, where it has no digest, a tag that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventTarget {
    /// The media type; `application/octet-stream` for a blob, nothing for what was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The size in bytes; nothing for what was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The size again, under its older name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The repository.
    pub repository: RepositoryPath,
    /// The repository from which a blob was mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_repository: Option<RepositoryPath>,
    /// The URL of the content, if the registry knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The tag by which a manifest was pushed or pulled, or that was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// The content that a manifest names, if the registry was told to list it: its config and layers, or its
    /// manifests; the first 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<EventDescriptor>,
}

/// A blob or manifest that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventDescriptor {
    /// The media type.
    pub media_type: MediaType,
    /// The size in bytes.
    pub size: u64,
    /// The digest.
    pub digest: Digest,
}

impl EventDescriptor {
    /// A descriptor.
    #[must_use]
    pub const fn new(media_type: MediaType, size: u64, digest: Digest) -> Self {
        Self {
            media_type,
            size,
            digest,
        }
    }
}

/// The request of an event. Of a change in this process, as by a [`LocalRepository`](crate::LocalRepository), it has
/// the id alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventRequest {
    /// A UUID; events of one request have the same.
    pub id: String,
    /// The address of the client, as [`ClientAddress`](crate::ClientAddress) has it: without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addr: Option<String>,
    /// The `Host` header, as the client sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The method.
    pub method: String,
    /// The `User-Agent` header, as the client sent it.
    pub useragent: String,
}

/// The user of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventActor {
    /// The name; nothing for a client without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The registry of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventSource {
    /// Host and port of the external URL, else those at which the registry listens, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addr: Option<String>,
    /// A UUID of the registry, another one each time that it is opened.
    #[serde(rename = "instanceID")]
    pub instance_id: String,
}

impl Event {
    /// Sets [`Event::number`], for an engine that reads the event back.
    #[must_use]
    pub const fn with_number(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }
}
