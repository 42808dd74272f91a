use bytes::Bytes;
use serde::Serialize;
use wharf_content::{Error, ErrorKind};

use super::{Event, EventAction};

/// A shape of events on the wire.
///
/// # Deviation
///
/// From docker-registry, in the first shape: `request.addr` has no port, `source.addr` is the address at which clients
/// find the registry, tags that go with their manifest have no events of their own, and pulls list no references.
/// Without an external URL and a listener there is no `url`.
///
/// ```
/// use wharf_registry::EventFormat;
///
/// assert_eq!(EventFormat::CloudEvents.media_type(), "application/cloudevents+json; charset=utf-8");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventFormat {
    /// The envelope of distribution's notifications with one event, as docker-registry 2.8.2 sends it:
    /// `{"events":[...]}`.
    #[default]
    Distribution,
    /// An event of [CloudEvents 1.0.2](https://github.com/cloudevents/spec), in its JSON format and structured mode.
    /// Its `type` is `wharf.registry.push`, `.pull`, `.mount` or `.delete`, its `subject` the repository with `:tag` or `@digest`, its `data` the event in
    /// distribution's shape, its extension `sequence` [`Event::number`].
    CloudEvents,
}

impl EventFormat {
    /// The media type of [`EventFormat::body`].
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Distribution => "application/vnd.docker.distribution.events.v1+json",
            Self::CloudEvents => "application/cloudevents+json; charset=utf-8",
        }
    }

    /// The event in this shape. The bytes are the same for each delivery of the event.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`] if the event cannot be written.
    pub fn body(self, event: &Event) -> Result<Bytes, Error> {
        let written = match self {
            Self::Distribution => serde_json::to_vec(&Envelope { events: [event] }),
            Self::CloudEvents => serde_json::to_vec(&CloudEvent::of(event)),
        };
        let written = written.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        Ok(Bytes::from(written))
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    events: [&'a Event; 1],
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: String,
    time: &'a str,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    data: &'a Event,
}

impl<'a> CloudEvent<'a> {
    fn of(event: &'a Event) -> Self {
        let target = &event.target;
        let subject = match (&target.tag, &target.digest) {
            (Some(tag), _) => format!("{}:{tag}", target.repository),
            (None, Some(digest)) => format!("{}@{digest}", target.repository),
            (None, None) => target.repository.to_string(),
        };
        Self {
            specversion: "1.0",
            id: &event.id,
            source: format!("urn:uuid:{}", event.source.instance_id),
            kind: match event.action {
                EventAction::Push => "wharf.registry.push",
                EventAction::Pull => "wharf.registry.pull",
                EventAction::Mount => "wharf.registry.mount",
                EventAction::Delete => "wharf.registry.delete",
            },
            subject,
            time: &event.timestamp,
            datacontenttype: "application/json",
            sequence: event.number.map(|number| format!("{number:020}")), // compared as text
            data: event,
        }
    }
}
