//! Writes the members of a config.

use wharf_content::{Error, ErrorKind, Platform};

use super::Entries;
use crate::{
    json::{Json, Object},
    time::as_go_writes,
};

/// The values of the members of an object.
pub(super) enum Map {
    /// Texts.
    Texts,
    /// Empty objects: the keys are the content.
    Keys,
}

impl Map {
    fn value(&self, text: &str) -> Json {
        match self {
            Self::Texts => Json::string(text),
            Self::Keys => Json::Object(Object::default()),
        }
    }

    fn is(&self, present: &Json, text: &str) -> bool {
        match self {
            Self::Texts => present.as_text().as_deref() == Some(text),
            Self::Keys => true,
        }
    }
}

/// The object `config`, which is made if `make` says so; `None` if it is not there.
pub(super) fn runtime(root: &mut Object, make: bool) -> Result<Option<&mut Object>, Error> {
    if !make && root.set_member("config").is_none() {
        return Ok(None);
    }
    root.descend("config").map(Some)
}

/// Sets or removes a text. Docker's tools write an empty text for one that is not set.
pub(super) fn set_text(object: Option<&mut Object>, key: &str, value: Option<&str>) {
    let Some(object) = object else { return };
    let key = object.spelled(key);
    match value {
        Some(text) if object.text(&key).as_deref() == Some(text) => {}
        Some(text) => object.set(&key, Json::string(text)),
        None => _ = object.remove(&key),
    }
}

/// Sets or removes a list of texts in the object `config`.
pub(super) fn set_list(root: &mut Object, key: &str, value: Option<&[String]>) -> Result<(), Error> {
    let Some(config) = runtime(root, value.is_some())? else {
        return Ok(());
    };
    let key = config.spelled(key);
    let Some(texts) = value else {
        config.remove(&key);
        return Ok(());
    };
    let present = config.get(&key).and_then(Json::as_list);
    let same = present.is_some_and(|items| {
        let items = items.iter().map(Json::as_text);
        items.eq(texts.iter().map(|text| Some(text.clone())))
    });
    if !same {
        let items = texts.iter().map(|text| Json::string(text)).collect();
        config.set(&key, Json::List(items));
    }
    Ok(())
}

/// Changes environment variables: `NAME=value`, each name once, new ones at the end.
pub(super) fn env(root: &mut Object, change: &Entries<(String, String)>) -> Result<(), Error> {
    let makes = matches!(change, Entries::Add(_) | Entries::Replace(_));
    let Some(config) = runtime(root, makes)? else {
        return Ok(());
    };
    let key = config.spelled("Env");
    let present = config.get(&key).and_then(Json::as_list).unwrap_or_default();
    let mut items = present.to_vec();
    let has_name = |item: &Json, name: &str| {
        let entry = item.as_text().unwrap_or_default();
        entry.split_once('=').map_or(&*entry, |(found, _)| found) == name
    };
    let put = |items: &mut Vec<Json>, (name, value): &(String, String)| {
        let entry = format!("{name}={value}");
        match items.iter_mut().find(|item| has_name(item, name)) {
            Some(item) if item.as_text().as_ref() == Some(&entry) => {}
            Some(item) => *item = Json::string(&entry),
            None => items.push(Json::string(&entry)),
        }
    };
    match change {
        Entries::Add(entry) => put(&mut items, entry),
        Entries::Replace(entries) => {
            let mut new = Vec::new();
            for entry in entries {
                put(&mut new, entry);
            }
            // What stays as it is keeps its form.
            let same = |one: &Json, other: &Json| one.as_text() == other.as_text();
            if new.len() != items.len() || !new.iter().zip(&items).all(|(new, old)| same(new, old)) {
                items = new;
            }
        }
        Entries::Remove(name) => items.retain(|item| !has_name(item, name)),
        Entries::Clear => items.clear(),
    }
    if items == present {
        return Ok(());
    }
    put_or_remove(config, &key, Json::List(items));
    Ok(())
}

/// Changes the members of an object in the object `config`.
pub(super) fn map(
    root: &mut Object,
    key: &str,
    change: &Entries<(String, String)>,
    values: &Map,
) -> Result<(), Error> {
    let makes = matches!(change, Entries::Add(_) | Entries::Replace(_));
    let Some(config) = runtime(root, makes)? else {
        return Ok(());
    };
    let key = config.spelled(key);
    let present = config.get(&key).and_then(Json::as_object);
    let before = present.cloned().unwrap_or_default();
    let mut object = before.clone();
    let put = |object: &mut Object, (name, value): &(String, String)| {
        let same = object.get(name).is_some_and(|present| values.is(present, value));
        if !same {
            object.set(name, values.value(value));
        }
    };
    match change {
        Entries::Add(entry) => put(&mut object, entry),
        Entries::Replace(entries) => {
            let gone: Vec<_> = before
                .iter()
                .map(|(name, _)| name.to_owned())
                .filter(|name| !entries.iter().any(|(kept, _)| kept == name))
                .collect();
            for name in gone {
                object.remove(&name);
            }
            for entry in entries {
                put(&mut object, entry);
            }
        }
        Entries::Remove(name) => _ = object.remove(name),
        Entries::Clear => object = Object::default(),
    }
    if object != before {
        put_or_remove(config, &key, Json::Object(object));
    }
    Ok(())
}

/// Sets a member that has entries, or removes one that has none any more.
fn put_or_remove(config: &mut Object, key: &str, value: Json) {
    let is_empty = match &value {
        Json::List(items) => items.is_empty(),
        Json::Object(object) => object.is_empty(),
        Json::Scalar(_) => false,
    };
    if is_empty {
        config.remove(key);
    } else {
        config.set(key, value);
    }
}

/// Writes every member of a platform to a config, or to the platform of an entry.
pub(crate) fn put_platform(object: &mut Object, platform: &Platform) {
    set_text(Some(object), "architecture", Some(&platform.architecture));
    set_text(Some(object), "os", Some(&platform.os));
    set_text(Some(object), "variant", platform.variant.as_deref());
    set_text(Some(object), "os.version", platform.os_version.as_deref());
    let features = &platform.os_features;
    let key = object.spelled("os.features");
    let present = object.get(&key).and_then(Json::as_list).unwrap_or_default();
    let same = present
        .iter()
        .map(Json::as_text)
        .eq(features.iter().map(|text| Some(text.clone())));
    if !same {
        let items = features.iter().map(|text| Json::string(text)).collect();
        put_or_remove(object, &key, Json::List(items));
    }
}

/// Checks a time, which Go's decoder must read; `of` says whose it is.
pub(crate) fn check_time(of: &str, time: &str) -> Result<(), Error> {
    if as_go_writes(time).is_some() {
        return Ok(());
    }
    let shown: String = time.chars().take(60).collect();
    let message = format!("the time {of} is {shown:?}, none of RFC 3339, as 2026-01-01T00:00:00Z is");
    Err(Error::new(ErrorKind::Invalid, message))
}

pub(super) fn is_port(text: &str) -> bool {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits
        && number.parse::<u16>().is_ok_and(|number| number > 0)
        && matches!(protocol, "tcp" | "udp" | "sctp")
}
