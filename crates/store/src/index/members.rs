use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// The members of a JSON object in their order, each value as its text.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    /// `None` if the text is no JSON object.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let member = self.0.iter().find(|(own, _)| own == key);
        member.map(|(_, value)| value.as_str())
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|(own, _)| own != key);
    }

    /// Sets a value to a JSON text. A new member comes last.
    pub(super) fn set(&mut self, key: &str, text: String) {
        match self.0.iter_mut().find(|(own, _)| own == key) {
            Some((_, value)) => *value = text,
            None => self.0.push((key.to_owned(), text)),
        }
    }
}

/// True if `other` has every member of `text`, each with the same text as its value. False if one is no
/// JSON object.
pub(super) fn is_part_of(text: &str, other: &str) -> bool {
    let (Some(own), Some(other)) = (Members::parse(text), Members::parse(other)) else {
        return false;
    };
    own.0.iter().all(|member| other.0.contains(member))
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (number, (key, value)) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}:{value}", Value::from(key.as_str()))?;
        }
        f.write_str("}")
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((key, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
