//! registries.d: where the signatures of images are kept (containers-registries.d(5)).

mod discovery;
mod section;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use wharf_reference::Reference;

use crate::{
    ConfigError, ConfigErrorKind, ConfigWarning, Locations, Lookaside, SignatureLocations, SignatureStore,
    document::quoted, file, scope,
};
use section::{DEFAULT, Section};

/// The stores of a host's signatures, from the files of registries.d (containers-registries.d(5)).
///
/// ```
/// use wharf_config::{SignatureLocations, SignatureStores};
/// use wharf_reference::Reference;
///
/// let stores = SignatureStores::parse(
///     "docker:\n  registry.example.com:\n    lookaside: https://signatures.example.com\n",
/// )?;
/// let store = stores.store_for(&Reference::parse("registry.example.com/team/app:1.0")?);
/// assert_eq!(store.read().unwrap().to_string(), "https://signatures.example.com");
/// assert!(!store.attachments());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Search order
///
/// Each key is looked for on its own: in the section of the image, of its repository, of each path above it, of the
/// registry, of `*.` with each domain above its host, and in `default-docker`. That is what upstream does; its manual
/// says that the first section counts as a whole. `lookaside` counts before its old name `sigstore`, and
/// `lookaside-staging` before `sigstore-staging`, both before what is read from. If no section names a store, it is
/// `/var/lib/containers/sigstore` for the superuser and `.local/share/containers/sigstore` in the home directory for others.
///
/// # Deviation
///
/// Anchors, aliases, merge keys, tags and further documents are errors; files are bounded to 1 MiB.
#[derive(Debug, Clone, Default)]
pub struct SignatureStores {
    files: Vec<PathBuf>,
    /// By scope; that of `default-docker` is no name of a registry.
    sections: BTreeMap<String, Section>,
    built_in: Option<Lookaside>,
    warnings: Vec<ConfigWarning>,
}

impl SignatureStores {
    /// Reads the files of a host. A directory that does not exist has none.
    ///
    /// | generation | directories |
    /// |---|---|
    /// | [`Podman6`](crate::Generation::Podman6) | the user's, the administrator's and the packages' together; of files of one name, the first |
    /// | [`Podman5`](crate::Generation::Podman5) | the user's if it exists, else the administrator's |
    ///
    /// # Errors
    ///
    /// Any file that cannot be read (a directory with the name of a file, too) or is invalid, with file, line and key, and
    /// [`ConfigErrorKind::Conflict`] for two files with a section for the same scope.
    pub fn load(locations: &Locations) -> Result<Self, ConfigError> {
        let mut stores = Self {
            built_in: locations.signature_dir().map(Lookaside::directory),
            ..Self::default()
        };
        for path in discovery::find(locations)? {
            let Some(bytes) = file::read_optional(&path)? else {
                continue;
            };
            stores.merge(Some(&path), &file::text(&path, bytes)?)?;
            stores.files.push(path);
        }
        Ok(stores)
    }

    /// Parses the text of one file. There is no built-in store then.
    ///
    /// # Errors
    ///
    /// As [`SignatureStores::load`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut stores = Self::default();
        stores.merge(None, text)?;
        Ok(stores)
    }

    fn merge(&mut self, path: Option<&Path>, text: &str) -> Result<(), ConfigError> {
        let placed = |error: ConfigError| match path {
            Some(path) => error.with_file(path),
            None => error,
        };
        let (sections, warnings) = section::read(path, text).map_err(placed)?;
        self.warnings.extend(warnings);
        for (name, section) in sections {
            if let Some(first) = self.sections.get(&name) {
                let (line, column) = section.position;
                let message = format!(
                    "there is a section for it in {} already; leave one of them",
                    first.origin
                );
                let error = ConfigError::new(ConfigErrorKind::Conflict, message).at(line, column);
                let key = if name == DEFAULT {
                    name
                } else {
                    format!("docker.{}", quoted(&name))
                };
                return Err(placed(error.with_key(key)));
            }
            self.sections.insert(name, section);
        }
        Ok(())
    }

    /// The files that were read.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Warnings about keys that are unknown or have a newer name, and about scopes that match no image.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The sections that an image is in, the most specific first.
    fn sections_of(&self, image: &Reference) -> Vec<(&str, &Section)> {
        let scopes = scope::of_reference(image).into_iter();
        scopes
            .chain([DEFAULT.to_owned()])
            .filter_map(|scope| self.sections.get_key_value(&scope))
            .map(|(scope, section)| (scope.as_str(), section))
            .collect()
    }
}

impl SignatureLocations for SignatureStores {
    fn store_for(&self, image: &Reference) -> SignatureStore {
        let sections = self.sections_of(image);
        let first = |of: fn(&Section) -> Option<&Lookaside>| {
            let found = sections.iter().find_map(|(_, section)| of(section));
            found.or(self.built_in.as_ref()).cloned()
        };
        let attachments = sections
            .iter()
            .find_map(|(_, section)| section.attachments.as_ref());
        SignatureStore {
            read: first(Section::read),
            write: first(Section::write),
            attachments: attachments.is_some_and(|(enabled, _)| *enabled),
            attachments_origin: attachments.map(|(_, origin)| origin.clone()),
            section: sections
                .first()
                .map(|(scope, section)| ((*scope).to_owned(), section.origin.clone())),
        }
    }
}
