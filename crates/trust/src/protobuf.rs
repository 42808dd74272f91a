//! The habits of protobuf's JSON: `null` is an absent member, a 64-bit number is a string.

use crate::{
    json::{self, Object, Value},
    problem::Problem,
    x509::Certificate,
};

pub(crate) fn optional(object: &mut Object, key: &str) -> Option<Value> {
    object.optional(key).filter(|value| *value != Value::Null)
}

pub(crate) fn optional_object(object: &mut Object, key: &'static str) -> Result<Option<Object>, Problem> {
    let value = optional(object, key);
    Ok(value.map(|value| value.into_object(key)).transpose()?)
}

pub(crate) fn optional_string(object: &mut Object, key: &str) -> Result<Option<String>, Problem> {
    match optional(object, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(object.wrong(&format!("has a `{key}` that is no string")).into()),
    }
}

/// A list of at most so many entries; none if it is absent.
pub(crate) fn list(object: &mut Object, key: &str, most: usize) -> Result<Vec<Value>, Problem> {
    match optional(object, key) {
        None => Ok(Vec::new()),
        Some(Value::List(items)) if items.len() <= most => Ok(items),
        Some(Value::List(_)) => Err(object
            .wrong(&format!("has more than {most} entries in `{key}`"))
            .into()),
        Some(_) => Err(object.wrong(&format!("has a `{key}` that is no list")).into()),
    }
}

/// A 64-bit number that is not negative, written as a string or a number; 0 if it is absent.
pub(crate) fn integer(object: &mut Object, key: &str) -> Result<u64, Problem> {
    let number = match optional(object, key) {
        None => Some(0),
        Some(Value::String(text) | Value::Number(text)) => json::unsigned(&text),
        Some(_) => None,
    };
    let number = number.filter(|number| i64::try_from(*number).is_ok());
    let wrong = || object.wrong(&format!("has a `{key}` that is no number within 0 and 2^63-1"));
    Ok(number.ok_or_else(wrong)?)
}

/// A list of objects with the DER of a certificate each.
pub(crate) fn certificates(
    object: &mut Object,
    key: &'static str,
    most: usize,
) -> Result<Vec<Certificate>, Problem> {
    let entries = list(object, key, most)?;
    let certificates = entries.into_iter().map(|entry| {
        let mut entry = entry.into_object(key)?;
        let certificate = certificate(&mut entry)?;
        entry.finish()?;
        Ok(certificate)
    });
    certificates.collect()
}

/// The DER of a certificate in the member `rawBytes`.
pub(crate) fn certificate(object: &mut Object) -> Result<Certificate, Problem> {
    Certificate::from_der(&object.base64("rawBytes")?)
}
