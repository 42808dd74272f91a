use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header, request::Parts};
use wharf_content::{Descriptor, Error, Manifest, MediaType, format_timestamp};
use wharf_reference::{Digest, Tag};

use super::{Event, EventAction, EventActor, EventDescriptor, EventRequest, EventSource, EventTarget};
use crate::{ClientAddress, RepositoryPath, random};

/// The most references that an event lists.
const MAX_REFERENCES: usize = 100;
/// The most characters of a header that an event repeats.
const MAX_HEADER: usize = 256;

/// The circumstances of a request, of which events are made.
#[derive(Debug, Clone)]
pub(crate) struct EventContext {
    /// The URL of the registry, without a slash at its end.
    pub(super) url: Option<String>,
    pub(super) source: EventSource,
    pub(super) request: EventRequest,
    pub(super) actor: EventActor,
    pub(super) references: bool,
}

impl EventRequest {
    /// The request with this head.
    pub(super) fn of(parts: &Parts) -> Result<Self, Error> {
        let address = parts.extensions.get::<ClientAddress>();
        let host = header_text(&parts.headers, &header::HOST);
        Ok(Self {
            id: uuid()?,
            addr: address.map(|address| address.0.to_canonical().to_string()),
            host: host.or_else(|| parts.uri.authority().map(|host| host.as_str().to_owned())),
            method: parts.method.as_str().chars().take(MAX_HEADER).collect(),
            useragent: header_text(&parts.headers, &header::USER_AGENT).unwrap_or_default(),
        })
    }

    /// A request of this process.
    pub(super) fn local() -> Result<Self, Error> {
        Ok(Self {
            id: uuid()?,
            ..Self::default()
        })
    }
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.chars().take(MAX_HEADER).collect())
}

/// A random UUID (RFC 9562, version 4).
pub(super) fn uuid() -> Result<String, Error> {
    let bits = random::bits()?;
    let bits = bits & !(0xf000_u128 << 64) & !(0b11_u128 << 62) | (0x4000_u128 << 64) | (0b10_u128 << 62);
    let digits = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(text)
}

/// The time now, in microseconds.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let text = format_timestamp(seconds).unwrap_or_default();
    format!("{}.{:06}Z", text.trim_end_matches('Z'), now.subsec_micros())
}

impl EventContext {
    /// The circumstances of events that nobody has asked for.
    #[cfg(feature = "conformance")]
    pub(crate) fn local() -> Result<Self, Error> {
        Ok(Self {
            url: None,
            source: EventSource::default(),
            request: EventRequest::local()?,
            actor: EventActor::default(),
            references: false,
        })
    }

    /// The events of a manifest that was pushed: one for each tag, or one without a tag.
    pub(crate) fn manifest_pushed(
        &self,
        path: &RepositoryPath,
        manifest: &Manifest,
        tags: &[Tag],
    ) -> Result<Vec<Event>, Error> {
        let digest = manifest.digest();
        let mut target = self.content(
            path,
            "manifests",
            digest,
            manifest.media_type(),
            manifest.bytes().len() as u64,
        );
        if self.references {
            let config = manifest.config().into_iter();
            let named = config.chain(manifest.layers()).chain(manifest.manifests());
            target.references = named.take(MAX_REFERENCES).map(EventDescriptor::of).collect();
        }
        if tags.is_empty() {
            return Ok(vec![self.event(EventAction::Push, target)?]);
        }
        let tagged = tags.iter().map(|tag| {
            let mut target = target.clone();
            target.tag = Some(tag.clone());
            self.event(EventAction::Push, target)
        });
        tagged.collect()
    }

    /// The event of a manifest that was pulled.
    pub(crate) fn manifest_pulled(
        &self,
        path: &RepositoryPath,
        digest: &Digest,
        media_type: &MediaType,
        size: u64,
        tag: Option<&Tag>,
    ) -> Result<Event, Error> {
        let mut target = self.content(path, "manifests", digest, media_type, size);
        target.tag = tag.cloned();
        self.event(EventAction::Pull, target)
    }

    /// The event of a blob, which was mounted from a repository.
    pub(crate) fn blob(
        &self,
        action: EventAction,
        path: &RepositoryPath,
        digest: &Digest,
        size: u64,
        from: Option<&RepositoryPath>,
    ) -> Result<Event, Error> {
        let mut target = self.content(path, "blobs", digest, &MediaType::OCTET_STREAM, size);
        target.from_repository = from.cloned();
        self.event(action, target)
    }

    /// The event of a manifest or a blob that was deleted.
    pub(crate) fn deleted(&self, path: &RepositoryPath, digest: &Digest) -> Result<Event, Error> {
        let mut target = EventTarget::of(path);
        target.digest = Some(digest.clone());
        self.event(EventAction::Delete, target)
    }

    /// The event of a tag that was deleted.
    pub(crate) fn tag_deleted(&self, path: &RepositoryPath, tag: &Tag) -> Result<Event, Error> {
        let mut target = EventTarget::of(path);
        target.tag = Some(tag.clone());
        self.event(EventAction::Delete, target)
    }

    fn content(
        &self,
        path: &RepositoryPath,
        kind: &str,
        digest: &Digest,
        media_type: &MediaType,
        size: u64,
    ) -> EventTarget {
        let url = self.url.as_ref();
        EventTarget {
            media_type: Some(media_type.clone()),
            size: Some(size),
            digest: Some(digest.clone()),
            length: Some(size),
            url: url.map(|url| format!("{url}/v2/{path}/{kind}/{digest}")),
            ..EventTarget::of(path)
        }
    }

    fn event(&self, action: EventAction, target: EventTarget) -> Result<Event, Error> {
        Ok(Event {
            id: uuid()?,
            number: None,
            timestamp: now(),
            action,
            target,
            request: self.request.clone(),
            actor: self.actor.clone(),
            source: self.source.clone(),
        })
    }
}

impl EventTarget {
    fn of(path: &RepositoryPath) -> Self {
        Self {
            media_type: None,
            size: None,
            digest: None,
            length: None,
            repository: path.clone(),
            from_repository: None,
            url: None,
            tag: None,
            references: Vec::new(),
        }
    }
}

impl EventDescriptor {
    fn of(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type().clone(),
            size: descriptor.size(),
            digest: descriptor.digest().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_no_two_are_equal() {
        let (one, other) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one, other);
        for id in [one, other] {
            let parts = id.split('-').map(str::len).collect::<Vec<_>>();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert!(id.split('-').nth(2).unwrap().starts_with('4'), "{id}");
            assert!(
                id.split('-').nth(3).unwrap().starts_with(['8', '9', 'a', 'b']),
                "{id}"
            );
        }
    }
}
