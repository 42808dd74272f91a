mod alias_file;
mod aliases;
mod attempts;
mod error;
mod mode;
mod resolved;

use std::sync::Arc;

use wharf_reference::{Reference, Registry, ShortName, Written};

pub use alias_file::AliasFile;
pub use aliases::{Alias, Aliases};
pub use attempts::{Attempts, Failure, Failures};
pub use error::ShortNameError;
pub use mode::ShortNameMode;
pub use resolved::{NameReason, PossibleName, ResolvedName};

use crate::{ConfigError, ConfigWarning, Locations, Registries, SourceLine};

/// The meaning of names without a registry on this host (containers-registries.conf(5), *short-name-mode* and
/// `[aliases]`).
///
/// ```
/// use wharf_config::{Registries, ShortNames};
/// use wharf_reference::Written;
///
/// let registries = Registries::parse("[aliases]\nfedora = 'registry.fedoraproject.org/fedora'")?;
/// let resolved = ShortNames::new(&registries).resolve(&Written::parse("fedora:41")?, None)?;
/// assert_eq!(resolved.possible_names()[0].reference().as_str(), "registry.fedoraproject.org/fedora:41");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # How a name is resolved to be pulled
///
/// | the name | possible names |
/// |---|---|
/// | has a registry | itself |
/// | any, with [`ShortNames::with_docker_hub`] | Docker Hub's |
/// | has an alias | the alias's repository, with the tag and digest of the name |
/// | else, no search registries | an error |
/// | else, one search registry, or mode `disabled` | the name at each search registry, in order |
/// | else, someone to ask | the one that is chosen, to be [recorded](ShortNames::record) once it was pulled |
/// | else, mode `permissive` | the name at each search registry, in order |
/// | else, mode `enforcing` | an error that names them |
///
/// A name without tag and digest gets the tag `latest`. Aliases in the machine-written file win over those in
/// registries.conf.
///
/// # Deviation
///
/// - A [`Prompt`] is asked, not the terminal.
/// - Looking names up writes nothing; upstream creates the alias file's lock and its directory.
/// - A machine-written file that is malformed fails short names without an answer from the caller only; names
///   with a registry never need it.
/// - Only a registry that does not have the image, denies it or is blocked leads to the next possible name, see
///   [`Attempts`]; upstream goes on after any error.
#[derive(Debug, Clone)]
pub struct ShortNames {
    machine: Result<Aliases, ConfigError>,
    file: Option<AliasFile>,
    aliases: Aliases,
    search: Vec<Registry>,
    search_line: Option<SourceLine>,
    mode: ShortNameMode,
    docker_hub: bool,
    warnings: Vec<ConfigWarning>,
}

/// A prompt that asks a person which of several images a short name means. Implemented by functions of this
/// form, and by an `Arc` of a prompt.
///
/// ```
/// use wharf_config::Prompt;
/// use wharf_reference::{Reference, ShortName};
///
/// /// Takes the first image that is in one registry.
/// struct Only(&'static str);
///
/// impl Prompt for Only {
///     fn choose(&self, _: &ShortName, possible: &[Reference]) -> Option<usize> {
///         possible.iter().position(|reference| reference.registry().as_str() == self.0)
///     }
/// }
/// ```
pub trait Prompt: Send + Sync {
    /// The index of the chosen one; `None` if none is wanted. It may block while a person thinks.
    fn choose(&self, name: &ShortName, possible: &[Reference]) -> Option<usize>;
}

impl<F> Prompt for F
where
    F: Fn(&ShortName, &[Reference]) -> Option<usize> + Send + Sync,
{
    fn choose(&self, name: &ShortName, possible: &[Reference]) -> Option<usize> {
        self(name, possible)
    }
}

impl<P: Prompt + ?Sized> Prompt for Arc<P> {
    fn choose(&self, name: &ShortName, possible: &[Reference]) -> Option<usize> {
        (**self).choose(name, possible)
    }
}

impl ShortNames {
    /// Reads the machine-written file of aliases, if there is one, beside the aliases, search registries and
    /// mode of registries.conf. If that cannot be read, resolving a short name fails, and nothing else.
    #[must_use]
    pub fn load(locations: &Locations, registries: &Registries) -> Self {
        let mut names = Self::new(registries);
        let Some(file) = locations.alias_file().map(AliasFile::new) else {
            return names;
        };
        match file.read() {
            Ok((aliases, warnings)) => {
                names.machine = Ok(aliases);
                names.warnings = warnings;
            }
            Err(error) => names.machine = Err(error),
        }
        names.file = Some(file);
        names
    }

    /// Uses the aliases, search registries and mode of registries.conf, and reads no file.
    #[must_use]
    pub fn new(registries: &Registries) -> Self {
        Self {
            machine: Ok(Aliases::default()),
            file: None,
            aliases: registries.aliases().clone(),
            search: registries.search_registries().to_vec(),
            search_line: registries.search_line().cloned(),
            mode: registries.short_name_mode(),
            docker_hub: false,
            warnings: Vec::new(),
        }
    }

    /// This mode, whatever the configuration says.
    #[must_use]
    pub const fn with_mode(mut self, mode: ShortNameMode) -> Self {
        self.mode = mode;
        self
    }

    /// Every short name is Docker Hub's, as for Docker: aliases and search registries are ignored.
    #[must_use]
    pub const fn with_docker_hub(mut self, docker_hub: bool) -> Self {
        self.docker_hub = docker_hub;
        self
    }

    /// The mode in force.
    #[must_use]
    pub const fn mode(&self) -> ShortNameMode {
        self.mode
    }

    /// The machine-written file of aliases, whether it exists or not.
    #[must_use]
    pub const fn file(&self) -> Option<&AliasFile> {
        self.file.as_ref()
    }

    /// Warnings about entries of the machine-written file that have no effect.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The alias that decides about a name without tag and digest, from the most important file that has one.
    /// It may be an erased one.
    ///
    /// # Errors
    ///
    /// The machine-written file cannot be read.
    pub fn alias(&self, name: &str) -> Result<Option<&Alias>, ConfigError> {
        let machine = self.machine.as_ref().map_err(Clone::clone)?;
        Ok(machine.named(name).or_else(|| self.aliases.named(name)))
    }

    /// Resolves a name for a pull; the result has at least one possible name.
    ///
    /// The prompt is asked if there are several possible names; `None` if there is no prompt.
    ///
    /// # Errors
    ///
    /// [`ShortNameError`]: no alias and no search registries, several images and no prompt, a prompt that chose none, a name
    /// that is not valid at a search registry, a machine-written file that cannot be read.
    pub fn resolve(
        &self,
        name: &Written,
        prompt: Option<&dyn Prompt>,
    ) -> Result<ResolvedName, ShortNameError> {
        let Some(short) = name.short_name() else {
            let full = PossibleName::new(name.normalise().or_latest());
            return Ok(ResolvedName::new(vec![full], NameReason::FullName, None));
        };
        let resolved = |names, reason| Ok(ResolvedName::new(names, reason, Some(short.clone())));
        if self.docker_hub {
            let reference = short.qualify(&Registry::docker_hub()).or_latest();
            return resolved(vec![PossibleName::new(reference)], NameReason::DockerHub);
        }
        if let Some((reference, line)) = self.alias_target(&short)? {
            return resolved(vec![PossibleName::new(reference)], NameReason::Alias(line));
        }
        let references: Vec<Reference> = self.searched(&short).collect();
        if references.is_empty() {
            return Err(ShortNameError::Unresolved {
                name: short,
                list: self.search_line.clone(),
            });
        }
        let searched = NameReason::Search(self.search_line.clone());
        let ambiguous = references.len() > 1 && self.mode != ShortNameMode::Disabled;
        if !ambiguous || (prompt.is_none() && self.mode == ShortNameMode::Permissive) {
            return resolved(references.into_iter().map(PossibleName::new).collect(), searched);
        }
        let Some(prompt) = prompt else {
            return Err(ShortNameError::Ambiguous {
                name: short,
                possible: references,
            });
        };
        let chosen = prompt.choose(&short, &references);
        match chosen.and_then(|index| references.into_iter().nth(index)) {
            Some(reference) => resolved(vec![PossibleName::chosen(reference, &short)], NameReason::Prompt),
            None => Err(ShortNameError::Declined { name: short }),
        }
    }

    /// The names under which an image may be found in a local store, in the order in which they are tried:
    /// the alias, `localhost/NAME`, then each search registry.
    ///
    /// # Errors
    ///
    /// The machine-written file cannot be read.
    pub fn resolve_local(&self, name: &Written) -> Result<Vec<Reference>, ConfigError> {
        let Some(short) = name.short_name() else {
            return Ok(vec![name.normalise().or_latest()]);
        };
        if self.docker_hub {
            return Ok(vec![short.qualify(&Registry::docker_hub()).or_latest()]);
        }
        let alias = self.alias_target(&short)?.map(|(reference, _)| reference);
        let local = Registry::parse("localhost").ok();
        let local = local.map(|registry| short.qualify(&registry).or_latest());
        Ok(alias
            .into_iter()
            .chain(local)
            .chain(self.searched(&short))
            .collect())
    }

    /// Records the choice of a prompt as an alias in the machine-written file, to be called once the image
    /// was pulled. Names that no prompt chose are not recorded. Returns whether an alias was.
    ///
    /// # Errors
    ///
    /// The file cannot be written. The pull has succeeded nevertheless, so this is worth a warning at most.
    pub fn record(&self, name: &PossibleName) -> Result<bool, ConfigError> {
        match (&self.file, name.recorded_as()) {
            (Some(file), Some(alias)) => {
                file.record(alias, &name.reference().repository())?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn alias_target(&self, short: &ShortName) -> Result<Option<(Reference, SourceLine)>, ConfigError> {
        let alias = self.alias(short.name())?;
        Ok(alias.and_then(|alias| {
            let reference = short.alias_of(alias.repository()?).or_latest();
            Some((reference, alias.source_line().clone()))
        }))
    }

    fn searched<'a>(&'a self, short: &'a ShortName) -> impl Iterator<Item = Reference> + 'a {
        self.search
            .iter()
            .map(|registry| short.qualify(registry).or_latest())
    }
}
