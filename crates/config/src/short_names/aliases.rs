use std::{collections::BTreeMap, path::Path, str::FromStr};

use wharf_reference::{Repository, ShortName, Written};

use crate::{
    ConfigError, ConfigErrorKind, ConfigWarning, SourceLine,
    document::{Document, Located, Table, quoted},
};

/// Aliases of short names, by name: an `[aliases]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    by_name: BTreeMap<String, Alias>,
}

/// The repository that a short name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    repository: Option<Repository>,
    line: SourceLine,
}

impl Alias {
    /// The repository; `None` if the alias is erased, which hides those of less important files.
    #[must_use]
    pub const fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }

    /// The line that defines it.
    #[must_use]
    pub const fn source_line(&self) -> &SourceLine {
        &self.line
    }
}

impl Aliases {
    /// Reads the text of a file that has nothing but an `[aliases]` table, as tools write it.
    ///
    /// # Errors
    ///
    /// All bad entries are reported together, see [`ConfigError::others`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_file(text, None).map(|(aliases, _)| aliases)
    }

    pub(crate) fn parse_file(
        text: &str,
        file: Option<&Path>,
    ) -> Result<(Self, Vec<ConfigWarning>), ConfigError> {
        let document = Document::new(text, file);
        let entries = document.parse()?;
        let mut root = Table::root(&document, &entries);
        let aliases = match root.table("aliases")? {
            Some(table) => Self::parse_table(&table)?,
            None => Self::default(),
        };
        root.finish();
        Ok((aliases, document.into_warnings()))
    }

    pub(crate) fn parse_table(table: &Table<'_, '_>) -> Result<Self, ConfigError> {
        let mut by_name = BTreeMap::new();
        let mut errors: Vec<(usize, ConfigError)> = Vec::new();
        for (name, value) in table.string_entries() {
            let repository = value.and_then(|value| {
                check_name(&name)
                    .and_then(|()| repository(&value))
                    .map_err(|(offset, message)| {
                        table.error(ConfigErrorKind::Value, offset, &quoted(name.value), message)
                    })
            });
            match repository {
                Ok(repository) => {
                    let line = table.document().source_line(name.offset);
                    by_name.insert(name.value.to_owned(), Alias { repository, line });
                }
                Err(error) => errors.push((name.offset, error)),
            }
        }
        errors.sort_by_key(|(offset, _)| *offset);
        let mut errors = errors.into_iter().map(|(_, error)| error);
        match errors.next() {
            None => Ok(Self { by_name }),
            Some(first) => Err(first.with_others(errors)),
        }
    }

    /// The alias of exactly this name, which has neither tag nor digest. It may be an erased one.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Alias> {
        self.by_name.get(name)
    }

    /// Every alias with its name, in the order of the names, erased ones included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Alias)> {
        self.by_name.iter().map(|(name, alias)| (name.as_str(), alias))
    }

    /// Adds the aliases of another file, which replace those of the same name.
    pub(crate) fn extend(&mut self, other: Self) {
        self.by_name.extend(other.by_name);
    }
}

impl FromStr for Aliases {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

/// An offset in the text, and the mistake there.
type Bad = (usize, String);

fn check_name(name: &Located<&str>) -> Result<(), Bad> {
    let bad = |message: String| Err((name.offset, message));
    match ShortName::parse(name.value) {
        Err(error) => bad(format!("not a short name: {error}")),
        Ok(short) if short.name().len() < name.value.len() => {
            bad("expected a name without tag and digest".to_owned())
        }
        Ok(_) => Ok(()),
    }
}

/// The repository an alias stands for; the empty string erases it.
fn repository(value: &Located<&str>) -> Result<Option<Repository>, Bad> {
    if value.value.is_empty() {
        return Ok(None);
    }
    let bad = |message: String| Err((value.offset, format!("{} {message}", quoted(value.value))));
    match Written::parse(value.value) {
        Err(error) => bad(format!("is not a repository: {error}")),
        Ok(written) if !written.has_registry() => {
            bad("does not name a registry: expected registry/path".to_owned())
        }
        Ok(written) if written.has_tag() || written.has_digest() => {
            bad("must not have a tag or digest".to_owned())
        }
        Ok(written) => Ok(Some(written.normalise().repository())),
    }
}
