use crate::{
    Digest, ParseError, ParseErrorKind, Reference, Registry, Repository, Tag,
    parts::{OFFICIAL, Parts, Tail},
    scan::short,
    text::{Text, text_type},
};

/// A name without a registry, such as `alpine`, `library/alpine:3` or `app@sha256:…`. The configuration
/// decides which registries it may mean (containers-registries.conf(5), *unqualified-search-registries*).
///
/// # Deviation
///
/// - A first component with an upper-case letter is a registry, as in the distribution project's grammar;
///   Podman's fork takes it for a part of a short name, which then fails.
/// - A name of one component has at most 247 bytes, so that it fits Docker Hub's `library/` too.
#[derive(Clone)]
pub struct ShortName {
    text: Text,
    single: bool,
    tail: Tail,
}

impl ShortName {
    /// Parses a name without a registry.
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::NotShort`] for a name with a registry; otherwise as [`Reference::parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let parts = Parts::scan(text)?;
        if parts.path > 0 {
            return Err(ParseError::new(ParseErrorKind::NotShort, 0));
        }
        Ok(Self::from_scanned(Text::new(text), parts))
    }

    pub(crate) const fn from_scanned(text: Text, parts: Parts) -> Self {
        Self {
            text,
            single: parts.single,
            tail: parts.tail,
        }
    }

    /// The name without tag and digest, exactly as it was written: the key of an alias. `alpine` and
    /// `library/alpine` are different names.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.part(0, self.tail.name_end.into())
    }

    /// The tag, if one is given.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        self.tail.tag(&self.text)
    }

    /// The digest, if one is given.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.tail.digest(&self.text)
    }

    /// The name at this registry in full form, with its tag and digest; no tag is added. Docker Hub's
    /// `library/` is added to a name of one component.
    #[must_use]
    pub fn qualify(&self, registry: &Registry) -> Reference {
        let official = if self.single && registry.is_docker_hub() {
            OFFICIAL
        } else {
            ""
        };
        let host = registry.as_str();
        let added = host.len() + 1 + official.len();
        let text = Text::join(&[host, "/", official, self.as_str()]);
        Reference::from_scanned(text, short(host.len()), self.tail.moved(added, 0))
    }

    /// The meaning of the name if it is an alias of this repository: the repository with the name's tag and
    /// digest.
    #[must_use]
    pub fn alias_of(&self, repository: &Repository) -> Reference {
        Reference::assemble(repository, self.tag().as_ref(), self.digest().as_ref())
    }
}

text_type!(ShortName);
