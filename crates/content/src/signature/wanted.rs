/// The kinds of signatures that are asked for. By default, none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a set of kinds, in any combination")]
pub struct Wanted {
    /// [`Signature::Simple`](crate::Signature::Simple).
    pub simple: bool,
    /// [`Signature::Attachment`](crate::Signature::Attachment).
    pub attachments: bool,
    /// [`Signature::Bundle`](crate::Signature::Bundle).
    pub bundles: bool,
    /// With attachments, the payloads of those that are no signatures, such as an SBOM. Otherwise these attachments
    /// are listed with an empty payload, which is not fetched.
    pub other_attachments: bool,
}

impl Wanted {
    /// No signature.
    pub const NOTHING: Self = Self {
        simple: false,
        attachments: false,
        bundles: false,
        other_attachments: false,
    };
    /// [`Signature::Simple`](crate::Signature::Simple) alone.
    pub const SIMPLE: Self = Self {
        simple: true,
        ..Self::NOTHING
    };
    /// [`Signature::Attachment`](crate::Signature::Attachment) alone.
    pub const ATTACHMENTS: Self = Self {
        attachments: true,
        ..Self::NOTHING
    };
    /// [`Signature::Bundle`](crate::Signature::Bundle) alone.
    pub const BUNDLES: Self = Self {
        bundles: true,
        ..Self::NOTHING
    };
    /// Signatures of every kind and all payloads, for copying.
    pub const EVERYTHING: Self = Self {
        simple: true,
        attachments: true,
        bundles: true,
        other_attachments: true,
    };

    /// Whether no kind is wanted, so that nothing need be read.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        !(self.simple || self.attachments || self.bundles)
    }

    /// The union of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            simple: self.simple || other.simple,
            attachments: self.attachments || other.attachments,
            bundles: self.bundles || other.bundles,
            other_attachments: self.other_attachments || other.other_attachments,
        }
    }

    /// Whether all kinds of the other are among these.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self.or(other) == self
    }

    /// These kinds one by one: simple, attachments, bundles.
    pub fn each(self) -> impl Iterator<Item = Self> {
        let kinds = [Self::SIMPLE, Self::ATTACHMENTS, Self::BUNDLES];
        kinds.into_iter().filter(move |kind| self.includes(*kind))
    }
}

/// "simple signatures", "sigstore attachments" and "sigstore bundles", with commas between them.
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (self.simple, "simple signatures"),
            (self.attachments, "sigstore attachments"),
            (self.bundles, "sigstore bundles"),
        ];
        let mut names = names.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name);
        f.write_str(names.next().unwrap_or("no signatures"))?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}
