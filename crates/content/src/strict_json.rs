//! JSON that two parsers cannot read differently: no duplicate keys, no keys that differ from a known key
//! in case alone where keys have a meaning (Go accepts those), no lists where objects belong (serde accepts
//! those), bounded depth and number of keys, nothing after the document.
//!
//! Threats I5 and X9 in docs/threats.md; image-spec, *considerations*, asks for I-JSON (RFC 7493).

use std::{borrow::Cow, cell::Cell, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::{Error, ErrorKind};

/// The deepest nesting of objects and lists in a document.
const MAX_DEPTH: usize = 64;
/// The most keys that all objects of a document have together. An index of two thousand entries has some
/// 20,000.
const MAX_KEYS: usize = 100_000;

/// The keys that have a meaning for some parser in a manifest, an index or their descriptors.
const KNOWN: &[&str] = &[
    "annotations",
    "architecture",
    "artifactType",
    "blobs",
    "config",
    "data",
    "digest",
    "fsLayers",
    "history",
    "layers",
    "manifests",
    "mediaType",
    "os",
    "os.features",
    "os.version",
    "platform",
    "schemaVersion",
    "signatures",
    "size",
    "subject",
    "urls",
    "variant",
];

/// Checks a document.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] if it is not JSON, [`ErrorKind::Ambiguous`] if it can be read in two ways,
/// [`ErrorKind::TooLarge`] if it needs far more memory than its size.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Error> {
    let tally = Tally::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let walk = Walk {
        depth: 0,
        node: Node::Manifest,
        tally: &tally,
    };
    walk.deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| {
            let kind = tally.refusal.get().unwrap_or(ErrorKind::Invalid);
            Error::new(kind, format!("the document is not acceptable JSON: {error}"))
        })
}

/// The part of a manifest that a value belongs to. Where an object is expected, serde would also accept a
/// list, field by field.
#[derive(Clone, Copy)]
enum Node {
    Manifest,
    Descriptor,
    Descriptors,
    Platform,
    Other,
}

impl Node {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Manifest, "config" | "subject") => Self::Descriptor,
            (Self::Manifest, "layers" | "manifests" | "blobs") => Self::Descriptors,
            (Self::Descriptor, "platform") => Self::Platform,
            _ => Self::Other,
        }
    }

    /// True if keys have a meaning here. In annotations and unknown members they have none.
    const fn has_known_keys(self) -> bool {
        matches!(self, Self::Manifest | Self::Descriptor | Self::Platform)
    }

    /// The part that the entries of a list belong to; `None` if no list is allowed here.
    const fn entry(self) -> Option<Self> {
        match self {
            Self::Manifest | Self::Descriptor | Self::Platform => None,
            Self::Descriptors => Some(Self::Descriptor),
            Self::Other => Some(Self::Other),
        }
    }
}

/// The counts of the whole document, and the reason for a refusal other than the grammar.
#[derive(Default)]
struct Tally {
    keys: Cell<usize>,
    refusal: Cell<Option<ErrorKind>>,
}

impl Tally {
    fn refuse<E: serde::de::Error>(&self, kind: ErrorKind, why: impl fmt::Display) -> E {
        self.refusal.set(Some(kind));
        E::custom(why)
    }

    fn key<E: serde::de::Error>(&self) -> Result<(), E> {
        self.keys.set(self.keys.get() + 1);
        if self.keys.get() > MAX_KEYS {
            return Err(self.refuse(ErrorKind::TooLarge, format_args!("more than {MAX_KEYS} keys")));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    depth: usize,
    node: Node,
    tally: &'a Tally,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let Some(node) = self.node.entry() else {
            return Err(A::Error::custom("a list stands where an object belongs"));
        };
        while items.next_element_seed(Self { node, ..inner })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner: Self = self.deeper()?;
        let mut seen: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Key(key)) = entries.next_key()? {
            self.tally.key()?;
            if self.node.has_known_keys()
                && let Some(known) = KNOWN.iter().find(|known| binds_to(&key, known))
                && *known != key
            {
                let why = format_args!("a key equals {known:?} but for its case");
                return Err(self.tally.refuse(ErrorKind::Ambiguous, why));
            }
            let node = self.node.below(&key);
            if let Some(twice) = seen.replace(key) {
                let why = format!("the key {:?} appears twice", crate::bounded(&twice));
                return Err(self.tally.refuse(ErrorKind::Ambiguous, why));
            }
            entries.next_value_seed(Self { node, ..inner })?;
        }
        Ok(())
    }
}

/// True if Go takes a key for a known one: case is ignored by Unicode's simple folding, by which two
/// letters outside ASCII equal an ASCII letter.
fn binds_to(key: &str, known: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(known);
    }
    let folded = key.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(known.chars().map(|character| character.to_ascii_lowercase()))
}

/// A key, borrowed where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
