//! From a repository to its candidates.

use wharf_reference::{Registry, Repository};

use super::{
    Registries, RegistryTable,
    prefix::{Name, Rest, Specificity},
};
use crate::{Blocked, Candidate, ConfigWarning, Intent, Resolve, ResolveError, Role, SourceTable, TlsMode};

/// Everything the configuration says about a repository, to be explained or obeyed.
#[derive(Debug, Clone)]
pub struct Resolution<'a> {
    repository: Repository,
    table: Option<&'a RegistryTable>,
    candidates: Vec<Candidate>,
    skipped: Vec<Skipped>,
    warnings: Vec<ConfigWarning>,
}

/// A candidate that was left out because its name is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Mirror or primary.
    pub role: Role,
    /// The table that it comes from.
    pub table: SourceTable,
    /// The mistake in the name.
    pub reason: String,
}

impl<'a> Resolution<'a> {
    /// The table that applies, if any does.
    #[must_use]
    pub const fn table(&self) -> Option<&'a RegistryTable> {
        self.table
    }

    /// The candidates in the order in which they are tried, with those that are blocked.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The candidates that were left out.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Warnings for the author of the configuration about this repository: candidates that were left out, and
    /// a table that seems to be for the repository and does not match its name.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The candidates, if at least one may be contacted.
    ///
    /// # Errors
    ///
    /// [`ResolveError::Blocked`] if every candidate is blocked, [`ResolveError::Unusable`] if none has a
    /// valid name.
    pub fn into_candidates(self) -> Result<Vec<Candidate>, ResolveError> {
        if self
            .candidates
            .iter()
            .any(|candidate| candidate.blocked.is_none())
        {
            return Ok(self.candidates);
        }
        // The primary is last, and the one that was asked for.
        let blocked = self
            .candidates
            .into_iter()
            .rev()
            .find_map(|candidate| candidate.blocked);
        if let Some(blocked) = blocked {
            return Err(ResolveError::Blocked(blocked));
        }
        let reasons: Vec<String> = self
            .skipped
            .iter()
            .map(|skipped| format!("{}: {}", skipped.table, skipped.reason))
            .collect();
        Err(ResolveError::Unusable {
            repository: self.repository,
            reason: reasons.join("; "),
        })
    }
}

impl Registries {
    /// The candidates for a repository, in the order to try them, and the table that each comes from.
    ///
    /// Pulls go to the mirrors that serve them, in the order of the file, then to the primary: the table's
    /// location, or the repository itself. Other intents go to the repository itself, neither mirrored nor
    /// moved, as upstream. Only the table with the most specific prefix applies.
    ///
    /// # Deviation
    ///
    /// - A candidate is blocked if the table of the repository blocks it (the primary) or if the table of its own
    ///   name does (mirrors too). Upstream looks at its own name alone, so that a blocked table which
    ///   moves its repositories blocks nothing.
    /// - `host` and `host:443` are the same registry, so what blocks one blocks the other, unless that has a table
    ///   that is as specific. Upstream lets `host` through where only `host:443` is blocked.
    /// - A candidate whose rewritten name is not valid is left out; upstream fails the whole operation.
    #[must_use]
    pub fn explain(&self, repository: &Repository, intent: Intent) -> Resolution<'_> {
        let name = Name::new(repository);
        let best = self.best(&name);
        let mut resolution = Resolution {
            repository: repository.clone(),
            table: best.map(|(table, _)| table),
            candidates: Vec::new(),
            skipped: Vec::new(),
            warnings: self.overlooked(repository).into_iter().collect(),
        };
        let Some((table, rest)) = best else {
            let mut primary = Candidate::primary(repository.clone());
            primary.blocked = self.blocker(&name).map(|table| Blocked {
                table: table.source(),
                repository: repository.clone(),
            });
            resolution.candidates.push(primary);
            return resolution;
        };
        for mirror in table.mirrors_for(intent) {
            let unnamed = Unnamed {
                role: Role::Mirror,
                insecure: mirror.insecure,
                source: mirror.source(),
            };
            self.add(&mut resolution, unnamed, mirror.location.rewrite(rest));
        }
        let unnamed = Unnamed {
            role: Role::Primary,
            insecure: table.insecure,
            source: table.source(),
        };
        let pulls = matches!(intent, Intent::PullTag | Intent::PullDigest);
        let rewritten = match &table.location {
            Some(location) if pulls => location.rewrite(rest),
            _ => Ok(repository.clone()),
        };
        self.add(&mut resolution, unnamed, rewritten);
        resolution
    }

    fn add(&self, resolution: &mut Resolution<'_>, unnamed: Unnamed, repository: Result<Repository, String>) {
        let Unnamed {
            role,
            insecure,
            source,
        } = unnamed;
        let logical = resolution.table.filter(|_| role == Role::Primary);
        let physical = match repository {
            Ok(physical) => physical,
            // What is blocked is not contacted, so it needs no valid name there.
            Err(_) if logical.is_some_and(|table| table.blocked) => resolution.repository.clone(),
            Err(reason) => {
                let table = match role {
                    Role::Mirror => "registry.mirror",
                    Role::Primary => "registry",
                };
                let message = format!("left out for {}: {reason}", resolution.repository);
                let warning = ConfigWarning::of_table(source.line(), table, "location", message);
                resolution.warnings.push(warning);
                resolution.skipped.push(Skipped {
                    role,
                    table: source,
                    reason,
                });
                return;
            }
        };
        let names = [
            (logical.filter(|table| table.blocked), &resolution.repository),
            (self.blocker(&Name::new(&physical)), &physical),
        ];
        let blocked = names.into_iter().find_map(|(table, repository)| {
            Some(Blocked {
                table: table?.source(),
                repository: repository.clone(),
            })
        });
        resolution.candidates.push(Candidate {
            blocked,
            repository: physical,
            tls: tls_mode(insecure),
            role,
            table: Some(source),
        });
    }

    /// A table of `docker.io/alpine` where `docker.io/library/alpine` is wanted: it is for the namespace of
    /// that name, and its author may have meant the image.
    fn overlooked(&self, repository: &Repository) -> Option<ConfigWarning> {
        let image = repository.path().strip_prefix("library/")?;
        let registry = repository.registry();
        let table = self.tables.get(&format!("{registry}/{image}"))?;
        let message = format!(
            "{} does not match {repository}: it is for the repositories below that namespace; write {repository} for \
             the image",
            table.prefix
        );
        registry
            .is_docker_hub()
            .then(|| ConfigWarning::of_table(&table.line, "registry", "prefix", message))
    }

    /// The table that blocks a name, if one does: the most specific one for either way to write its port.
    fn blocker(&self, name: &Name<'_>) -> Option<&RegistryTable> {
        let synonym = name.synonym();
        let other = synonym.as_ref().and_then(|name| self.most_specific(name));
        let own = self.most_specific(name);
        // The last of equals is the name's own.
        let best = other
            .into_iter()
            .chain(own)
            .max_by_key(|(specificity, ..)| *specificity);
        best.map(|(_, table, _)| table).filter(|table| table.blocked)
    }

    /// The table with the most specific prefix, and what that leaves of the name.
    pub(crate) fn best<'a>(&self, name: &'a Name<'a>) -> Option<(&RegistryTable, Rest<'a>)> {
        self.most_specific(name).map(|(_, table, rest)| (table, rest))
    }

    fn most_specific<'a>(&self, name: &'a Name<'a>) -> Option<(Specificity, &RegistryTable, Rest<'a>)> {
        let matching = self.tables.values().filter_map(|table| {
            let (specificity, rest) = table.prefix.matches(name)?;
            Some((specificity, table, rest))
        });
        matching.max_by_key(|(specificity, ..)| *specificity)
    }
}

/// A candidate before its name is known to be valid.
struct Unnamed {
    role: Role,
    insecure: bool,
    source: SourceTable,
}

impl Resolve for Registries {
    fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError> {
        self.explain(repository, intent).into_candidates()
    }

    /// The table of the registry as a whole applies; tables of namespaces in it do not.
    fn resolve_registry(&self, registry: &Registry) -> Result<TlsMode, ResolveError> {
        let table = self.table_of_registry(registry);
        if let Some(table) = self.blocker(&Name::of(registry, "")) {
            return Err(ResolveError::BlockedRegistry {
                registry: registry.clone(),
                table: table.source(),
            });
        }
        Ok(tls_mode(table.is_some_and(|table| table.insecure)))
    }
}

/// The trust in a connection for the value of `insecure` in a table.
const fn tls_mode(insecure: bool) -> TlsMode {
    if insecure {
        TlsMode::Insecure
    } else {
        TlsMode::Verify
    }
}
