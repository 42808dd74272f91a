use std::fmt;

use wharf_reference::Digest;

/// One thing that a document states and that its new form cannot state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    manifest: Digest,
    part: Part,
    member: Box<str>,
}

/// The part of an image that a [`Loss`] is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The manifest or index.
    Manifest,
    /// The descriptor of the config.
    Config,
    /// The descriptor of a layer, counted from one, lowest first.
    Layer(usize),
    /// An entry of an index, counted from one.
    Entry(usize),
    /// The config itself.
    ConfigDocument,
}

impl Loss {
    pub(crate) fn new(manifest: &Digest, part: Part, member: impl Into<Box<str>>) -> Self {
        Self {
            manifest: manifest.clone(),
            part,
            member: member.into(),
        }
    }

    /// The digest of the original manifest or index.
    #[must_use]
    pub const fn manifest(&self) -> &Digest {
        &self.manifest
    }

    /// The part that loses it.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// The member, by the keys that lead to it: `subject`, `annotations.KEY`, `config.Healthcheck`.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self
            .member
            .chars()
            .take(120)
            .flat_map(char::escape_debug)
            .collect();
        write!(f, "{}: ", self.manifest)?;
        match self.part {
            Part::Manifest => write!(f, "{shown}"),
            Part::Config => write!(f, "{shown} of the descriptor of the config"),
            Part::Layer(number) => write!(f, "{shown} of layer {number}"),
            Part::Entry(number) => write!(f, "{shown} of entry {number}"),
            Part::ConfigDocument => write!(f, "{shown} of the config"),
        }
    }
}
