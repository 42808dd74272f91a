//! Texts of tables: sizes, times, short IDs.

use std::time::{Duration, SystemTime};

use wharf::{Digest, Name, Reference};

/// The digits of a short ID.
const SHORT: usize = 12;

/// A name with a registry and a tag: `localhost/` and `:latest` where they are missing.
pub(crate) fn full_name(text: &str) -> Result<Name, String> {
    let first = text.split('/').next().unwrap_or(text);
    let has_registry = text.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let full = if has_registry {
        text.to_owned()
    } else {
        format!("localhost/{text}")
    };
    let reference = Reference::parse(&full).map_err(|error| error.to_string())?;
    if reference.has_digest() {
        return Err("a name has a tag, and no digest".to_owned());
    }
    Name::parse(reference.or_latest().as_ref()).map_err(|error| error.to_string())
}

/// Repository and tag of a name.
pub(crate) fn split(name: &Name) -> (&str, &str) {
    match name.as_str().rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name.as_str(), "<none>"),
    }
}

pub(crate) fn id(id: &Digest, whole: bool) -> String {
    if whole {
        return id.to_string();
    }
    id.encoded().get(..SHORT).unwrap_or(id.encoded()).to_owned()
}

/// A size with three significant digits, as `7.38 MB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn size(bytes: u64) -> String {
    let (mut number, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if number < 999.5 {
            break;
        }
        (number, unit) = (number / 1000.0, larger);
    }
    if unit == "B" || number >= 99.95 {
        format!("{number:.0} {unit}")
    } else if number >= 9.995 {
        format!("{number:.1} {unit}")
    } else {
        format!("{number:.2} {unit}")
    }
}

/// The time since then, as `3 weeks ago`; empty if it is not known.
pub(crate) fn since(time: Option<SystemTime>) -> String {
    let Some(time) = time else { return String::new() };
    let passed = SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO);
    let units = [
        (365 * 24 * 3600, "year"),
        (30 * 24 * 3600, "month"),
        (7 * 24 * 3600, "week"),
        (24 * 3600, "day"),
        (3600, "hour"),
        (60, "minute"),
    ];
    for (seconds, unit) in units {
        match passed.as_secs() / seconds {
            0 => {}
            1 => return format!("1 {unit} ago"),
            count => return format!("{count} {unit}s ago"),
        }
    }
    format!("{} seconds ago", passed.as_secs())
}
