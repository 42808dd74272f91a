//! The names by which a person means an image of a store.

use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::Reference;

use super::{ImageSummary, pattern};

/// The fewest digits of an ID that mean an image.
const SHORTEST_ID: usize = 3;

impl ImageSummary {
    /// The repositories of its names that are references of registries, each once.
    pub(super) fn repositories(&self) -> impl Iterator<Item = String> {
        let mut found: Vec<String> = Vec::new();
        for name in &self.names {
            if let Ok(reference) = Reference::parse(name.as_str()) {
                let repository = reference.repository().to_string();
                if !found.contains(&repository) {
                    found.push(repository);
                }
            }
        }
        found.into_iter()
    }

    /// The name that text means: as it is written, with the tag `latest`, or the short form of a name at Docker Hub or
    /// at `localhost`.
    #[must_use]
    pub fn name(&self, text: &str) -> Option<&Name> {
        let wanted = readings(text);
        self.names
            .iter()
            .find(|name| wanted.iter().any(|wanted| wanted == name.as_str()))
    }

    /// True if text is the beginning of its ID, of three digits or more, its ID or its digest.
    #[must_use]
    pub fn has_id(&self, text: &str) -> bool {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = hex.len() >= SHORTEST_ID && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && self.id.encoded().starts_with(hex))
            || self.id.as_str() == text
            || self.digest.as_str() == text
    }

    /// True if one of its names fits a pattern: the whole name, or its last components, with and without the tag.
    pub(super) fn fits(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| {
            let whole = name.as_str();
            let starts = whole.match_indices('/').map(|(slash, _)| slash + 1);
            let suffixes = std::iter::once(0).chain(starts);
            suffixes.filter_map(|start| whole.get(start..)).any(|suffix| {
                let untagged =
                    suffix.rsplit_once(':').map_or(
                        suffix,
                        |(name, tag)| {
                            if tag.contains('/') { suffix } else { name }
                        },
                    );
                pattern::fits(wanted, suffix) || pattern::fits(wanted, untagged)
            })
        })
    }
}

/// The names that text may stand for.
fn readings(text: &str) -> Vec<String> {
    let mut readings = vec![text.to_owned(), format!("{text}:latest")];
    if let Ok(reference) = Reference::parse(text) {
        readings.push(reference.or_latest().to_string());
    }
    if let Ok(reference) = Reference::parse(&format!("localhost/{text}")) {
        readings.push(reference.or_latest().to_string());
    }
    readings
}

/// Finds the image that a person means: by name, by the beginning of its ID, by ID or by digest. A name counts before an
/// ID.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is none; [`ErrorKind::Invalid`] if several have IDs that begin so.
pub fn find_summary<'a>(images: &'a [ImageSummary], text: &str) -> Result<&'a ImageSummary, Error> {
    if let Some(named) = images.iter().find(|image| image.name(text).is_some()) {
        return Ok(named);
    }
    let mut found = images.iter().filter(|image| image.has_id(text));
    match (found.next(), found.next()) {
        (Some(image), None) => Ok(image),
        (None, _) => {
            let message = format!("there is no image {text:?} in the store, by name or by ID");
            Err(Error::new(ErrorKind::NotFound, message))
        }
        (Some(one), Some(other)) => {
            let message = format!(
                "{text:?} is the beginning of several IDs, such as {} and {}",
                one.id.encoded(),
                other.id.encoded()
            );
            Err(Error::new(ErrorKind::Invalid, message))
        }
    }
}
