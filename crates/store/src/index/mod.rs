//! index.json: the names of the layout's manifests.
//!
//! The text is stored unchanged, with the position of each entry in it. An entry is parsed on demand, and
//! an entry that cannot be parsed affects no other. So a look-up is one search through the text, however
//! many names there are, and text of other tools is written back byte for byte.

mod changes;
mod entry;
mod lookup;
mod members;

use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::bounded;
pub(crate) use changes::Changes;
pub(crate) use entry::Entry;

/// The largest index.json that is read or written, in bytes: room for some five hundred thousand names.
pub(crate) const MAX_INDEX_SIZE: u64 = 128 * 1024 * 1024;

/// The most entries of index.json that are read, whatever their size: each costs memory beside its text.
const MAX_ENTRIES: usize = 2_000_000;

/// An index.json without entries.
pub(crate) const EMPTY: &str =
    r#"{"schemaVersion":2,"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json"}"#;

/// An index.json.
#[derive(Debug)]
pub(crate) struct Index {
    text: String,
    /// The byte ranges of the entries in the text, in their order.
    entries: Vec<Range<u32>>,
    list: List,
}

/// The range of the text that the entries take, and the text that must surround them there.
#[derive(Debug)]
struct List {
    range: Range<usize>,
    before: &'static str,
    after: &'static str,
}

/// The members of an index.json that are parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: Option<serde_json::Value>,
    #[serde(borrow)]
    manifests: Option<Vec<&'a RawValue>>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

/// The list of entries as one text, for a document without any.
#[derive(Deserialize)]
struct Empty<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    manifests: Option<&'a RawValue>,
}

/// A member that may be null, as its text.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Index {
    /// Parses an index.json. The error is a phrase about the fault, without the path.
    ///
    /// A byte order mark is skipped. A missing `schemaVersion` is 2, and `manifests` may be null or missing.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut text = decode(bytes)?;
        if text.trim_start().is_empty() {
            return Err("it is empty".to_owned());
        }
        if !text.trim_start().starts_with('{') {
            return Err("it is no JSON object".to_owned());
        }
        let document: Document<'_> =
            serde_json::from_str(&text).map_err(|error| bounded(&error.to_string()))?;
        match &document.schema_version {
            None => {}
            Some(version) if version.as_u64() == Some(2) => {}
            Some(_) => return Err("schemaVersion is not 2".to_owned()),
        }
        let manifests = document.manifests.unwrap_or_default();
        if manifests.is_empty() && (document.config.is_some() || document.layers.is_some()) {
            return Err("it is an image manifest, where an index of manifests belongs".to_owned());
        }
        if manifests.len() > MAX_ENTRIES {
            return Err(format!("it has more than {MAX_ENTRIES} entries"));
        }
        let mut entries = Vec::with_capacity(manifests.len());
        for entry in &manifests {
            let Range { start, end } = span(&text, entry);
            let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
                return Err("it is too long".to_owned());
            };
            entries.push(start..end);
        }
        let list = match (manifests.first(), manifests.last()) {
            (Some(first), Some(last)) => List {
                range: span(&text, first).start..span(&text, last).end,
                before: "",
                after: "",
            },
            _ => List::of_none(&text)?,
        };
        text.shrink_to_fit();
        Ok(Self { text, entries, list })
    }

    /// The document.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The number of entries, including those that cannot be read.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries that can be read, in their order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|position| self.entry(position)?.ok())
    }

    /// The entry at this position, from zero, or the reason why it cannot be read. `None` beyond the last.
    pub(crate) fn entry(&self, position: usize) -> Option<Result<Entry<'_>, String>> {
        let text = self.text_of(position)?;
        Some(Entry::parse(position, text))
    }

    /// The texts of the entries that cannot be read, with their positions and the reasons.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = (usize, &str, String)> {
        (0..self.len()).filter_map(|position| {
            let text = self.text_of(position)?;
            let reason = Entry::parse(position, text).err()?;
            Some((position, text, reason))
        })
    }

    fn text_of(&self, position: usize) -> Option<&str> {
        let range = self.entries.get(position)?;
        self.text.get(range.start as usize..range.end as usize)
    }
}

impl List {
    /// The position of new entries in a document that has none.
    fn of_none(text: &str) -> Result<Self, String> {
        let empty: Empty<'_> = serde_json::from_str(text).map_err(|error| bounded(&error.to_string()))?;
        if let Some(list) = empty.manifests {
            return Ok(Self {
                range: span(text, list),
                before: "[",
                after: "]",
            });
        }
        let end = text.rfind('}').unwrap_or(text.len());
        let members = text.get(..end).unwrap_or_default().trim_end();
        Ok(Self {
            range: end..end,
            before: if members.ends_with('{') {
                r#""manifests":["#
            } else {
                r#","manifests":["#
            },
            after: "]",
        })
    }
}

/// The range of a value that was borrowed from the text.
fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + value.get().len()
}

/// Decodes a document and removes a byte order mark.
pub(crate) fn decode(mut bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err("it is UTF-16; save it as UTF-8".to_owned());
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8 (after {at} bytes)")
    })
}

#[cfg(test)]
mod tests;
