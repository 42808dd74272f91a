//! A config as Skopeo writes it when it converts an image from Docker's format to OCI's: what Go's encoder makes of
//! the types of image-spec.

use wharf_content::{Error, ErrorKind};

use crate::{
    json::{Json, Object},
    time::as_go_writes,
};

/// The type of a member, and whether it is written where it is not set.
#[derive(Clone, Copy)]
enum Field {
    Text,
    RequiredText,
    Time,
    Flag,
    Texts,
    /// A list of digests, which is null where it is not set.
    Digests,
    /// The keys of an object; the values are written as empty objects.
    Keys,
    /// Texts by key.
    Map,
    /// An object, which is written also where nothing in it is set.
    Object(&'static [(&'static str, Field)]),
    /// A list of objects.
    Objects(&'static [(&'static str, Field)]),
}

const IMAGE: &[(&str, Field)] = &[
    ("created", Field::Time),
    ("author", Field::Text),
    ("architecture", Field::RequiredText),
    ("variant", Field::Text),
    ("os", Field::RequiredText),
    ("os.version", Field::Text),
    ("os.features", Field::Texts),
    ("config", Field::Object(CONFIG)),
    ("rootfs", Field::Object(ROOTFS)),
    ("history", Field::Objects(HISTORY)),
];
const CONFIG: &[(&str, Field)] = &[
    ("User", Field::Text),
    ("ExposedPorts", Field::Keys),
    ("Env", Field::Texts),
    ("Entrypoint", Field::Texts),
    ("Cmd", Field::Texts),
    ("Volumes", Field::Keys),
    ("WorkingDir", Field::Text),
    ("Labels", Field::Map),
    ("StopSignal", Field::Text),
    ("ArgsEscaped", Field::Flag),
];
const ROOTFS: &[(&str, Field)] = &[("type", Field::RequiredText), ("diff_ids", Field::Digests)];
const HISTORY: &[(&str, Field)] = &[
    ("created", Field::Time),
    ("created_by", Field::Text),
    ("author", Field::Text),
    ("comment", Field::Text),
    ("empty_layer", Field::Flag),
];

/// The new config, and the members that it does not have any more, by the keys that lead to them.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for what Go's decoder refuses.
pub(super) fn reencode(config: &Object) -> Result<(Object, Vec<String>), Error> {
    let mut lost = Vec::new();
    let written = object(config, IMAGE, "", &mut lost)?;
    Ok((written, lost))
}

fn object(
    from: &Object,
    fields: &[(&str, Field)],
    prefix: &str,
    lost: &mut Vec<String>,
) -> Result<Object, Error> {
    for (key, value) in from.iter() {
        if !value.is_null() && !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(key)) {
            lost.push(format!("{prefix}{key}"));
        }
    }
    let mut written = Object::default();
    for (name, field) in fields {
        let found = from.iter().find(|(key, _)| name.eq_ignore_ascii_case(key));
        let value = found.map(|(_, value)| value).filter(|value| !value.is_null());
        let path = format!("{prefix}{name}");
        if let Some(value) = encode(value, *field, &path, lost)? {
            written.set(name, value);
        }
    }
    Ok(written)
}

/// The value to write; `None` if the member is left out.
fn encode(
    value: Option<&Json>,
    field: Field,
    path: &str,
    lost: &mut Vec<String>,
) -> Result<Option<Json>, Error> {
    let wrong = |expected: &str| {
        let message = format!("{path} of the config is not {expected}, as it must be to be written anew");
        Error::new(ErrorKind::Invalid, message)
    };
    let text = |value: &Json| {
        if value.is_null() {
            return Ok(String::new());
        }
        value.as_text().ok_or_else(|| wrong("a text"))
    };
    let texts = |value: &Json| {
        let items = value.as_list().ok_or_else(|| wrong("a list of texts"))?;
        let items = items
            .iter()
            .map(|item| text(item).map(|text| Json::string(&text)));
        items.collect::<Result<Vec<_>, _>>()
    };
    let sorted = |value: &Json, write: &dyn Fn(&Json) -> Result<Json, Error>| {
        let members = value.as_object().ok_or_else(|| wrong("an object"))?;
        let members = members
            .iter()
            .map(|(key, value)| Ok::<_, Error>((key.to_owned(), write(value)?)));
        let mut object: Object = members.collect::<Result<_, _>>()?;
        object.sort();
        Ok::<_, Error>(object)
    };
    Ok(match (field, value) {
        (Field::Text, Some(value)) => Some(text(value)?)
            .filter(|text| !text.is_empty())
            .map(|text| Json::string(&text)),
        (Field::RequiredText, value) => Some(Json::string(&value.map(text).transpose()?.unwrap_or_default())),
        (Field::Time, Some(value)) => {
            let text = text(value)?;
            let time = as_go_writes(&text).ok_or_else(|| wrong("a time of RFC 3339"))?;
            Some(Json::string(&time))
        }
        (Field::Flag, Some(Json::Scalar(text))) if &**text == "true" => Some(Json::Scalar(text.clone())),
        (Field::Flag, Some(Json::Scalar(text))) if &**text == "false" => None,
        (Field::Flag, Some(_)) => return Err(wrong("true or false")),
        (Field::Texts, Some(value)) => Some(texts(value)?)
            .filter(|items| !items.is_empty())
            .map(Json::List),
        (Field::Digests, None) => Some(Json::null()),
        (Field::Digests, Some(value)) => Some(Json::List(texts(value)?)),
        (Field::Keys, Some(value)) => {
            let empty = |value: &Json| match value {
                Json::Object(_) => Ok(Json::Object(Object::default())),
                value if value.is_null() => Ok(Json::Object(Object::default())),
                _ => Err(wrong("an object of objects")),
            };
            Some(sorted(value, &empty)?)
                .filter(|keys| !keys.is_empty())
                .map(Json::Object)
        }
        (Field::Map, Some(value)) => Some(sorted(value, &|value| {
            text(value).map(|text| Json::string(&text))
        })?)
        .filter(|map| !map.is_empty())
        .map(Json::Object),
        (Field::Object(fields), value) => {
            let empty = Object::default();
            let from = match value {
                Some(value) => value.as_object().ok_or_else(|| wrong("an object"))?,
                None => &empty,
            };
            Some(Json::Object(object(from, fields, &format!("{path}."), lost)?))
        }
        (Field::Objects(fields), Some(value)) => {
            let items = value.as_list().ok_or_else(|| wrong("a list of objects"))?;
            let empty = Object::default();
            let mut written = Vec::new();
            for item in items {
                let from = if item.is_null() {
                    &empty
                } else {
                    item.as_object().ok_or_else(|| wrong("a list of objects"))?
                };
                written.push(Json::Object(object(from, fields, &format!("{path}."), lost)?));
            }
            (!written.is_empty()).then_some(Json::List(written))
        }
        (_, None) => None,
    })
}
