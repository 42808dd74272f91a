//! The shared text of names: a clone increments a reference count and copies no text.

use alloc::{string::String, sync::Arc};
use core::fmt;

use crate::scan;

/// The longest text of a reference, in bytes: registry, path, tag, digest and separators.
const LONGEST: usize = scan::MAX_REGISTRY + 1 + scan::MAX_PATH + 1 + scan::MAX_TAG + 1 + scan::MAX_DIGEST;
/// The length in bytes that nearly all names do not exceed, including those with a sha256 digest.
const USUAL: usize = 192;

/// A range of a shared string. Invariant: `start..end` lies inside `buffer`, which is ASCII.
#[derive(Clone)]
pub(crate) struct Text {
    buffer: Arc<str>,
    start: u32,
    end: u32,
}

impl Text {
    /// The whole of `text`, copied once.
    pub(crate) fn new(text: &str) -> Self {
        Self {
            buffer: Arc::from(text),
            start: 0,
            end: offset(text.len()),
        }
    }

    /// Joins the parts.
    ///
    /// They are joined on the stack, because a `String` would be a second allocation.
    pub(crate) fn join(parts: &[&str]) -> Self {
        match parts.iter().map(|part| part.len()).sum::<usize>() {
            length if length <= USUAL => Self::new(fill(&mut [0; USUAL], parts)),
            length if length <= LONGEST => Self::new(fill(&mut [0; LONGEST], parts)),
            _ => Self::new(&parts.iter().copied().collect::<String>()),
        }
    }

    /// The part of this text from `start` to `end`, both relative to it, sharing the bytes.
    pub(crate) fn slice(&self, start: usize, end: usize) -> Self {
        let base = self.start;
        Self {
            buffer: Arc::clone(&self.buffer),
            start: base + offset(start),
            end: base + offset(end),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.buffer
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// The part from `start` to `end`, borrowed.
    pub(crate) fn part(&self, start: usize, end: usize) -> &str {
        self.as_str().get(start..end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// Copies the parts into the buffer, which is large enough.
fn fill<'a>(buffer: &'a mut [u8], parts: &[&str]) -> &'a str {
    let mut end = 0;
    for part in parts {
        let start = end;
        end += part.len();
        if let Some(space) = buffer.get_mut(start..end) {
            space.copy_from_slice(part.as_bytes());
        }
    }
    buffer
        .get(..end)
        .and_then(|text| core::str::from_utf8(text).ok())
        .unwrap_or_default()
}

/// Parsers refuse longer input before a text is built, so this never saturates.
fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The common methods of every validated text type: view, borrow, print, parse, compare with a string.
macro_rules! text_type {
    ($type:ident) => {
        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.text.as_str()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl core::ops::Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                self.as_str()
            }
        }

        impl core::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl core::str::FromStr for $type {
            type Err = crate::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $type {
            type Error = crate::ParseError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        // By the text alone, so that `Borrow<str>` keeps its promise.
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $type {}

        impl core::hash::Hash for $type {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> core::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        #[cfg(feature = "serde")]
        impl serde_core::Serialize for $type {
            fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde_core::Deserialize<'de> for $type {
            fn deserialize<D: serde_core::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::de::text(deserializer, Self::parse)
            }
        }
    };
}

pub(crate) use text_type;
