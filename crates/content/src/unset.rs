//! Members that are present but not set: tools write null, and Go an empty text, for a member that is not
//! set.

use std::collections::{BTreeMap, BTreeSet};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::Value;

use crate::{Descriptor, MediaType};

/// A text; `None` for null and for the empty text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A text; empty for null.
pub(crate) fn text_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer).map(Option::unwrap_or_default)
}

/// A list of texts; empty for null. Entries that are null are left out.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Option::<Vec<Option<String>>>::deserialize(deserializer)?;
    Ok(list.into_iter().flatten().flatten().collect())
}

/// Texts by key; empty for null. Keys whose value is null are left out.
pub(crate) fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?;
    let entries = map.into_iter().flatten();
    Ok(entries.filter_map(|(key, value)| Some((key, value?))).collect())
}

/// The keys of an object, whatever their values; empty for null.
#[expect(
    clippy::zero_sized_map_values,
    reason = "an object is read, and a set is none"
)]
pub(crate) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let map = Option::<BTreeMap<String, IgnoredAny>>::deserialize(deserializer)?;
    Ok(map.into_iter().flatten().map(|(key, _)| key).collect())
}

/// A media type of any text; unset for null.
pub(crate) fn media_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MediaType, D::Error> {
    optional_media_type(deserializer).map(|media_type| media_type.unwrap_or(MediaType::unset()))
}

/// A media type of any text; `None` for null and for the empty text.
pub(crate) fn optional_media_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<MediaType>, D::Error> {
    Ok(text(deserializer)?.map(MediaType::from_document))
}

/// A descriptor; `None` for null, and for an object without type, digest and size, as Go writes an empty one.
pub(crate) fn descriptor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Descriptor>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    let is_set = |value: &Value| {
        let member = |key: &str| value.get(key).filter(|member| !is_zero(member));
        !value.is_object()
            || ["mediaType", "digest", "size"]
                .into_iter()
                .any(|key| member(key).is_some())
    };
    let descriptor = value.filter(is_set).map(Descriptor::deserialize);
    descriptor.transpose().map_err(D::Error::custom)
}

/// Whether a member has the value of one that is not set.
fn is_zero(member: &Value) -> bool {
    member.is_null() || member.as_str() == Some("") || member.as_u64() == Some(0)
}

/// A list; empty for null.
pub(crate) fn items<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
