//! Names given and taken away: a new text in which only the entries concerned differ.

use std::collections::{BTreeMap, BTreeSet};

use wharf_content::{Descriptor, Error, ErrorKind, Name, Target};
use wharf_reference::Digest;

use super::{
    Entry, Index,
    entry::{Fit, REF_NAME},
};

/// The changes that are to be made to the entries of an index.json.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Entries that get another text, or go.
    edited: BTreeMap<usize, Option<String>>,
    added: Vec<String>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.edited.is_empty() && self.added.is_empty()
    }

    /// How many entries go.
    pub(crate) fn removed(&self) -> usize {
        self.edited.values().filter(|text| text.is_none()).count()
    }

    fn removes(&self, position: usize) -> bool {
        matches!(self.edited.get(&position), Some(None))
    }
}

impl Index {
    /// Gives a manifest a name. An image that had the name keeps its entry without it; the manifest's own
    /// entry without a name, if there is one, becomes this.
    pub(crate) fn tag(&self, name: &Name, manifest: &Descriptor) -> Result<Changes, Error> {
        let digest = manifest.digest();
        if self.named(name).is_ok_and(|named| {
            named.is_some_and(|named| named.digest() == digest && named.media_type() == manifest.media_type())
        }) {
            return Ok(Changes::default());
        }
        let mut changes = Changes::default();
        let nameless = self
            .of_digest(digest)
            .into_iter()
            .filter(|entry| !entry.has_name());
        changes
            .edited
            .extend(nameless.map(|entry| (entry.position(), None)));
        let called = self.called(name).into_iter().map(|(_, entry)| entry);
        self.take(name, called, Some(digest), &mut changes);
        let plain = Descriptor::new(manifest.media_type().clone(), digest.clone(), manifest.size())?;
        let named = match manifest.artifact_type() {
            Some(artifact_type) => plain.with_artifact_type(artifact_type.clone()),
            None => plain,
        }
        .with_annotation(REF_NAME, name.as_str());
        let text = serde_json::to_string(&named).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("cannot write an entry of index.json: {error}"),
            )
        })?;
        changes.added.push(text);
        Ok(changes)
    }

    /// Takes a name away; the last name leaves an entry without one, so that the image stays. No change if the
    /// name was not there.
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

    /// Removes all entries that can be read and do not stay.
    pub(crate) fn retain(&self, stays: impl Fn(&Entry<'_>) -> bool) -> Changes {
        let gone = self.entries().filter(|entry| !stays(entry));
        Changes {
            edited: gone.map(|entry| (entry.position(), None)).collect(),
            added: Vec::new(),
        }
    }

    /// The entries that have the name as it is written; else the one image whose tag it is.
    fn meant(&self, name: &Name) -> Result<Vec<Entry<'_>>, Error> {
        let called = self.called(name);
        let best = called.iter().map(|(fit, _)| *fit).min();
        if best == Some(Fit::Tag) {
            self.named(name)?; // fails if several images have the tag
        }
        let best = called.into_iter().filter(|(fit, _)| Some(*fit) == best);
        Ok(best.map(|(_, entry)| entry).collect())
    }

    /// Takes a name from these entries. One that has no other stays without a name, unless another entry is of the
    /// same digest, or `replaced` is.
    fn take<'a>(
        &self,
        name: &Name,
        entries: impl IntoIterator<Item = Entry<'a>>,
        replaced: Option<&Digest>,
        changes: &mut Changes,
    ) {
        let mut remaining = BTreeSet::new();
        for entry in entries {
            let (position, digest) = (entry.position(), entry.descriptor().digest());
            let Some((text, has_name)) = entry.without(name.as_str()) else {
                continue;
            };
            let has_other_entry = || {
                Some(digest) == replaced
                    || remaining.contains(digest.as_str())
                    || self.of_digest(digest).into_iter().any(|other| {
                        let same = other.position() == position || other.fit(name.as_str(), None).is_some();
                        !same && !changes.removes(other.position())
                    })
            };
            let stays = has_name || !has_other_entry();
            if stays {
                remaining.insert(digest.as_str().to_owned());
            }
            changes.edited.insert(position, stays.then_some(text));
        }
    }

    /// The document with these changes, as the parts of its text. Whatever the changes do not concern stays as it is,
    /// and is not copied.
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

    /// The text of these entries, with what stands between them.
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
