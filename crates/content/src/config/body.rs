//! The members of a config that are parsed and written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap as _,
};

use crate::{Error, ErrorKind, Platform, unset};

/// The most entries of a config's history that are read. Each takes some thirty times the memory of its
/// shortest form; builders stop at 127 layers.
const MAX_HISTORY: usize = 10_000;

const TOO_MUCH_HISTORY: &str = "more than 10000 entries of history";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Body {
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) created: Option<String>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) author: Option<String>,
    #[serde(default, deserialize_with = "unset::text", skip_serializing)]
    pub(super) docker_version: Option<String>,
    #[serde(
        default,
        deserialize_with = "object",
        skip_serializing_if = "Runtime::is_unset"
    )]
    pub(super) config: Runtime,
    #[serde(default, deserialize_with = "object")]
    pub(super) rootfs: RootFs,
    #[serde(default, deserialize_with = "history", skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<History>,
}

/// The settings with which a container of the image starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Runtime {
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) user: Option<String>,
    #[serde(
        default,
        deserialize_with = "unset::keys",
        serialize_with = "with_empty_objects",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub(super) exposed_ports: BTreeSet<String>,
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "Option::is_none")]
    pub(super) env: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "text_or_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) entrypoint: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "text_or_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) cmd: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "unset::keys",
        serialize_with = "with_empty_objects",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub(super) volumes: BTreeSet<String>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) working_dir: Option<String>,
    #[serde(default, deserialize_with = "labels", skip_serializing_if = "Option::is_none")]
    pub(super) labels: Option<BTreeMap<String, String>>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) stop_signal: Option<String>,
}

impl Runtime {
    fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RootFs {
    #[serde(rename = "type", default, deserialize_with = "unset::text_or_empty")]
    kind: String,
    /// The texts of the digests, not validated.
    #[serde(default, deserialize_with = "unset::list")]
    pub(super) diff_ids: Vec<String>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// One step by which an image was made (image-spec, *Image Configuration*, `history`).
///
/// ```
/// use wharf_content::History;
///
/// let history = History::default().with_created_by("COPY app /srv/app").with_created("2026-01-01T00:00:00Z");
/// assert!(!history.empty_layer());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    created: Option<String>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    created_by: Option<String>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    author: Option<String>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    comment: Option<String>,
    #[serde(
        default,
        deserialize_with = "flag",
        skip_serializing_if = "std::ops::Not::not"
    )]
    empty_layer: bool,
}

impl History {
    /// Sets the time at which the layer was made, as RFC 3339 writes it.
    #[must_use]
    pub fn with_created(mut self, time: impl Into<String>) -> Self {
        self.created = Some(time.into());
        self
    }

    /// Sets the command that made the layer.
    #[must_use]
    pub fn with_created_by(mut self, command: impl Into<String>) -> Self {
        self.created_by = Some(command.into());
        self
    }

    /// Sets the author of the layer.
    #[must_use]
    pub fn with_author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// Sets a message about the layer.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Marks the step as one that changed no file, so that it has no layer.
    #[must_use]
    pub fn without_layer(mut self) -> Self {
        self.empty_layer = true;
        self
    }

    /// The time at which the layer was made, as RFC 3339 writes it.
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }

    /// The moment at which the layer was made; `None` also if it is stated in another form than RFC 3339.
    #[must_use]
    pub fn created_at(&self) -> Option<std::time::SystemTime> {
        crate::parse_time(self.created()?)
    }

    /// The command that made the layer.
    #[must_use]
    pub fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    /// The author of the layer.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// A message about the layer.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// True if the step has no layer.
    #[must_use]
    pub const fn empty_layer(&self) -> bool {
        self.empty_layer
    }
}

impl Body {
    /// Parses the members of a config and the platform that it states.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, Platform), Error> {
        let unreadable = |error: serde_json::Error| {
            let why = crate::why_unreadable(&error);
            if why.starts_with(TOO_MUCH_HISTORY) {
                return Error::new(ErrorKind::TooLarge, format!("the config has {why}"));
            }
            Error::new(ErrorKind::Invalid, format!("the config cannot be read: {why}"))
        };
        let Object(body) = serde_json::from_slice(bytes).map_err(unreadable)?;
        let Object(platform) = serde_json::from_slice(bytes).map_err(unreadable)?;
        Ok((body, platform))
    }

    /// The document, with its platform.
    pub(super) fn write(&self, platform: &Platform) -> Result<Vec<u8>, Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            #[serde(flatten)]
            platform: &'a Platform,
            #[serde(flatten)]
            body: &'a Body,
        }
        let document = Document { platform, body: self };
        serde_json::to_vec(&document).map_err(|error| Error::wrap(ErrorKind::Other, error))
    }
}

/// A value that is parsed from an object only. Without this type, serde would also accept a list, field by
/// field.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// An object; its default for null.
fn object<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    let object = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(object.map(|Object(value)| value).unwrap_or_default())
}

/// A boolean; false for null.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A list of texts, if it is set. As for Go, null in it is the empty text.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let list = Option::<Vec<Option<String>>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(Option::unwrap_or_default).collect()))
}

/// Texts by key, if they are set. As for Go, null is the empty text.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let map = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?;
    let named = |(key, value): (String, Option<String>)| (key, value.unwrap_or_default());
    Ok(map.map(|map| map.into_iter().map(named).collect()))
}

fn with_empty_objects<S: serde::Serializer>(
    keys: &BTreeSet<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(keys.len()))?;
    for key in keys {
        map.serialize_entry(key, &BTreeMap::<&str, &str>::new())?;
    }
    map.end()
}

/// A command line: Docker writes a list, and also reads one text.
fn text_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    struct CommandLine;

    impl<'de> Visitor<'de> for CommandLine {
        type Value = Option<Vec<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(vec![text.to_owned()]))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element::<Option<String>>()? {
                list.push(item.unwrap_or_default());
            }
            Ok(Some(list))
        }
    }

    deserializer.deserialize_any(CommandLine)
}

fn history<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<History>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<History>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of history")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while entries.len() < MAX_HISTORY {
                match items.next_element()? {
                    Some(Object(entry)) => entries.push(entry),
                    None => return Ok(entries),
                }
            }
            match items.next_element::<IgnoredAny>()? {
                Some(_) => Err(A::Error::custom(TOO_MUCH_HISTORY)),
                None => Ok(entries),
            }
        }
    }

    deserializer.deserialize_any(Entries)
}
