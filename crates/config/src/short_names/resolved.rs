use std::fmt;

use wharf_reference::{Reference, ShortName};

use super::Attempts;
use crate::SourceLine;

/// The images that a name may mean, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedName {
    names: Vec<PossibleName>,
    reason: NameReason,
    short: Option<ShortName>,
}

/// The full name of one image that a name may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossibleName {
    reference: Reference,
    recorded_as: Option<String>,
}

/// The reason why a name has the possible names that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameReason {
    /// The name has a registry.
    FullName,
    /// The name is an alias, defined in this line.
    Alias(SourceLine),
    /// The name is searched in the registries that this line lists; `None` if they do not come from a file.
    Search(Option<SourceLine>),
    /// The image was chosen when asked.
    Prompt,
    /// Every short name is Docker Hub's, by the caller's wish.
    DockerHub,
}

impl ResolvedName {
    pub(crate) const fn new(names: Vec<PossibleName>, reason: NameReason, short: Option<ShortName>) -> Self {
        Self { names, reason, short }
    }

    /// The images to try, in order; at least one.
    #[must_use]
    pub fn possible_names(&self) -> &[PossibleName] {
        &self.names
    }

    /// The reason why the name may mean these images.
    #[must_use]
    pub const fn reason(&self) -> &NameReason {
        &self.reason
    }

    /// The short name; `None` if it has a registry.
    #[must_use]
    pub const fn short_name(&self) -> Option<&ShortName> {
        self.short.as_ref()
    }

    /// An iteration over the possible names that ends as [`Attempts`] describes.
    #[must_use]
    pub const fn attempts<E>(&self) -> Attempts<'_, E> {
        Attempts::new(self)
    }
}

impl PossibleName {
    pub(crate) const fn new(reference: Reference) -> Self {
        Self {
            reference,
            recorded_as: None,
        }
    }

    /// The image that was chosen for this short name.
    pub(crate) fn chosen(reference: Reference, name: &ShortName) -> Self {
        Self {
            reference,
            recorded_as: Some(name.name().to_owned()),
        }
    }

    /// The image, in full form, with a tag or digest.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The alias to record once it was pulled, if it was chosen.
    #[must_use]
    pub fn recorded_as(&self) -> Option<&str> {
        self.recorded_as.as_deref()
    }
}

impl fmt::Display for NameReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FullName => f.write_str("the name has a registry"),
            Self::Alias(line) => write!(f, "an alias defined in {line}"),
            Self::Search(Some(line)) => write!(f, "the search registries of {line}"),
            Self::Search(None) => f.write_str("the search registries"),
            Self::Prompt => f.write_str("chosen when asked"),
            Self::DockerHub => f.write_str("short names are Docker Hub's by the caller's wish"),
        }
    }
}
