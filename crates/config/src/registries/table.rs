use super::{location::Location, prefix::Prefix};
use crate::{Intent, SourceLine, SourceTable};

/// A `[[registry]]` table: the settings for the names that its prefix matches.
#[derive(Debug, Clone)]
pub struct RegistryTable {
    pub(crate) prefix: Prefix,
    pub(crate) location: Option<Location>,
    pub(crate) insecure: bool,
    pub(crate) blocked: bool,
    pub(crate) mirror_by_digest_only: bool,
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) line: SourceLine,
}

impl RegistryTable {
    /// The prefix that it matches.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The location that replaces the prefix; `None` to leave names as they are.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_ref().map(Location::as_str)
    }

    /// True if the registry itself may be contacted without a valid certificate, or over plain http.
    #[must_use]
    pub const fn insecure(&self) -> bool {
        self.insecure
    }

    /// True if the registry itself must not be contacted. Its mirrors may.
    #[must_use]
    pub const fn blocked(&self) -> bool {
        self.blocked
    }

    /// The mirrors in the order of the file.
    #[must_use]
    pub fn mirrors(&self) -> &[Mirror] {
        &self.mirrors
    }

    /// The mirrors that serve this intent, in order.
    pub(crate) fn mirrors_for(&self, intent: Intent) -> impl Iterator<Item = &Mirror> {
        self.mirrors.iter().filter(move |mirror| {
            let pulls = if self.mirror_by_digest_only {
                PullFromMirror::DigestOnly
            } else {
                mirror.pulls
            };
            match intent {
                Intent::PullTag => pulls != PullFromMirror::DigestOnly,
                Intent::PullDigest => pulls != PullFromMirror::TagOnly,
                Intent::Push | Intent::Other => false,
            }
        })
    }

    /// The table as it is named in an explanation.
    pub(crate) fn source(&self) -> SourceTable {
        SourceTable::registry(self.line.clone(), self.prefix.to_string())
    }
}

/// A mirror of a registry.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub(crate) location: Location,
    pub(crate) insecure: bool,
    pub(crate) pulls: PullFromMirror,
    pub(crate) line: SourceLine,
}

impl Mirror {
    /// Its location: a registry, perhaps with the beginning of a path.
    #[must_use]
    pub fn location(&self) -> &str {
        self.location.as_str()
    }

    /// True if it may be contacted without a valid certificate, or over plain http.
    #[must_use]
    pub const fn insecure(&self) -> bool {
        self.insecure
    }

    /// The pulls that it serves, by its own `pull-from-mirror`.
    #[must_use]
    pub const fn pulls(&self) -> PullFromMirror {
        self.pulls
    }

    /// The mirror as it is named in an explanation.
    pub(crate) fn source(&self) -> SourceTable {
        SourceTable::mirror(self.line.clone(), self.location.as_str().to_owned())
    }
}

/// The pulls that a mirror serves: its `pull-from-mirror`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PullFromMirror {
    /// `all`.
    #[default]
    All,
    /// `digest-only`.
    DigestOnly,
    /// `tag-only`.
    TagOnly,
}

impl PullFromMirror {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "all" => Some(Self::All),
            "digest-only" => Some(Self::DigestOnly),
            "tag-only" => Some(Self::TagOnly),
            _ => None,
        }
    }
}
