use core::fmt;

use crate::{
    Digest, ParseError, ParseErrorKind, Registry, Repository, Tag,
    parts::{OFFICIAL, Parts, Tail},
    registry::DOCKER_HUB,
    scan::{self, short},
    text::{Text, text_type},
};

/// An image name in full form: `registry/path[:tag][@digest]`.
///
/// The parts share one text: taking and cloning them copies nothing.
#[derive(Clone)]
pub struct Reference {
    text: Text,
    slash: u16,
    tail: Tail,
}

impl Reference {
    /// Parses what a user typed and normalises it as Docker does:
    ///
    /// | typed | means |
    /// |---|---|
    /// | `alpine` | `docker.io/library/alpine` |
    /// | `grafana/grafana:11` | `docker.io/grafana/grafana:11` |
    /// | `docker.io/alpine` | `docker.io/library/alpine` |
    /// | `index.docker.io/grafana/grafana` | `docker.io/grafana/grafana` |
    /// | `localhost/app`, `quay.io/app`, `[::1]:5000/app` | themselves |
    /// | `localhost:5000` | `docker.io/library/localhost:5000`, a tag, as no path follows |
    /// | `sha256:…` | `docker.io/library/sha256:…`, a tag; see [`AnyReference`](crate::AnyReference) |
    ///
    /// No tag is added; see [`Reference::or_latest`].
    ///
    /// # Errors
    ///
    /// If the text is no name, or has a part that is malformed or too long: the [`ParseErrorKind`] of the
    /// first such part. [`ParseErrorKind::Identifier`] for an image identifier, 64 hexadecimal digits alone;
    /// [`ParseErrorKind::Scheme`] for a URL; [`ParseErrorKind::UnsupportedAlgorithm`] for a digest of another
    /// algorithm than sha256 and sha512.
    pub fn parse(input: &str) -> Result<Self, ParseError> {
        Parts::scan(input).map(|parts| Self::normalise(input, None, parts))
    }

    /// Parses a name that must be in full form already.
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::NotCanonical`] if [`Reference::parse`] would change it, at the first byte that
    /// would differ; otherwise as [`Reference::parse`].
    pub fn parse_canonical(input: &str) -> Result<Self, ParseError> {
        let parts = Parts::scan(input)?;
        if let Some((prefix, _)) = parts.prefix(input) {
            let position = prefix
                .bytes()
                .zip(input.bytes())
                .take_while(|(full, given)| full == given)
                .count();
            return Err(ParseError::new(ParseErrorKind::NotCanonical, position));
        }
        Ok(Self::normalise(input, None, parts))
    }

    /// The full form of a scanned name; `shared` is its text if that is shared already.
    pub(crate) fn normalise(input: &str, shared: Option<&Text>, parts: Parts) -> Self {
        match parts.prefix(input) {
            Some((prefix, replaced)) => Self {
                text: Text::join(&[prefix, input.get(replaced..).unwrap_or_default()]),
                slash: short(DOCKER_HUB.len()),
                tail: parts.tail.moved(prefix.len(), replaced),
            },
            None => Self {
                text: shared.cloned().unwrap_or_else(|| Text::new(input)),
                slash: parts.path.saturating_sub(1),
                tail: parts.tail,
            },
        }
    }

    /// Makes a reference to a repository, without tag or digest.
    #[must_use]
    pub fn new(repository: &Repository) -> Self {
        Self::assemble(repository, None, None)
    }

    /// Replaces the tag and leaves the digest.
    #[must_use]
    pub fn with_tag(&self, tag: &Tag) -> Self {
        Self::assemble(&self.repository(), Some(tag), self.digest().as_ref())
    }

    /// Replaces the digest and leaves the tag.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self::assemble(&self.repository(), self.tag().as_ref(), Some(digest))
    }

    /// Adds the tag `latest` if there is neither tag nor digest.
    #[must_use]
    pub fn or_latest(self) -> Self {
        if self.has_tag() || self.has_digest() {
            self
        } else {
            self.with_tag(&Tag::latest())
        }
    }

    pub(crate) const fn from_scanned(text: Text, slash: u16, tail: Tail) -> Self {
        Self { text, slash, tail }
    }

    pub(crate) fn assemble(repository: &Repository, tag: Option<&Tag>, digest: Option<&Digest>) -> Self {
        let name = repository.as_str();
        let (colon, tag) = tag.map_or(("", ""), |tag| (":", tag.as_str()));
        let tag_end = name.len() + colon.len() + tag.len();
        let (at, digest_text) = digest.map_or(("", ""), |digest| ("@", digest.as_str()));
        Self {
            text: Text::join(&[name, colon, tag, at, digest_text]),
            slash: repository.slash(),
            tail: Tail {
                name_end: short(name.len()),
                tag_end: short(tag_end),
                digest: digest.map(Digest::scanned),
            },
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
        Repository::from_scanned(self.text.slice(0, self.tail.name_end.into()), self.slash)
    }

    /// The path within the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text
            .part(usize::from(self.slash) + 1, self.tail.name_end.into())
    }

    /// The tag, if one is given.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        self.tail.tag(&self.text)
    }

    /// The digest, if one is given. A reference with tag and digest means the digest.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.tail.digest(&self.text)
    }

    /// True if there is a tag.
    #[must_use]
    pub const fn has_tag(&self) -> bool {
        self.tail.has_tag()
    }

    /// True if there is a digest.
    #[must_use]
    pub const fn has_digest(&self) -> bool {
        self.tail.digest.is_some()
    }

    /// The short form that people write: without Docker Hub's `docker.io/` and `library/`.
    /// [`Reference::parse`] is its inverse.
    ///
    /// # Deviation
    ///
    /// If the short form would be read as another name, a part stays: `docker.io/` in
    /// `docker.io/quay.io/app`, whose path begins like a registry, and `library/` before an image
    /// identifier. Upstream shortens those to names that mean another image.
    #[must_use]
    pub fn familiar(&self) -> impl fmt::Display + '_ {
        let after_registry = usize::from(self.slash) + 1;
        if self.text.part(0, self.slash.into()) != DOCKER_HUB {
            return self.as_str();
        }
        let short = self.text.part(after_registry, self.text.len());
        match self.path().split_once('/') {
            Some(("library", name)) if !name.contains('/') => {
                let official = short.get(OFFICIAL.len()..).unwrap_or_default();
                if scan::is_identifier(official.as_bytes()) {
                    short
                } else {
                    official
                }
            }
            Some((first, _)) if scan::is_registry(first.as_bytes()) => self.as_str(),
            _ => short,
        }
    }
}

text_type!(Reference);
