//! Constraints of versions, which select tags.

mod comparator;
mod parse;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use semver::Version;
use serde::{Deserialize, Deserializer, de};
use wharf_content::{Error, ErrorKind};

use self::comparator::Comparator;

/// The most bytes of a constraint of versions.
const MAX_CONSTRAINT: usize = 512;
/// The most alternatives of a constraint of versions.
const MAX_ALTERNATIVES: usize = 32;

/// A constraint of versions, which selects tags, in the syntax of Go's Masterminds/semver that Skopeo uses:
///
/// | written | selects |
/// |---|---|
/// | `1.2.3`, `=1.2.3` | this version |
/// | `1`, `v1`, `1.2`, `1.2.x`, `1.*` | every version that begins so |
/// | `>1.2`, `>=1.2`, `<2`, `<=2`, `!=1.3` | by comparison; `>1.2` begins after all of 1.2, `<=2` ends after all of 2 |
/// | `1.2 - 2` | `>=1.2, <=2` |
/// | `~1.2.3` | `>=1.2.3`, the same major and minor version |
/// | `^1.2.3` | `>=1.2.3`, the same leftmost number that is not zero |
/// | `>=1.2, <2` or `>=1.2 <2` | versions that both select |
/// | `~1.2 \|\| ^3` | versions that one of them selects |
///
/// Pre-releases, such as `1.2.3-rc.1`, are selected only by an alternative that names a pre-release. Tags are read
/// leniently, as `v1`, `1.2` and `1.02.3`; one that is no version is never selected.
///
/// ```
/// use wharf::{Tag, sync::Versions};
///
/// let versions: Versions = ">=1.2, <2".parse()?;
/// assert!(versions.select(&Tag::parse("v1.10")?));
/// assert!(!versions.select(&Tag::parse("1.3.0-rc.1")?));
/// assert!(!versions.select(&Tag::parse("latest")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Versions {
    text: Box<str>,
    alternatives: Vec<Alternative>,
}

/// Comparators that a version must all satisfy.
#[derive(Debug, Clone)]
struct Alternative {
    comparators: Vec<Comparator>,
    /// True if one of the comparators names a pre-release.
    with_prereleases: bool,
}

impl Versions {
    /// True if a tag is a version that the constraint selects.
    #[must_use]
    pub fn select(&self, tag: &wharf_reference::Tag) -> bool {
        parse::version(tag.as_str()).is_some_and(|version| self.contains(&version))
    }

    fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|alternative| {
            (version.pre.is_empty() || alternative.with_prereleases)
                && alternative.comparators.iter().all(|one| one.admits(version))
        })
    }
}

impl FromStr for Versions {
    type Err = Error;

    /// Parses a constraint.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed constraint, and one of more than 512 bytes or 32 alternatives.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_CONSTRAINT {
            let message = format!("the constraint of versions is longer than {MAX_CONSTRAINT} bytes");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let malformed = |problem: String| {
            let message = format!("malformed constraint of versions {text:?}: {problem}");
            Error::new(ErrorKind::Invalid, message)
        };
        let parts: Vec<&str> = text.split("||").collect();
        if parts.len() > MAX_ALTERNATIVES {
            return Err(malformed(format!("more than {MAX_ALTERNATIVES} alternatives")));
        }
        let alternatives = parts.into_iter().map(|part| {
            let comparators = parse::comparators(part)?;
            Ok(Alternative {
                with_prereleases: comparators.iter().any(Comparator::names_prerelease),
                comparators,
            })
        });
        Ok(Self {
            alternatives: alternatives.collect::<Result<_, String>>().map_err(malformed)?,
            text: text.into(),
        })
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
