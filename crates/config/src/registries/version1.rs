//! The old format: lists of registries under `[registries.search]`, `[registries.insecure]` and
//! `[registries.block]`.

use std::collections::BTreeMap;

use super::{
    entry::location_text,
    layer::{self, Layer, Part, Search},
    location::Location,
    prefix::Prefix,
    table::RegistryTable,
};
use crate::{
    ConfigError, ConfigErrorKind,
    document::{Located, Table, quoted},
};

/// A file in the old format.
#[derive(Debug)]
pub(crate) struct Version1 {
    offset: usize,
    search: Option<Search>,
    tables: BTreeMap<String, RegistryTable>,
}

/// Reads the old keys; `None` if there are none.
pub(crate) fn parse(root: &mut Table<'_, '_>) -> Result<Option<Version1>, ConfigError> {
    let Some(mut registries) = root.table("registries")? else {
        return Ok(None);
    };
    let search = registries.table("search")?;
    let insecure = registries.table("insecure")?;
    let block = registries.table("block")?;
    let mut old = Version1 {
        offset: registries.offset(),
        search: None,
        tables: BTreeMap::new(),
    };
    registries.finish();
    let mut found = false;
    if let Some(mut table) = block {
        found |= table.contains(LIST);
        old.add(&mut table, |registry| registry.blocked = true)?;
        table.finish();
    }
    if let Some(mut table) = insecure {
        found |= table.contains(LIST);
        old.add(&mut table, |registry| registry.insecure = true)?;
        table.finish();
    }
    if let Some(mut table) = search {
        if let Some(entries) = table.strings(LIST)? {
            found = true;
            old.search = Some(layer::search(&table, LIST, entries)?);
        }
        table.finish();
    }
    Ok(found.then_some(old))
}

const LIST: &str = "registries";

/// Advice how to write the file in version 2.
const INSTEAD: &str = "write the list of [registries.search] as unqualified-search-registries = [...] at the top, \
                       and each entry of [registries.insecure] or [registries.block] as a [[registry]] table with \
                       location = \"...\" and insecure = true or blocked = true";

impl Version1 {
    fn add(&mut self, list: &mut Table<'_, '_>, set: fn(&mut RegistryTable)) -> Result<(), ConfigError> {
        let entries = list.strings(LIST)?.map_or_else(Vec::new, |entries| entries.value);
        for entry in entries {
            let registry = registry(list, &entry)?;
            set(self.tables.entry(registry.prefix.key()).or_insert(registry));
        }
        Ok(())
    }

    /// The error of a file that has this key of version 2 as well.
    pub(crate) fn conflict(&self, root: &Table<'_, '_>, key: &str) -> ConfigError {
        let message = format!("the old format cannot be mixed with the key {key} of version 2; {INSTEAD}");
        root.error(ConfigErrorKind::Conflict, self.offset, LIST, message)
    }

    pub(crate) fn into_layer(self, root: &Table<'_, '_>, part: Part) -> Result<Layer, ConfigError> {
        if part == Part::DropIn {
            let message = format!("a drop-in file must be in version 2; {INSTEAD}");
            return Err(root.error(ConfigErrorKind::Value, self.offset, LIST, message));
        }
        let message = format!("the file is in the old version 1, which newer tools refuse; {INSTEAD}");
        root.warn(self.offset, LIST, message);
        Ok(Layer {
            search: self.search,
            tables: self.tables.into_values().collect(),
            ..Layer::default()
        })
    }
}

fn registry(list: &Table<'_, '_>, entry: &Located<String>) -> Result<RegistryTable, ConfigError> {
    let text = location_text(list, LIST, entry)?;
    if text.is_empty() {
        let message = "expected a registry, found an empty string";
        return Err(list.error(ConfigErrorKind::Value, entry.offset, LIST, message));
    }
    let (prefix, warning) = Prefix::new(text);
    let (location, location_warning) = Location::new(text, Some(text));
    if let Some(warning) = warning.map(str::to_owned).or(location_warning) {
        list.warn(entry.offset, LIST, format!("{}: {warning}", quoted(text)));
    }
    Ok(RegistryTable {
        prefix,
        location: Some(location),
        insecure: false,
        blocked: false,
        mirror_by_digest_only: false,
        mirrors: Vec::new(),
        line: list.document().source_line(entry.offset),
    })
}
