//! One file, version 2, before it is merged with others.

use std::{collections::BTreeMap, path::Path};

use wharf_reference::Registry;

use super::{
    entry::{location_text, registry},
    table::RegistryTable,
    version1,
};
use crate::{
    Aliases, ConfigError, ConfigErrorKind, ConfigWarning, ShortNameMode, SourceLine,
    document::{Document, Located, Table, quoted},
    host,
};

/// The content of one file. An absent key is `None`; an empty array is not.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) search: Option<Search>,
    pub(crate) credential_helpers: Option<Vec<String>>,
    pub(crate) short_name_mode: Option<(ShortNameMode, SourceLine)>,
    pub(crate) store_auth_helper: Option<String>,
    pub(crate) tables: Vec<RegistryTable>,
    pub(crate) aliases: Aliases,
    pub(crate) warnings: Vec<ConfigWarning>,
}

/// The registries that short names are searched in.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) registries: Vec<Registry>,
    pub(crate) line: SourceLine,
}

/// The part a file plays: version 1 is for main files only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    DropIn,
}

/// Any of these makes a file version 2.
const KEYS: [&str; 6] = [
    "registry",
    "unqualified-search-registries",
    "credential-helpers",
    "short-name-mode",
    "additional-layer-store-auth-helper",
    "aliases",
];

impl Layer {
    pub(crate) fn parse(text: &str, file: Option<&Path>, part: Part) -> Result<Self, ConfigError> {
        let document = Document::new(text, file);
        let entries = document.parse()?;
        let mut root = Table::root(&document, &entries);
        let mut layer = match version1::parse(&mut root)? {
            Some(old) => {
                if let Some(key) = KEYS.into_iter().find(|key| root.contains(key)) {
                    return Err(old.conflict(&root, key));
                }
                old.into_layer(&root, part)?
            }
            None => Self::version2(&mut root)?,
        };
        root.finish();
        layer.warnings = document.into_warnings();
        Ok(layer)
    }

    fn version2(root: &mut Table<'_, '_>) -> Result<Self, ConfigError> {
        let search = match root.strings(SEARCH)? {
            Some(entries) => Some(search(root, SEARCH, entries)?),
            None => None,
        };
        let helpers = root.strings("credential-helpers")?;
        let mut layer = Self {
            search,
            credential_helpers: helpers
                .map(|helpers| helpers.value.into_iter().map(|helper| helper.value).collect()),
            short_name_mode: mode(root)?,
            store_auth_helper: root
                .string("additional-layer-store-auth-helper")?
                .map(|helper| helper.value)
                .filter(|helper| !helper.is_empty()),
            ..Self::default()
        };
        let mut tables = Vec::new();
        for table in root.tables("registry")? {
            tables.push((table.offset(), registry(table)?));
        }
        check_flags(root, &tables)?;
        layer.tables = without_duplicates(root, tables);
        if let Some(table) = root.table("aliases")? {
            layer.aliases = Aliases::parse_table(&table)?;
        }
        Ok(layer)
    }
}

const SEARCH: &str = "unqualified-search-registries";

/// Reads search registries: hosts, perhaps with a port.
pub(crate) fn search(
    table: &Table<'_, '_>,
    key: &str,
    entries: Located<Vec<Located<String>>>,
) -> Result<Search, ConfigError> {
    let line = table.document().source_line(entries.offset);
    let mut registries = Vec::with_capacity(entries.value.len());
    for entry in entries.value {
        let text = location_text(table, key, &entry)?;
        match Registry::parse(text) {
            Ok(registry) => registries.push(registry),
            // Upstream loads it and then asks Docker Hub for a repository in a namespace of that name,
            // which is nobody's intention: it is left out instead.
            Err(_) if host::is_plain_label(text) => table.warn(
                entry.offset,
                key,
                format!(
                    "{text} is left out: no name can begin with this host; add its port, as in {text}:443"
                ),
            ),
            Err(error) => {
                let message = format!("{} is not a registry host[:port]: {error}", quoted(text));
                return Err(table.error(ConfigErrorKind::Value, entry.offset, key, message));
            }
        }
    }
    Ok(Search { registries, line })
}

fn mode(root: &mut Table<'_, '_>) -> Result<Option<(ShortNameMode, SourceLine)>, ConfigError> {
    const KEY: &str = "short-name-mode";
    let Some(text) = root.string(KEY)? else {
        return Ok(None);
    };
    if text.value.is_empty() {
        return Ok(None);
    }
    let Ok(mode) = text.value.parse() else {
        let message = format!(
            "expected enforcing, permissive or disabled, found {}",
            quoted(&text.value)
        );
        return Err(root.error(ConfigErrorKind::Value, text.offset, KEY, message));
    };
    Ok(Some((mode, root.document().source_line(text.offset))))
}

/// Tables of one file with one location must have equal settings for its connection.
fn check_flags(root: &Table<'_, '_>, tables: &[(usize, RegistryTable)]) -> Result<(), ConfigError> {
    let mut seen: BTreeMap<&str, &RegistryTable> = BTreeMap::new();
    for (offset, table) in tables {
        let location = table.location().unwrap_or(table.prefix.as_str());
        let first = *seen.entry(location).or_insert(table);
        let key = if first.insecure != table.insecure {
            "registry.insecure"
        } else if first.blocked != table.blocked {
            "registry.blocked"
        } else {
            continue;
        };
        let message = format!(
            "{} is given two values, by this table and by that in line {}",
            quoted(location),
            first.line.line()
        );
        return Err(root.error(ConfigErrorKind::Conflict, *offset, key, message));
    }
    Ok(())
}

/// Of tables with the same prefix, the first in a file counts.
fn without_duplicates(root: &Table<'_, '_>, tables: Vec<(usize, RegistryTable)>) -> Vec<RegistryTable> {
    let mut seen: BTreeMap<String, SourceLine> = BTreeMap::new();
    let mut kept = Vec::with_capacity(tables.len());
    for (offset, table) in tables {
        if let Some(first) = seen.get(&table.prefix.key()) {
            let message = format!(
                "the table of {} is ignored: that in line {} has the same prefix",
                quoted(table.prefix.as_str()),
                first.line()
            );
            root.document().warn(offset, "registry", "prefix", message);
        } else {
            seen.insert(table.prefix.key(), table.line.clone());
            kept.push(table);
        }
    }
    kept
}
