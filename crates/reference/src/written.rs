use crate::{
    Digest, ParseError, Reference, Registry, ShortName, Tag,
    parts::Parts,
    text::{Text, text_type},
};

/// A name exactly as it was written, before missing parts are added.
///
/// ```
/// use wharf_reference::Written;
///
/// let written = Written::parse("index.docker.io/alpine")?;
/// assert_eq!(written.as_str(), "index.docker.io/alpine");
/// assert!(written.has_registry() && !written.has_tag());
/// assert_eq!(written.normalise().as_str(), "docker.io/library/alpine");
/// # Ok::<(), wharf_reference::ParseError>(())
/// ```
///
/// It accepts exactly what [`Reference::parse`] accepts.
///
/// # Deviation
///
/// Upstream's unnormalised parser takes every first component that could be a host for a registry, also
/// `library` in `library/alpine`. Here a name has a registry only if the normalised name has the same one.
#[derive(Clone)]
pub struct Written {
    text: Text,
    parts: Parts,
}

impl Written {
    /// Parses a name without changing it.
    ///
    /// # Errors
    ///
    /// As [`Reference::parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let parts = Parts::scan(text)?;
        Ok(Self {
            text: Text::new(text),
            parts,
        })
    }

    /// True if there is a registry.
    #[must_use]
    pub const fn has_registry(&self) -> bool {
        self.parts.path > 0
    }

    /// The registry, if one is given. `index.docker.io` is `docker.io`.
    #[must_use]
    pub fn registry(&self) -> Option<Registry> {
        let end = usize::from(self.parts.path).checked_sub(1)?;
        Some(Registry::from_written(self.text.slice(0, end)))
    }

    /// The path as it was written.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text
            .part(self.parts.path.into(), self.parts.tail.name_end.into())
    }

    /// True if there is a tag.
    #[must_use]
    pub const fn has_tag(&self) -> bool {
        self.parts.tail.has_tag()
    }

    /// The tag, if one is given.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        self.parts.tail.tag(&self.text)
    }

    /// True if there is a digest.
    #[must_use]
    pub const fn has_digest(&self) -> bool {
        self.parts.tail.digest.is_some()
    }

    /// The digest, if one is given.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.parts.tail.digest(&self.text)
    }

    /// This name as a short name; `None` if it has a registry.
    #[must_use]
    pub fn short_name(&self) -> Option<ShortName> {
        (!self.has_registry()).then(|| ShortName::from_scanned(self.text.clone(), self.parts))
    }

    /// The full form as Docker reads the name: see [`Reference::parse`].
    #[must_use]
    pub fn normalise(&self) -> Reference {
        Reference::normalise(self.as_str(), Some(&self.text), self.parts)
    }
}

text_type!(Written);
