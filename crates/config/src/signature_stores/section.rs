//! The sections of one file.

use std::{collections::BTreeMap, path::Path};

use crate::{
    ConfigError, ConfigErrorKind, ConfigWarning, Lookaside, SourceLine,
    document::{bounded, quoted},
    scope,
    yaml::{self, Entry, Node, Value},
};

/// The key of the section for every image, which is the name of no registry.
pub(super) const DEFAULT: &str = "default-docker";
/// The key of the sections of scopes.
const SCOPES: &str = "docker";
const ATTACHMENTS: &str = "use-sigstore-attachments";
/// The keys of stores, each with its old name.
const LOOKASIDE: [&str; 2] = ["lookaside", "sigstore"];
const STAGING: [&str; 2] = ["lookaside-staging", "sigstore-staging"];

#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) origin: SourceLine,
    pub(super) position: (usize, usize),
    lookaside: Option<Lookaside>,
    staging: Option<Lookaside>,
    pub(super) attachments: Option<(bool, SourceLine)>,
}

impl Section {
    pub(super) const fn read(&self) -> Option<&Lookaside> {
        self.lookaside.as_ref()
    }

    pub(super) fn write(&self) -> Option<&Lookaside> {
        self.staging.as_ref().or(self.lookaside.as_ref())
    }
}

/// The sections of a text by their scope, and the warnings about it.
pub(super) fn read(
    file: Option<&Path>,
    text: &str,
) -> Result<(BTreeMap<String, Section>, Vec<ConfigWarning>), ConfigError> {
    let mut reader = Reader {
        file,
        warnings: Vec::new(),
    };
    let mut sections = BTreeMap::new();
    let Some(document) = yaml::parse(text)?.filter(|document| !document.is_null()) else {
        return Ok((sections, reader.warnings));
    };
    for entry in entries(&document, "")? {
        match entry.key.as_str() {
            DEFAULT | SCOPES if entry.value.is_null() => {}
            DEFAULT => {
                let section = reader.section(entry, DEFAULT)?;
                sections.insert(DEFAULT.to_owned(), section);
            }
            SCOPES => {
                for scope in entries(&entry.value, SCOPES)? {
                    if scope.key.is_empty() || scope.key == DEFAULT {
                        let message = "it is no name of a registry or repository";
                        return Err(error(
                            ConfigErrorKind::Value,
                            scope.position,
                            SCOPES,
                            &scope.key,
                            message,
                        ));
                    }
                    let table = format!("{SCOPES}.{}", quoted(&scope.key));
                    if let Some(message) = scope::never_matches(&scope.key) {
                        reader.warn(scope.position, SCOPES, &quoted(&scope.key), message);
                    }
                    let section = reader.section(scope, &table)?;
                    sections.insert(scope.key.clone(), section);
                }
            }
            _ => reader.unknown(entry, "", &[DEFAULT, SCOPES]),
        }
    }
    Ok((sections, reader.warnings))
}

struct Reader<'a> {
    file: Option<&'a Path>,
    warnings: Vec<ConfigWarning>,
}

impl Reader<'_> {
    fn section(&mut self, entry: &Entry, table: &str) -> Result<Section, ConfigError> {
        let mut section = Section {
            origin: self.origin(entry.position),
            position: entry.position,
            lookaside: None,
            staging: None,
            attachments: None,
        };
        let keys = if entry.value.is_null() {
            &[]
        } else {
            entries(&entry.value, table)?
        };
        section.lookaside = self.store(keys, table, LOOKASIDE)?;
        section.staging = self.store(keys, table, STAGING)?;
        for key in keys {
            match key.key.as_str() {
                ATTACHMENTS => {
                    let enabled = boolean(&key.value, table)?;
                    section.attachments = enabled.map(|enabled| (enabled, self.origin(key.position)));
                }
                name if LOOKASIDE.contains(&name) || STAGING.contains(&name) => {}
                _ => {
                    let [lookaside, _] = LOOKASIDE;
                    let [staging, _] = STAGING;
                    let known = [lookaside, staging, ATTACHMENTS];
                    self.unknown(key, table, &known);
                }
            }
        }
        Ok(section)
    }

    /// The store that a key names, or that its old name does. Both are checked.
    fn store(
        &mut self,
        keys: &[Entry],
        table: &str,
        [current, old]: [&str; 2],
    ) -> Result<Option<Lookaside>, ConfigError> {
        let mut found = None;
        for name in [current, old] {
            let Some(entry) = keys.iter().find(|entry| entry.key == name) else {
                continue;
            };
            let store = self.lookaside(entry, table)?;
            if name == old {
                let message = match &found {
                    Some(_) => format!("ignored, because {current} stands beside it"),
                    None => format!("an old name; write {current}"),
                };
                self.warn(entry.position, table, old, &message);
            }
            found = found.or(store);
        }
        Ok(found)
    }

    fn lookaside(&self, entry: &Entry, table: &str) -> Result<Option<Lookaside>, ConfigError> {
        let key = entry.key.as_str();
        let Value::Scalar { text, .. } = &entry.value.value else {
            let message = format!("expected a URL, found {}", entry.value.kind());
            return Err(error(
                ConfigErrorKind::Type,
                entry.value.position,
                table,
                key,
                message,
            ));
        };
        if text.is_empty() || entry.value.is_null() {
            return Ok(None);
        }
        let store = Lookaside::parse(text)
            .map_err(|wrong| error(wrong.kind(), entry.value.position, table, key, wrong.message()))?;
        Ok(Some(store.at(self.origin(entry.position))))
    }

    fn origin(&self, (line, _): (usize, usize)) -> SourceLine {
        SourceLine::new(self.file.map(Path::to_owned), line)
    }

    fn warn(&mut self, position: (usize, usize), table: &str, key: &str, message: &str) {
        let origin = self.origin(position);
        let warning = ConfigWarning::of_table(&origin, table, key, message.to_owned());
        self.warnings.push(warning);
    }

    fn unknown(&mut self, entry: &Entry, table: &str, known: &[&str]) {
        let dashed = entry.key.to_ascii_lowercase().replace('_', "-");
        let message = match known.iter().find(|known| **known == dashed) {
            Some(meant) => format!("unknown key, ignored; did you mean {meant}?"),
            None => "unknown key, ignored".to_owned(),
        };
        self.warn(entry.position, table, &bounded(&entry.key), &message);
    }
}

fn entries<'a>(node: &'a Node, table: &str) -> Result<&'a [Entry], ConfigError> {
    let Value::Map(entries) = &node.value else {
        let message = format!("expected a mapping of keys to values, found {}", node.kind());
        return Err(error(ConfigErrorKind::Type, node.position, table, "", message));
    };
    Ok(entries)
}

/// A boolean as upstream's reader takes it: also the words of YAML 1.1, quoted or not. `None` for null.
fn boolean(node: &Node, table: &str) -> Result<Option<bool>, ConfigError> {
    if node.is_null() {
        return Ok(None);
    }
    let value = match &node.value {
        Value::Scalar { text, is_plain } => match (text.as_str(), is_plain) {
            ("true" | "True" | "TRUE", true)
            | ("y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON", _) => Some(true),
            ("false" | "False" | "FALSE", true)
            | ("n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF", _) => Some(false),
            _ => None,
        },
        _ => None,
    };
    let message = "expected true or false, without quotes";
    let wrong = || error(ConfigErrorKind::Type, node.position, table, ATTACHMENTS, message);
    value.map(Some).ok_or_else(wrong)
}

fn error(
    kind: ConfigErrorKind,
    (line, column): (usize, usize),
    table: &str,
    key: &str,
    message: impl Into<String>,
) -> ConfigError {
    let error = ConfigError::new(kind, message).at(line, column);
    match (table, bounded(key).as_str()) {
        ("", "") => error,
        ("", key) => error.with_key(key),
        (table, "") => error.with_key(table),
        (table, key) => error.with_key(format!("{table}.{key}")),
    }
}
