use std::{fmt, str::FromStr};

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de};
use wharf_content::{Error, ErrorKind};

/// The most bytes of a regular expression.
const MAX_PATTERN: usize = 4096;
/// The most bytes that a compiled regular expression may take.
const MAX_COMPILED: usize = 256 << 10;

/// A regular expression, which matches anywhere in a text, as Go's do: `^` and `$` are to be written.
///
/// The syntax is Go's, with these differences, which are errors: `\Q...\E`, `\C` and Unicode classes (`\pL`). As in Go,
/// `\d`, `\w`, `\s` and `\b` are ASCII, and matching takes time in proportion to pattern and text. A pattern has at most
/// 4096 bytes.
///
/// ```
/// use wharf::sync::TagPattern;
///
/// let pattern: TagPattern = r"^1\.13\.[12]-alpine-perl$".parse()?;
/// assert!(pattern.is_match("1.13.1-alpine-perl"));
/// let anywhere: TagPattern = "alpine".parse()?;
/// assert!(anywhere.is_match("1.13.1-alpine-perl"));
/// # Ok::<(), wharf::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TagPattern(Regex);

impl TagPattern {
    /// True if the pattern matches a part of the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl FromStr for TagPattern {
    type Err = Error;

    /// Parses a regular expression.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed expression, and one that is too large.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_PATTERN {
            let message = format!("the regular expression is longer than {MAX_PATTERN} bytes");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let compiled = RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
        compiled.map(Self).map_err(|error| {
            let message = format!("malformed regular expression {text:?}: {error}");
            Error::new(ErrorKind::Invalid, message)
        })
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for TagPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_gos_do() {
        for (pattern, matching, other) in [
            ("alpine", ["1-alpine", "alpine3"], "1.2"),
            (r"^1\.\d+$", ["1.2", "1.10"], "1.2-alpine"),
            ("^v?[0-9]+$", ["v1", "20"], "1.2"),
            ("(?i)RC", ["1-rc1", "1-RC"], "1"),
            ("^(?:a|b)$", ["a", "b"], "ab"),
            (r"^[[:alpha:]]+\z", ["latest", "edge"], "v1"),
            (r"\bslim\b", ["1-slim", "slim-1"], "slimmer"),
            ("", ["a", "1"], "\u{0}"),
        ] {
            let pattern: TagPattern = pattern.parse().unwrap();
            assert!(matching.iter().all(|tag| pattern.is_match(tag)), "{pattern}");
            assert!(
                !pattern.is_match(other) || pattern.to_string().is_empty(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_gos_patterns_have_and_ours_have_not_is_an_error() {
        for pattern in [
            r"\Q.\E",
            r"\pL",
            r"\C",
            "(",
            "a{2000}{2000}",
            "[z-a]",
            "*",
            "(?=a)",
        ] {
            let error = pattern.parse::<TagPattern>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{pattern}");
            assert!(
                error.to_string().contains("malformed regular expression"),
                "{error}"
            );
        }
        let long = "a".repeat(MAX_PATTERN + 1);
        assert!(long.parse::<TagPattern>().is_err());
    }
}
