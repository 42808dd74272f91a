mod discovery;
mod entry;
mod layer;
mod location;
mod prefix;
mod resolve;
mod table;
mod version1;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use layer::{Layer, Part, Search};
use wharf_reference::{Registry, Repository};

pub use prefix::Prefix;
pub use resolve::{Resolution, Skipped};
pub use table::{Mirror, PullFromMirror, RegistryTable};

use crate::{Aliases, ConfigError, ConfigWarning, Locations, ShortNameMode, SourceLine};
use prefix::Name;

/// The content of registries.conf and its drop-in files: locations of repositories, mirrors, blocked and
/// insecure registries, and the meaning of short names (containers-registries.conf(5)).
///
/// ```
/// use wharf_config::{Intent, Registries};
/// use wharf_reference::Repository;
///
/// let registries = Registries::parse("[[registry]]\nprefix = 'example.com/team'\nlocation = 'in.lan/team'")?;
/// let resolution = registries.explain(&Repository::parse("example.com/team/app")?, Intent::PullTag);
/// assert_eq!(resolution.candidates()[0].repository, "in.lan/team/app");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Merging
///
/// Later files win, key by key: a `[[registry]]` table replaces the earlier one of the same prefix as a
/// whole; an array that is there replaces, even an empty one; an alias replaces that of the same name.
/// An error in any file fails the whole load.
///
/// # Deviation
///
/// - Files in version 1 are read in both [generations](crate::Generation), with a warning; Podman 6 refuses
///   them.
/// - Unknown and misplaced keys, prefixes that never match and locations that can never be used give
///   [warnings](Registries::warnings); upstream says nothing.
/// - A search registry without a dot or port, other than `localhost`, is left out with a warning; upstream
///   asks Docker Hub for a repository in a namespace of that name.
/// - Of two tables with prefixes that differ in the case of the host alone, one counts.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    files: Vec<PathBuf>,
    search: Option<Search>,
    credential_helpers: Vec<String>,
    short_name_mode: Option<(ShortNameMode, SourceLine)>,
    store_auth_helper: Option<String>,
    tables: BTreeMap<String, RegistryTable>,
    aliases: Aliases,
    warnings: Vec<ConfigWarning>,
}

impl Registries {
    /// Reads the host's files. Without files the result is empty.
    ///
    /// # Errors
    ///
    /// Any file that is invalid, or exists and cannot be read; an explicit file that does not exist.
    pub fn load(locations: &Locations) -> Result<Self, ConfigError> {
        let mut registries = Self::default();
        for found in discovery::find(locations)? {
            let layer = Layer::parse(&found.text, Some(&found.path), found.part)?;
            registries.merge(layer);
            registries.files.push(found.path);
        }
        Ok(registries)
    }

    /// Parses the text of one registries.conf, of version 1 or 2.
    ///
    /// # Errors
    ///
    /// Text that is no TOML, a key of another type, a value that cannot be used, tables that contradict each
    /// other; each with line and key.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut registries = Self::default();
        registries.merge(Layer::parse(text, None, Part::Main)?);
        Ok(registries)
    }

    /// Merges the text of a drop-in file, as if the file were read after those before. On an error `self` is
    /// unchanged.
    ///
    /// # Errors
    ///
    /// As [`Registries::parse`].
    pub fn merge_drop_in(&mut self, file: &Path, text: &str) -> Result<(), ConfigError> {
        let layer = Layer::parse(text, Some(file), Part::DropIn)?;
        self.merge(layer);
        self.files.push(file.to_owned());
        Ok(())
    }

    fn merge(&mut self, layer: Layer) {
        self.search = layer.search.or(self.search.take());
        if let Some(helpers) = layer.credential_helpers {
            self.credential_helpers = helpers;
        }
        self.short_name_mode = layer.short_name_mode.or(self.short_name_mode.take());
        self.store_auth_helper = layer.store_auth_helper.or(self.store_auth_helper.take());
        for table in layer.tables {
            self.tables.insert(table.prefix.key(), table);
        }
        self.aliases.extend(layer.aliases);
        self.warnings.extend(layer.warnings);
    }

    /// The files that were read, in the order in which they were merged.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Warnings about settings that have no effect, or another one than their author may expect.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The tables, in the order of their prefixes.
    pub fn tables(&self) -> impl Iterator<Item = &RegistryTable> {
        self.tables.values()
    }

    /// The one table that applies to a repository: that with the most specific prefix.
    #[must_use]
    pub fn table(&self, repository: &Repository) -> Option<&RegistryTable> {
        self.best(&Name::new(repository)).map(|(table, _)| table)
    }

    /// The table that applies to a registry as a whole, as for logging in.
    #[must_use]
    pub fn table_of_registry(&self, registry: &Registry) -> Option<&RegistryTable> {
        self.best(&Name::of(registry, "")).map(|(table, _)| table)
    }

    /// The registries in which short names are searched, in order.
    #[must_use]
    pub fn search_registries(&self) -> &[Registry] {
        self.search.as_ref().map_or(&[], |search| &search.registries)
    }

    /// The line that defines the search registries; `None` if no file does. The list there may be empty.
    #[must_use]
    pub fn search_line(&self) -> Option<&SourceLine> {
        self.search.as_ref().map(|search| &search.line)
    }

    /// The credential helpers (`credential-helpers`), in order; `containers-auth.json` stands for the files.
    pub fn credential_helpers(&self) -> impl Iterator<Item = &str> {
        let default = self
            .credential_helpers
            .is_empty()
            .then_some("containers-auth.json");
        self.credential_helpers.iter().map(String::as_str).chain(default)
    }

    /// The way to resolve a short name that may mean several registries: `permissive` if nothing is
    /// configured.
    #[must_use]
    pub fn short_name_mode(&self) -> ShortNameMode {
        self.short_name_mode
            .as_ref()
            .map_or_else(ShortNameMode::default, |(mode, _)| *mode)
    }

    /// The program that receives the credentials of each image that was opened.
    #[must_use]
    pub fn additional_layer_store_auth_helper(&self) -> Option<&str> {
        self.store_auth_helper.as_deref()
    }

    /// The aliases of short names in these files.
    #[must_use]
    pub const fn aliases(&self) -> &Aliases {
        &self.aliases
    }
}

impl FromStr for Registries {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}
