//! Changes of names: a new text in which only the entries concerned differ.

use std::collections::BTreeMap;

use wharf_content::{Descriptor, Error, ErrorKind, Name, Target};
use wharf_reference::Digest;

use super::{
    Entry, Index,
    entry::{Fit, REF_NAME},
    members::is_part_of,
};

/// Changes of the entries of an index.json.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The new text of changed entries, by position; `None` for a removed one.
    edited: BTreeMap<usize, Option<String>>,
    added: Vec<String>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.edited.is_empty() && self.added.is_empty()
    }

    /// The number of removed entries.
    pub(crate) fn removed(&self) -> usize {
        self.edited.values().filter(|text| text.is_none()).count()
    }

    fn removes(&self, position: usize) -> bool {
        matches!(self.edited.get(&position), Some(None))
    }
}

impl Index {
    /// Gives a manifest a name. The entry of the image that had the name stays without it. An entry of the
    /// manifest that has no name gets this one and keeps its other members; more such entries are removed
    /// if they say nothing else.
    pub(crate) fn tag(&self, name: &Name, manifest: &Descriptor) -> Result<Changes, Error> {
        let digest = manifest.digest();
        if self.named(name).is_ok_and(|named| {
            named.is_some_and(|named| named.digest() == digest && named.media_type() == manifest.media_type())
        }) {
            return Ok(Changes::default());
        }
        let mut changes = Changes::default();
        let of_digest = self.of_digest(digest).into_iter();
        let nameless: Vec<Entry<'_>> = of_digest.filter(|entry| !entry.has_name()).collect();
        let described = nameless
            .iter()
            .find_map(|entry| Some((entry, entry.with_name(name.as_str(), manifest)?)));
        let is_obsolete = |entry: &&Entry<'_>| match &described {
            Some((named, _)) => {
                is_part_of(entry.text(), named.text()) || entry.with_name(name.as_str(), manifest).is_none()
            }
            None => true,
        };
        let obsolete = nameless.iter().filter(is_obsolete);
        changes
            .edited
            .extend(obsolete.map(|entry| (entry.position(), None)));
        let called = self.called(name).into_iter().map(|(_, entry)| entry);
        self.take(name, called, Some(digest), &mut changes);
        changes.added.push(match described {
            Some((_, text)) => text,
            None => new_entry(Some(name), manifest)?,
        });
        Ok(changes)
    }

    /// Adds an entry without a name, unless the manifest has an entry as an image.
    pub(crate) fn list_unnamed(&self, manifest: &Descriptor) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        let mut listed = self.of_digest(manifest.digest()).into_iter();
        if !listed.any(|entry| entry.is_manifest() && entry.attached_to().is_none()) {
            changes.added.push(new_entry(None, manifest)?);
        }
        Ok(changes)
    }

    /// Removes a name. An entry without a further name stays, so that its image does. No change if there is
    /// no such name.
    pub(crate) fn untag(&self, name: &Name) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        self.take(name, self.meant(name)?, None, &mut changes);
        Ok(changes)
    }

    /// Removes an image: by name that name, and the entry when it was its last; by digest all entries of it.
    pub(crate) fn remove(&self, target: &Target) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        match target {
            Target::Digest(digest) => {
                let entries = self.of_digest(digest).into_iter();
                changes
                    .edited
                    .extend(entries.map(|entry| (entry.position(), None)));
            }
            Target::Name(name) => {
                for entry in self.meant(name)? {
                    let left = entry.without(name.as_str());
                    let left = left.and_then(|(text, named)| named.then_some(text));
                    changes.edited.insert(entry.position(), left);
                }
            }
        }
        Ok(changes)
    }

    /// Removes all entries that can be read and for which `stays` is false.
    pub(crate) fn retain(&self, stays: impl Fn(&Entry<'_>) -> bool) -> Changes {
        let gone = self.entries().filter(|entry| !stays(entry));
        Changes {
            edited: gone.map(|entry| (entry.position(), None)).collect(),
            added: Vec::new(),
        }
    }

    /// The entries that have the name as written; if there are none, the one image whose tag it is.
    fn meant(&self, name: &Name) -> Result<Vec<Entry<'_>>, Error> {
        let called = self.called(name);
        let best = called.iter().map(|(fit, _)| *fit).min();
        if best == Some(Fit::Tag) {
            self.named(name)?; // fails if several images have the tag
        }
        let best = called.into_iter().filter(|(fit, _)| Some(*fit) == best);
        Ok(best.map(|(_, entry)| entry).collect())
    }

    /// Removes a name from these entries. An entry that has no other name stays without one, unless another
    /// entry states the same of the manifest, or the manifest is `replaced`, which gets a new entry.
    fn take<'a>(
        &self,
        name: &Name,
        entries: impl IntoIterator<Item = Entry<'a>>,
        replaced: Option<&Digest>,
        changes: &mut Changes,
    ) {
        let mut remaining: Vec<String> = Vec::new();
        for entry in entries {
            let (position, digest) = (entry.position(), entry.descriptor().digest());
            let Some((text, has_name)) = entry.without(name.as_str()) else {
                continue;
            };
            let is_said_elsewhere = || {
                Some(digest) == replaced
                    || remaining.iter().any(|other| is_part_of(&text, other))
                    || self.of_digest(digest).into_iter().any(|other| {
                        let same = other.position() == position || other.fit(name.as_str(), None).is_some();
                        !same && !changes.removes(other.position()) && is_part_of(&text, other.text())
                    })
            };
            // Attachments that were replaced are nobody's image.
            let stays = has_name || !(entry.attached_to().is_some() || is_said_elsewhere());
            if stays {
                remaining.push(text.clone());
            }
            changes.edited.insert(position, stays.then_some(text));
        }
    }

    /// The changed document, as the parts of its text. Unchanged parts are not copied.
    pub(crate) fn with<'a>(&'a self, changes: &'a Changes) -> Vec<&'a str> {
        let mut entries = Vec::new();
        let mut from = 0;
        for (&position, edited) in &changes.edited {
            entries.push(self.run(from, position));
            entries.push(edited.as_deref().unwrap_or_default());
            from = position + 1;
        }
        entries.push(self.run(from, self.len()));
        entries.extend(changes.added.iter().map(String::as_str));
        entries.retain(|entry| !entry.is_empty());
        let mut parts = vec![
            self.text.get(..self.list.range.start).unwrap_or_default(),
            self.list.before,
        ];
        for (number, entry) in entries.into_iter().enumerate() {
            parts.push(if number == 0 { "" } else { "," });
            parts.push(entry);
        }
        parts.push(self.list.after);
        parts.push(self.text.get(self.list.range.end..).unwrap_or_default());
        parts
    }

    /// The text of these entries, with the text between them.
    fn run(&self, from: usize, to: usize) -> &str {
        let entries = self.entries.get(from..to).unwrap_or_default();
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return "";
        };
        self.text
            .get(first.start as usize..last.end as usize)
            .unwrap_or_default()
    }
}

/// The text of a new entry, with a name or without one.
fn new_entry(name: Option<&Name>, manifest: &Descriptor) -> Result<String, Error> {
    let plain = Descriptor::new(
        manifest.media_type().clone(),
        manifest.digest().clone(),
        manifest.size(),
    )?;
    let entry = match manifest.artifact_type() {
        Some(artifact_type) => plain.with_artifact_type(artifact_type.clone()),
        None => plain,
    };
    let entry = match name {
        Some(name) => entry.with_annotation(REF_NAME, name.as_str()),
        None => entry,
    };
    serde_json::to_string(&entry).map_err(|error| {
        let message = format!("cannot write an entry of index.json: {error}");
        Error::new(ErrorKind::Invalid, message)
    })
}
