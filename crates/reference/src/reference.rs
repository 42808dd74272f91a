use alloc::string::String;
use core::fmt;

use crate::{
    Digest, ParseError, ParseErrorKind, Registry, Repository, Tag, digest,
    digest::Algorithm,
    name::{self, DOCKER_HUB, DOCKER_HUB_LEGACY, MAX_NAME_LENGTH, OFFICIAL},
    tag,
    text::{Text, text_type},
};

/// An image name in full form: `registry/path[:tag][@digest]`.
///
/// The parts share one text: taking and cloning them copies nothing.
#[derive(Clone)]
pub struct Reference {
    text: Text,
    slash: u16,
    /// End of registry and path.
    name_end: u16,
    /// End of the tag; equals `name_end` without one.
    tag_end: u16,
    /// Offset of the digest's colon within the digest, and its algorithm.
    digest: Option<(u16, Algorithm)>,
}

impl Reference {
    /// Parses what a user typed and normalises it as Docker does: a name without a registry is Docker Hub's,
    /// a Docker Hub path of one component is in `library/`, `index.docker.io` is `docker.io`. No tag is
    /// added; see [`Reference::or_latest`].
    pub fn parse(input: &str) -> Result<Self, ParseError> {
        let scan = Scan::new(input)?;
        if scan.prefix.is_empty() {
            return Ok(scan.reference(Text::new(input), 0));
        }
        let rest = input.get(scan.skip..).unwrap_or_default();
        let mut full = String::with_capacity(scan.prefix_length() + rest.len());
        for part in scan.prefix {
            full.push_str(part);
        }
        full.push_str(rest);
        Ok(scan.reference(Text::new(&full), 0))
    }

    /// A reference to a repository, without tag or digest.
    #[must_use]
    pub fn new(repository: &Repository) -> Self {
        Self::assemble(repository, None, None)
    }

    /// The same with this tag; a digest is kept.
    #[must_use]
    pub fn with_tag(&self, tag: &Tag) -> Self {
        Self::assemble(&self.repository(), Some(tag), self.digest().as_ref())
    }

    /// The same with this digest; a tag is kept.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self::assemble(&self.repository(), self.tag().as_ref(), Some(digest))
    }

    /// The same with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(self) -> Self {
        if self.has_tag() || self.has_digest() {
            self
        } else {
            self.with_tag(&Tag::latest())
        }
    }

    fn assemble(repository: &Repository, tag: Option<&Tag>, digest: Option<&Digest>) -> Self {
        let mut text = String::from(repository.as_str());
        if let Some(tag) = tag {
            text.push(':');
            text.push_str(tag.as_str());
        }
        let tag_end = text.len();
        if let Some(digest) = digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        Self {
            slash: short(repository.registry().as_str().len()),
            name_end: short(repository.as_str().len()),
            tag_end: short(tag_end),
            digest: digest.map(|digest| (short(digest.algorithm_name().len()), digest.algorithm())),
            text: Text::new(&text),
        }
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::from_scanned(self.text.slice(0, self.slash.into()))
    }

    /// Registry and path.
    #[must_use]
    pub fn repository(&self) -> Repository {
        Repository::from_scanned(self.text.slice(0, self.name_end.into()), self.slash)
    }

    /// The path within the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.part(usize::from(self.slash) + 1, self.name_end.into())
    }

    /// The tag, if one is given.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        self.has_tag().then(|| {
            Tag::from_scanned(
                self.text
                    .slice(usize::from(self.name_end) + 1, self.tag_end.into()),
            )
        })
    }

    /// The digest, if one is given. A reference with tag and digest means the digest.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let scanned = self.digest?;
        Some(Digest::from_scanned(
            self.text.slice(usize::from(self.tag_end) + 1, self.text.len()),
            scanned,
        ))
    }

    /// Whether a tag is given.
    #[must_use]
    pub const fn has_tag(&self) -> bool {
        self.tag_end > self.name_end
    }

    /// Whether a digest is given.
    #[must_use]
    pub const fn has_digest(&self) -> bool {
        self.digest.is_some()
    }

    /// The short form that people write: without `docker.io/` and `library/`.
    #[must_use]
    pub fn familiar(&self) -> impl fmt::Display + '_ {
        let hub = self.text.part(0, self.slash.into()) == DOCKER_HUB;
        let rest = self.text.part(usize::from(self.slash) + 1, self.text.len());
        let single = self
            .path()
            .strip_prefix(OFFICIAL)
            .is_some_and(|name| !name.contains('/'));
        match (hub, single) {
            (true, true) => rest.get(OFFICIAL.len()..).unwrap_or_default(),
            (true, false) => rest,
            (false, _) => self.as_str(),
        }
    }
}

text_type!(Reference);

fn short(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX) // a name, a tag and a digest together are far below
}

/// Where the parts of an input lie, before it is copied.
struct Scan {
    /// What normalising puts before the input.
    prefix: &'static [&'static str],
    /// How many bytes of the input the prefix replaces.
    skip: usize,
    slash: usize,
    name_end: usize,
    tag_end: usize,
    digest: Option<(u16, Algorithm)>,
}

impl Scan {
    fn new(input: &str) -> Result<Self, ParseError> {
        if input.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        if let Some(position) = input.find("://") {
            return Err(ParseError::new(ParseErrorKind::Scheme, position));
        }
        let (name_tag, digest_text) = match input.find('@') {
            Some(at) => (input.get(..at).unwrap_or_default(), input.get(at + 1..)),
            None => (input, None),
        };
        let scanned_digest = digest_text
            .map(|text| digest::scan(text).map_err(|error| error.at(name_tag.len() + 1)))
            .transpose()?;
        let last_component = name_tag.rfind('/').map_or(0, |slash| slash + 1);
        let colon = name_tag.get(last_component..).and_then(|last| last.find(':'));
        let name_end = colon.map_or(name_tag.len(), |colon| last_component + colon);
        let name = name_tag.get(..name_end).unwrap_or_default();
        if name.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        if colon.is_some() {
            let text = name_tag.get(name_end + 1..).unwrap_or_default();
            tag::scan(text).map_err(|error| error.at(name_end + 1))?;
        }
        let mut scan = Self {
            prefix: &[],
            skip: 0,
            slash: 0,
            name_end,
            tag_end: name_tag.len(),
            digest: scanned_digest,
        };
        scan.name(name)?;
        Ok(scan)
    }

    fn name(&mut self, name: &str) -> Result<(), ParseError> {
        let path_start = match name.find('/') {
            Some(slash) if is_registry(name.get(..slash).unwrap_or_default()) => {
                let registry = name.get(..slash).unwrap_or_default();
                name::scan_registry(registry)?;
                let path = name.get(slash + 1..).unwrap_or_default();
                self.slash = slash;
                match (registry, path.contains('/')) {
                    (DOCKER_HUB | DOCKER_HUB_LEGACY, false) => {
                        self.normalise(&[DOCKER_HUB, "/", OFFICIAL], slash + 1);
                    }
                    (DOCKER_HUB_LEGACY, true) => self.normalise(&[DOCKER_HUB, "/"], slash + 1),
                    _ => {}
                }
                slash + 1
            }
            Some(_) => {
                self.normalise(&[DOCKER_HUB, "/"], 0);
                0
            }
            None if is_identifier(name) => return Err(ParseError::new(ParseErrorKind::Identifier, 0)),
            None => {
                self.normalise(&[DOCKER_HUB, "/", OFFICIAL], 0);
                0
            }
        };
        let path = name.get(path_start..).unwrap_or_default();
        name::scan_path(path).map_err(|error| error.at(path_start))?;
        if self.prefix_length() + name.len() - self.skip > MAX_NAME_LENGTH {
            return Err(ParseError::new(ParseErrorKind::NameTooLong, name.len()));
        }
        Ok(())
    }

    fn normalise(&mut self, prefix: &'static [&'static str], skip: usize) {
        self.prefix = prefix;
        self.skip = skip;
        self.slash = DOCKER_HUB.len();
    }

    fn prefix_length(&self) -> usize {
        self.prefix.iter().map(|part| part.len()).sum()
    }

    fn reference(&self, text: Text, _base: usize) -> Reference {
        let shift = |end: usize| short(end + self.prefix_length() - self.skip);
        Reference {
            text,
            slash: short(self.slash),
            name_end: shift(self.name_end),
            tag_end: shift(self.tag_end),
            digest: self.digest,
        }
    }
}

/// Whether the text before the first slash is a registry: it has a dot, a colon or an upper-case letter, or
/// is `localhost` (distribution reference, `splitDockerDomain`).
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first
            .bytes()
            .any(|byte| matches!(byte, b'.' | b':' | b'[' | b'A'..=b'Z'))
}

fn is_identifier(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
