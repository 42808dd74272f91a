//! JSON as a tree that keeps the order of members and the text of numbers and strings, and is written as
//! Go's encoder writes.

use std::{collections::HashSet, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use wharf_content::{Error, ErrorKind};

/// The deepest nesting of objects and lists in a document that is edited.
const MAX_DEPTH: usize = 64;

/// The most members and list items of a document that is edited: each takes some twenty times the memory of its
/// shortest form.
const MAX_VALUES: usize = 200_000;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    /// A string, number, boolean or null, as the document writes it.
    Scalar(Box<str>),
    List(Vec<Json>),
    Object(Object),
}

/// The members of an object, in the order of the document. No key occurs twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object(Vec<(String, Json)>);

impl Json {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is not JSON, [`ErrorKind::Ambiguous`] if a key occurs twice in an object,
    /// [`ErrorKind::TooLarge`] beyond [`MAX_VALUES`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::wrap(ErrorKind::Invalid, error))?;
        // The grammar of the whole document is checked here, before its parts are read.
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        read(whole.get(), 0, &mut 0)
    }

    pub(crate) fn string(text: &str) -> Self {
        let mut quoted = Vec::with_capacity(text.len() + 2);
        write_string(text, &mut quoted);
        Self::Scalar(String::from_utf8_lossy(&quoted).into())
    }

    pub(crate) fn number(number: u64) -> Self {
        Self::Scalar(number.to_string().into())
    }

    pub(crate) fn null() -> Self {
        Self::Scalar("null".into())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(text) if &**text == "null")
    }

    /// The decoded text of a string.
    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Self::Scalar(text) if text.starts_with('"') => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// This value with every string as Go's encoder writes it.
    pub(crate) fn normalized(self) -> Self {
        match self {
            Self::Scalar(_) => match self.as_text() {
                Some(text) => Self::string(&text),
                None => self,
            },
            Self::List(items) => Self::List(items.into_iter().map(Self::normalized).collect()),
            Self::Object(Object(members)) => {
                let normal = |(key, value): (String, Self)| (key, value.normalized());
                Self::Object(Object(members.into_iter().map(normal).collect()))
            }
        }
    }

    /// The document without whitespace.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scalar(text) => out.extend_from_slice(text.as_bytes()),
            Self::List(items) => {
                out.push(b'[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(Object(members)) => {
                out.push(b'{');
                for (number, (key, value)) in members.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    write_string(key, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl Object {
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The member of this key, unless it is null.
    pub(crate) fn set_member(&self, key: &str) -> Option<&Json> {
        self.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let found = self.0.iter_mut().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }

    /// The decoded text of a member that is a string.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Json::as_text)
    }

    /// Replaces a member at its position, or adds it at the end.
    pub(crate) fn set(&mut self, key: &str, value: Json) {
        match self.get_mut(key) {
            Some(member) => *member = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// The object of this key, which is made if it is absent or null.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the member is no object.
    pub(crate) fn descend(&mut self, key: &str) -> Result<&mut Self, Error> {
        if self.set_member(key).is_none() {
            self.set(key, Json::Object(Self::default()));
        }
        let object = self.get_mut(key).and_then(Json::as_object_mut);
        object.ok_or_else(|| {
            let message = format!("the member {key:?} of the document is no object");
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// The key as the document spells it: Go's decoder takes no notice of case.
    pub(crate) fn spelled(&self, key: &str) -> String {
        let mut keys = self.0.iter().map(|(name, _)| name);
        let found = keys.find(|name| name.eq_ignore_ascii_case(key));
        found.map_or(key, String::as_str).to_owned()
    }

    /// Removes a member; true if it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, _)| name != key);
        self.0.len() < before
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Checks that no two keys differ in case alone, between which Go's decoder would choose the last.
    pub(crate) fn check_case(&self) -> Result<(), Error> {
        let mut seen = HashSet::new();
        match self.0.iter().find(|(key, _)| !seen.insert(key.to_lowercase())) {
            Some((key, _)) => Err(twice(key)),
            None => Ok(()),
        }
    }

    /// Sorts the members by the bytes of their keys, as Go writes a map.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
}

impl FromIterator<(String, Json)> for Object {
    fn from_iter<T: IntoIterator<Item = (String, Json)>>(members: T) -> Self {
        Self(members.into_iter().collect())
    }
}

/// Writes a string as Go's encoder does: `<`, `>`, `&`, U+2028 and U+2029 are escaped, other text is not.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn read(text: &str, depth: usize, values: &mut usize) -> Result<Json, Error> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let nested = text.starts_with(['{', '[']);
    if nested && depth >= MAX_DEPTH {
        let message = format!("the document is nested deeper than {MAX_DEPTH} levels");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if text.starts_with('{') {
        let Members(members) = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        count(values, members.len())?;
        let mut seen = HashSet::new();
        let mut object = Vec::with_capacity(members.len());
        for (key, raw) in members {
            if !seen.insert(key.clone()) {
                return Err(twice(&key));
            }
            object.push((key, read(raw.get(), depth + 1, values)?));
        }
        Ok(Json::Object(Object(object)))
    } else if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        count(values, items.len())?;
        let items = items.into_iter().map(|raw| read(raw.get(), depth + 1, values));
        items.collect::<Result<_, _>>().map(Json::List)
    } else {
        Ok(Json::Scalar(text.into()))
    }
}

fn twice(key: &str) -> Error {
    let key: String = key.chars().take(60).collect();
    let message = format!("the key {key:?} appears twice in an object of the document");
    Error::new(ErrorKind::Ambiguous, message)
}

fn count(values: &mut usize, more: usize) -> Result<(), Error> {
    *values += more;
    if *values > MAX_VALUES {
        let message = format!("the document has more than {MAX_VALUES} values");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

fn unreadable(error: &serde_json::Error) -> Error {
    let why: String = error.to_string().chars().take(120).collect();
    Error::new(ErrorKind::Invalid, format!("the document is no JSON: {why}"))
}

/// The members of an object, in order, with repeated keys.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;

        impl<'de> Visitor<'de> for Ordered {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = entries.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Ordered)
    }
}
