//! Finds the entries of a name or a digest, by one search through the text of index.json.

use std::collections::BTreeSet;

use memchr::{memchr_iter, memmem};
use wharf_content::{Descriptor, Error, ErrorKind, Name};
use wharf_reference::Digest;

use super::{
    Entry, Index,
    entry::{FULL_NAME, Fit, full_name, is_called},
};
use crate::error::bounded;

/// The most names in a message.
const SHOWN: usize = 5;

impl Index {
    /// Finds the manifest that a name means; `None` if there is none.
    ///
    /// | the name is | example |
    /// |---|---|
    /// | what an entry calls its image: in `io.containerd.image.name`, else in `org.opencontainers.image.ref.name` | `docker.io/library/app:1` |
    /// | short for a full name, as Docker shortens them | `app:1` |
    /// | the tag of a full name | `1` |
    ///
    /// The first row that matches decides.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ambiguous`] if it means several manifests, [`ErrorKind::Unsupported`] if the entry with
    /// the name is no manifest, [`ErrorKind::Invalid`] if the entry with the name cannot be read.
    pub(crate) fn named(&self, name: &Name) -> Result<Option<Descriptor>, Error> {
        let full = full_name(name.as_str());
        let mut fitting: Vec<(Fit, Entry<'_>)> = Vec::new();
        let mut unreadable = None;
        for position in self.mentioning(name.as_str()) {
            match self.entry(position) {
                Some(Ok(entry)) => {
                    let fit = entry.fit(name.as_str(), full.as_deref());
                    fitting.extend(fit.map(|fit| (fit, entry)));
                }
                Some(Err(reason)) => {
                    let text = self.text_of(position).unwrap_or_default();
                    if is_called(text, name.as_str()) {
                        unreadable = Some((position, reason));
                    }
                }
                None => {}
            }
        }
        for wanted in [Fit::Exact, Fit::Short, Fit::Tag] {
            let manifests = fitting
                .iter()
                .filter(|(fit, entry)| *fit == wanted && entry.is_manifest());
            let mut manifests = manifests.map(|(_, entry)| entry);
            let Some(first) = manifests.next() else {
                continue;
            };
            if manifests.any(|other| other.descriptor().digest() != first.descriptor().digest()) {
                return Err(ambiguous(name, wanted, &fitting));
            }
            return Ok(Some(first.descriptor().clone()));
        }
        if let Some((_, entry)) = fitting.first() {
            let message = format!("{name} {}", entry.kind());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if let Some((position, reason)) = unreadable {
            let message =
                format!("index.json names {name}, but its entry {position} cannot be read: {reason}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(None)
    }

    /// Finds an entry of this manifest, with any name or none.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<Descriptor> {
        let entries = self.of_digest(digest);
        let manifest = entries.into_iter().find(Entry::is_manifest);
        manifest.map(Entry::into_descriptor)
    }

    /// The entries of this digest.
    pub(super) fn of_digest(&self, digest: &Digest) -> impl IntoIterator<Item = Entry<'_>> {
        let positions = self.mentioning(digest.as_str()).into_iter();
        let entries = positions.filter_map(|position| self.entry(position)?.ok());
        entries.filter(move |entry| entry.descriptor().digest() == digest)
    }

    /// The entries that have the name, or have it as the tag of a full name.
    pub(super) fn called(&self, name: &Name) -> Vec<(Fit, Entry<'_>)> {
        let positions = self.mentioning(name.as_str()).into_iter();
        let entries = positions.filter_map(|position| self.entry(position)?.ok());
        let fitting = entries.filter_map(|entry| Some((entry.fit(name.as_str(), None)?, entry)));
        fitting.collect()
    }

    /// The positions of all entries that may have this text as a value, in their order: those that have it
    /// between quotes, and those that may hide it behind an escape or among several full names.
    fn mentioning(&self, text: &str) -> BTreeSet<usize> {
        let (all, quoted) = (self.text.as_bytes(), format!("\"{text}\""));
        let found = memmem::find_iter(all, quoted.as_bytes());
        let hidden = memmem::find_iter(all, FULL_NAME.as_bytes()).chain(memchr_iter(b'\\', all));
        found
            .chain(hidden)
            .filter_map(|at| self.position_at(at))
            .collect()
    }

    /// The position of the entry to which a byte of the text belongs.
    fn position_at(&self, at: usize) -> Option<usize> {
        let after = self.entries.partition_point(|range| range.start as usize <= at);
        let position = after.checked_sub(1)?;
        let range = self.entries.get(position)?;
        (at < range.end as usize).then_some(position)
    }

    /// A phrase for the message that an image was not found: the names of the images in the index, at most
    /// [`SHOWN`] of them.
    pub(crate) fn offer(&self) -> String {
        if self.len() == 0 {
            return "it lists no image".to_owned();
        }
        let names: Vec<String> = self
            .entries()
            .filter(|entry| entry.is_manifest() && entry.attached_to().is_none())
            .take(SHOWN)
            .map(|entry| {
                let name = entry.names().next().map(bounded);
                name.unwrap_or_else(|| format!("@{}", entry.position()))
            })
            .collect();
        if names.is_empty() {
            return "none of its entries is an image".to_owned();
        }
        let more = self.len().saturating_sub(names.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("it has {}{more}", names.join(", "))
    }
}

fn ambiguous(name: &Name, wanted: Fit, fitting: &[(Fit, Entry<'_>)]) -> Error {
    let entries = fitting.iter().filter(|(fit, _)| *fit == wanted).take(SHOWN);
    let entries = entries.map(|(_, entry)| entry);
    let message = if wanted == Fit::Tag {
        let names: Vec<String> = entries.flat_map(Entry::names).map(bounded).collect();
        format!(
            "{name} is the tag of several images in index.json; write one of their full names: {}",
            names.join(", ")
        )
    } else {
        let positions: Vec<String> = entries.map(|entry| format!("@{}", entry.position())).collect();
        format!(
            "index.json names more than one image {name}; remove one of them, or select one by its number ({}) \
             or digest",
            positions.join(", ")
        )
    };
    Error::new(ErrorKind::Ambiguous, message)
}
