//! One comparison of a constraint.

use std::cmp::Ordering;

use semver::Version;

/// The operator of a comparator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// Equal major and minor versions.
    Tilde,
    /// An equal leftmost number that is not zero.
    Caret,
}

/// The numbers that are written out; after them, every number is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    None,
    Major,
    Minor,
    Patch,
}

/// An operator and a version. Numbers that are not written out are zero in it.
#[derive(Debug, Clone)]
pub(super) struct Comparator {
    pub(super) operator: Operator,
    pub(super) version: Version,
    pub(super) precision: Precision,
}

impl Comparator {
    pub(super) fn names_prerelease(&self) -> bool {
        !self.version.pre.is_empty()
    }

    /// True if the comparator holds for a version. Build metadata is not compared.
    pub(super) fn admits(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        let is_exact = self.precision == Precision::Patch;
        match self.operator {
            Operator::Equal if is_exact => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => order != Ordering::Less && self.is_within_tilde(version),
            Operator::NotEqual => self.differs(version, order),
            Operator::Greater => self.is_beyond(version, order),
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual if is_exact => order != Ordering::Greater,
            Operator::LessOrEqual => !self.is_after_prefix(version),
            Operator::Caret => order != Ordering::Less && self.is_within_caret(version),
        }
    }

    const fn has_minor(&self) -> bool {
        matches!(self.precision, Precision::Minor | Precision::Patch)
    }

    const fn is_zero(&self) -> bool {
        self.version.major == 0 && self.version.minor == 0 && self.version.patch == 0
    }

    /// `~*` and `~0.0.0` have no upper end.
    const fn is_within_tilde(&self, version: &Version) -> bool {
        if self.is_zero() && matches!(self.precision, Precision::None | Precision::Patch) {
            return true;
        }
        version.major == self.version.major && (!self.has_minor() || version.minor == self.version.minor)
    }

    const fn is_within_caret(&self, version: &Version) -> bool {
        let base = &self.version;
        if base.major > 0 || matches!(self.precision, Precision::Major) {
            return version.major == base.major;
        }
        if version.major > 0 {
            return false;
        }
        if base.minor > 0 || matches!(self.precision, Precision::Minor) {
            return version.minor == base.minor;
        }
        version.minor == 0 && version.patch == base.patch
    }

    /// True if the version does not begin with the numbers that are written out.
    fn differs(&self, version: &Version, order: Ordering) -> bool {
        let base = &self.version;
        match self.precision {
            Precision::None | Precision::Patch => order != Ordering::Equal,
            Precision::Major => version.major != base.major,
            Precision::Minor => {
                (version.major, version.minor) != (base.major, base.minor) || version.pre != base.pre
            }
        }
    }

    /// True if the version is beyond all that begin with the numbers that are written out.
    fn is_beyond(&self, version: &Version, order: Ordering) -> bool {
        let base = &self.version;
        match self.precision {
            Precision::None | Precision::Patch => order == Ordering::Greater,
            Precision::Major => version.major > base.major,
            Precision::Minor => (version.major, version.minor) > (base.major, base.minor),
        }
    }

    /// True if the version follows all that begin with the numbers that are written out. `<=*` has the
    /// numbers zero and zero.
    const fn is_after_prefix(&self, version: &Version) -> bool {
        let has_minor = self.has_minor() || matches!(self.precision, Precision::None);
        let base = &self.version;
        version.major > base.major || (version.major == base.major && has_minor && version.minor > base.minor)
    }
}
