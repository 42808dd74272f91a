//! One `[[registry]]` table, and its mirrors.

use super::{
    location::Location,
    prefix::Prefix,
    table::{Mirror, PullFromMirror, RegistryTable},
};
use crate::{
    ConfigError, ConfigErrorKind,
    document::{Located, Table, quoted},
};

pub(crate) fn registry(mut table: Table<'_, '_>) -> Result<RegistryTable, ConfigError> {
    let prefix = located_name(&mut table, "prefix")?;
    let location = located_name(&mut table, "location")?;
    let insecure = table.bool("insecure")?.unwrap_or_default();
    let blocked = table.bool("blocked")?.unwrap_or_default();
    let mirror_by_digest_only = table.bool("mirror-by-digest-only")?.unwrap_or_default();
    if let Some(misplaced) = table
        .string("pull-from-mirror")?
        .filter(|text| !text.value.is_empty())
    {
        let message = "belongs to a [[registry.mirror]] table, not to the registry";
        return Err(table.error(
            ConfigErrorKind::Value,
            misplaced.offset,
            "pull-from-mirror",
            message,
        ));
    }
    let Some(text) = prefix.as_ref().or(location.as_ref()) else {
        let message = "expected a location, or a prefix such as \"*.example.com\"";
        return Err(table.error(ConfigErrorKind::Incomplete, table.offset(), "", message));
    };
    let prefix = read_prefix(&table, text, location.is_some())?;
    let location =
        location.map(|text| read_location(&table, &text.value, text.offset, Some(prefix.as_str())));
    let mut mirrors = Vec::new();
    for mirror_table in table.tables("mirror")? {
        mirrors.push(mirror(mirror_table, mirror_by_digest_only)?);
    }
    let line = table.source_line();
    table.finish();
    Ok(RegistryTable {
        prefix,
        location,
        insecure,
        blocked,
        mirror_by_digest_only,
        mirrors,
        line,
    })
}

/// The text of a prefix or location without the slashes at its end; `None` if nothing is left of it.
fn located_name(
    table: &mut Table<'_, '_>,
    key: &'static str,
) -> Result<Option<Located<String>>, ConfigError> {
    let Some(text) = table.string(key)? else {
        return Ok(None);
    };
    let value = location_text(table, key, &text)?.to_owned();
    let located = Located {
        value,
        offset: text.offset,
    };
    Ok(Some(located).filter(|located| !located.value.is_empty()))
}

fn read_prefix(
    table: &Table<'_, '_>,
    text: &Located<String>,
    has_location: bool,
) -> Result<Prefix, ConfigError> {
    let wildcard = text.value.strip_prefix("*.");
    if wildcard.is_some_and(|domain| domain.contains(['/', '@', ':'])) {
        let message = format!(
            "a wildcard stands for hosts: expected only a domain after *., found {}",
            quoted(&text.value)
        );
        return Err(table.error(ConfigErrorKind::Value, text.offset, "prefix", message));
    }
    if !has_location && wildcard.is_none() {
        let message = "expected a location: only a prefix that begins with *. needs none";
        return Err(table.error(ConfigErrorKind::Incomplete, text.offset, "location", message));
    }
    let (prefix, warning) = Prefix::new(&text.value);
    if let Some(warning) = warning {
        let message = format!("{}: {warning}", quoted(&text.value));
        table.warn(text.offset, "prefix", message);
    }
    Ok(prefix)
}

fn mirror(mut table: Table<'_, '_>, by_digest_only: bool) -> Result<Mirror, ConfigError> {
    const PULLS: &str = "pull-from-mirror";
    let location = table.string("location")?;
    let insecure = table.bool("insecure")?.unwrap_or_default();
    let pulls = table.string(PULLS)?.filter(|pulls| !pulls.value.is_empty());
    let Some(location) = location else {
        let message = "expected a location";
        return Err(table.error(ConfigErrorKind::Incomplete, table.offset(), "location", message));
    };
    let text = location_text(&table, "location", &location)?;
    if text.is_empty() {
        let message = "expected a registry, perhaps with a path";
        return Err(table.error(ConfigErrorKind::Incomplete, location.offset, "location", message));
    }
    let pulls = match pulls {
        None => PullFromMirror::All,
        Some(pulls) if by_digest_only => {
            let message = "cannot be combined with mirror-by-digest-only = true of the registry";
            return Err(table.error(ConfigErrorKind::Conflict, pulls.offset, PULLS, message));
        }
        Some(pulls) => PullFromMirror::parse(&pulls.value).ok_or_else(|| {
            let message = format!(
                "expected all, digest-only or tag-only, found {}",
                quoted(&pulls.value)
            );
            table.error(ConfigErrorKind::Value, pulls.offset, PULLS, message)
        })?,
    };
    let location = read_location(&table, text, location.offset, None);
    let line = table.source_line();
    table.finish();
    Ok(Mirror {
        location,
        insecure,
        pulls,
        line,
    })
}

fn read_location(table: &Table<'_, '_>, text: &str, offset: usize, prefix: Option<&str>) -> Location {
    let (location, warning) = Location::new(text, prefix);
    if let Some(warning) = warning {
        table.warn(offset, "location", format!("{}: {warning}", quoted(text)));
    }
    location
}

/// A prefix, location or search registry without the slashes at its end; a scheme is an error.
pub(crate) fn location_text<'a>(
    table: &Table<'_, '_>,
    key: &str,
    text: &'a Located<String>,
) -> Result<&'a str, ConfigError> {
    let value = text.value.trim_end_matches('/');
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| text.value.starts_with(scheme));
    match scheme {
        None => Ok(value),
        Some(scheme) => {
            let message = format!("URI schemes are not supported: leave out {scheme}");
            Err(table.error(ConfigErrorKind::Value, text.offset, key, message))
        }
    }
}
