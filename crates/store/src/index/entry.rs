//! An entry of index.json, and the names that it gives an image.

use serde::Deserialize;
use serde_json::Value;
use wharf_content::{Descriptor, MediaType, attachments};
use wharf_reference::{Digest, Reference};

use super::members::Members;
use crate::error::bounded;

/// The annotation that holds an image's name, or its tag alone (image-spec, *Pre-Defined Annotation Keys*).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation that holds an image's full name, or several with commas between them, as Docker, BuildKit
/// and containerd write it; [`REF_NAME`] is its tag then.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";

/// An entry that can be read.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    position: usize,
    text: &'a str,
    descriptor: Descriptor,
}

/// The ways in which a name matches an entry, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The image has this name.
    Exact,
    /// The name is short for the image's full name, as Docker shortens names.
    Short,
    /// The name is the tag of the image's full name.
    Tag,
}

/// The members of an entry that the layout needs, for an entry whose other members are malformed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Core {
    media_type: MediaType,
    digest: Digest,
    size: u64,
    #[serde(default)]
    annotations: Value,
    #[serde(default)]
    artifact_type: Value,
}

impl<'a> Entry<'a> {
    /// Parses an entry. The error is the reason why that is not possible.
    pub(super) fn parse(position: usize, text: &'a str) -> Result<Self, String> {
        if !text.starts_with('{') {
            return Err("it is no JSON object".to_owned());
        }
        let descriptor = serde_json::from_str(text)
            .or_else(|error| core(text).ok_or_else(|| bounded(&error.to_string())))?;
        Ok(Self {
            position,
            text,
            descriptor,
        })
    }

    /// The number of entries before this one.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    /// The text of the entry in index.json.
    pub(super) const fn text(&self) -> &str {
        self.text
    }

    pub(crate) const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub(crate) fn into_descriptor(self) -> Descriptor {
        self.descriptor
    }

    pub(crate) fn is_manifest(&self) -> bool {
        self.descriptor.media_type().is_manifest()
    }

    /// The end of an error message about an entry that is no image, after the entry's name: the media type
    /// of the entry, or that it has none.
    pub(crate) fn kind(&self) -> String {
        match self.descriptor.media_type().as_str() {
            "" => format!("has no mediaType; ask for {} instead", self.descriptor.digest()),
            media_type => format!("is not an image but {media_type}"),
        }
    }

    /// The names of the image: its full names, or the name in [`REF_NAME`] if it has no full name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let full = self.full_names();
        let own = self.ref_name().filter(|_| self.full_names().next().is_none());
        full.chain(own)
    }

    /// The manifest that this one is attached to, if all its names say that it holds attachments of that manifest. It is
    /// no image then. A full name, with a registry, was given by somebody who wants this manifest itself.
    pub(crate) fn attached_to(&self) -> Option<Digest> {
        let mut subjects = self.names().map(attachments::subject);
        let first = subjects.next()??;
        subjects
            .all(|other| other.as_ref() == Some(&first))
            .then_some(first)
    }

    /// True if the image has a name, of any grammar.
    pub(crate) fn has_name(&self) -> bool {
        self.names().next().is_some()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.descriptor.annotations().get(key).map(String::as_str)
    }

    fn ref_name(&self) -> Option<&str> {
        self.annotation(REF_NAME)
    }

    fn full_names(&self) -> impl Iterator<Item = &str> {
        let names = self.annotation(FULL_NAME).unwrap_or_default().split(',');
        names.map(str::trim).filter(|name| !name.is_empty())
    }

    /// The way in which the name matches this entry. `full` is Docker's expansion of the name, if it is a
    /// reference.
    pub(super) fn fit(&self, name: &str, full: Option<&str>) -> Option<Fit> {
        if self.names().any(|own| own == name) {
            Some(Fit::Exact)
        } else if full.is_some_and(|full| self.full_names().any(|own| own == full)) {
            Some(Fit::Short)
        } else {
            (self.ref_name() == Some(name)).then_some(Fit::Tag)
        }
    }

    /// The text of this entry, which has no name yet, with a name and with type and artifact type of
    /// `manifest`; its other members stay as they are. `None` if the entry describes another manifest: its
    /// size or type differs.
    pub(super) fn with_name(&self, name: &str, manifest: &Descriptor) -> Option<String> {
        let (own, media_type) = (&self.descriptor, manifest.media_type());
        let is_typed = !own.media_type().as_str().is_empty();
        if own.size() != manifest.size() || (is_typed && own.media_type() != media_type) {
            return None;
        }
        let text = |text: &str| Value::from(text).to_string();
        let mut members = Members::parse(self.text)?;
        members.set("mediaType", text(media_type.as_str()));
        if let Some(artifact_type) = manifest.artifact_type() {
            members.set("artifactType", text(artifact_type.as_str()));
        }
        let annotations = members.get("annotations").unwrap_or("{}");
        let mut annotations = Members::parse(annotations).or_else(|| Members::parse("{}"))?;
        annotations.set(REF_NAME, text(name));
        members.set("annotations", annotations.to_string());
        Some(members.to_string())
    }

    /// The text of the entry without this name, with all its other members, and whether it has another name.
    pub(super) fn without(&self, name: &str) -> Option<(String, bool)> {
        let remaining: Vec<&str> = self.full_names().filter(|own| *own != name).collect();
        let was_full = self.full_names().count() > remaining.len();
        let of_another = |tag: &str| remaining.iter().any(|own| own.ends_with(&format!(":{tag}")));
        let keeps_ref_name = self
            .ref_name()
            .is_some_and(|tag| tag != name && (!was_full || of_another(tag)));
        let mut members = Members::parse(self.text)?;
        let mut annotations = Members::parse(members.get("annotations")?)?;
        if remaining.is_empty() {
            annotations.remove(FULL_NAME);
        } else {
            annotations.set(FULL_NAME, Value::from(remaining.join(",")).to_string());
        }
        if !keeps_ref_name {
            annotations.remove(REF_NAME);
        }
        if annotations.is_empty() {
            members.remove("annotations");
        } else {
            members.set("annotations", annotations.to_string());
        }
        Some((members.to_string(), keeps_ref_name || !remaining.is_empty()))
    }
}

/// Parses the members that the layout needs: type, digest, size, and those annotations that are text.
fn core(text: &str) -> Option<Descriptor> {
    let core: Core = serde_json::from_str(text).ok()?;
    let texts = core.annotations.as_object().into_iter().flatten();
    let texts = texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    let descriptor = Descriptor::new(core.media_type, core.digest, core.size).ok()?;
    let descriptor = descriptor.with_annotations(texts.collect());
    let artifact_type = core
        .artifact_type
        .as_str()
        .and_then(|text| MediaType::parse(text).ok());
    Some(match artifact_type {
        Some(artifact_type) => descriptor.with_artifact_type(artifact_type),
        None => descriptor,
    })
}

/// Docker's expansion of a name, with registry and tag; `None` if the name is no reference.
pub(super) fn full_name(name: &str) -> Option<String> {
    let reference = Reference::parse(name).ok()?;
    Some(reference.or_latest().as_str().to_owned())
}

/// True if the text of an entry that cannot be parsed states this name.
pub(super) fn is_called(text: &str, name: &str) -> bool {
    let entry: Option<Value> = serde_json::from_str(text).ok();
    let annotations = entry.as_ref().and_then(|entry| entry.get("annotations"));
    [REF_NAME, FULL_NAME].iter().any(|key| {
        let value = annotations.and_then(|annotations| annotations.get(key));
        value.and_then(Value::as_str) == Some(name)
    })
}
