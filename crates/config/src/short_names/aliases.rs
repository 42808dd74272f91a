use std::collections::BTreeMap;

use wharf_reference::{Repository, ShortName, Written};

use crate::{
    ConfigError, ConfigErrorKind, Origin,
    document::{Located, Table, quoted},
};

/// What a short name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub(crate) repository: Option<Repository>,
    pub(crate) origin: Origin,
}

impl Alias {
    /// The repository; `None` if the alias is erased, which hides those of less important files.
    #[must_use]
    pub const fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }

    /// Where it is defined.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Reads an `[aliases]` table. All its bad entries are reported together.
pub(crate) fn parse_table(table: &Table<'_, '_>) -> Result<BTreeMap<String, Alias>, ConfigError> {
    let mut aliases = BTreeMap::new();
    let mut errors: Vec<(usize, ConfigError)> = Vec::new();
    for (name, value) in table.string_entries() {
        let entry = value.and_then(|value| {
            let repository =
                check_name(&name)
                    .and_then(|()| repository(&value))
                    .map_err(|(offset, message)| {
                        table.error(ConfigErrorKind::Value, offset, &quoted(name.value), message)
                    })?;
            let origin = table.document().origin(name.offset);
            Ok(Alias { repository, origin })
        });
        match entry {
            Ok(alias) => {
                aliases.insert(name.value.to_owned(), alias);
            }
            Err(error) => errors.push((name.offset, error)),
        }
    }
    errors.sort_by_key(|(offset, _)| *offset);
    let mut errors = errors.into_iter().map(|(_, error)| error);
    match errors.next() {
        None => Ok(aliases),
        Some(first) => Err(first.with_others(errors)),
    }
}

type Bad = (usize, String);

fn check_name(name: &Located<&str>) -> Result<(), Bad> {
    let bad = |message: String| Err((name.offset, message));
    match ShortName::parse(name.value) {
        Err(error) => bad(format!("not a short name: {error}")),
        Ok(short) if short.name().len() < name.value.len() => {
            bad("an alias is a name without tag and digest".to_owned())
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
