//! The caller's settings that take precedence over the host's configuration.

use async_trait::async_trait;
use std::sync::Arc;
use wharf_auth::{Credential, CredentialAnswer, CredentialError, CredentialProvider};
use wharf_config::{
    Candidate, CredentialKey, Credentials, Intent, Registries, Resolve, ResolveError, Role, TlsMode,
};
use wharf_reference::{Registry, Repository};

use crate::warnings::{Warning, Warnings};

/// The candidates of the configuration, with the caller's settings for certificates.
#[derive(Debug, Clone)]
pub(crate) struct WithTls {
    pub(crate) configured: Arc<Registries>,
    pub(crate) overrides: TlsOverrides,
    pub(crate) warnings: Arc<Warnings>,
}

/// The caller's settings for the verification of certificates: `named` for single registries, `all` for the
/// others.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsOverrides {
    pub(crate) all: Option<bool>,
    pub(crate) named: Vec<(Registry, bool)>,
}

impl TlsOverrides {
    fn mode_of(&self, registry: &Registry) -> Option<TlsMode> {
        let named = self.named.iter().rev().find(|(named, _)| named == registry);
        named.map(|(_, verify)| *verify).or(self.all).map(|verify| {
            if verify {
                TlsMode::Verify
            } else {
                TlsMode::Insecure
            }
        })
    }
}

impl Resolve for WithTls {
    fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError> {
        let resolution = self.configured.explain(repository, intent);
        for warning in resolution.warnings() {
            self.warnings.warn(Warning::Configuration(warning.clone()));
        }
        let mut candidates = resolution.into_candidates()?;
        for candidate in &mut candidates {
            // A registry that the configuration has moved is still the one that the caller named; a mirror is
            // not.
            let named = match candidate.role {
                Role::Primary => repository.registry(),
                _ => candidate.repository.registry(),
            };
            if let Some(mode) = self.overrides.mode_of(&named) {
                candidate.tls = mode;
            }
        }
        Ok(candidates)
    }

    fn resolve_registry(&self, registry: &Registry) -> Result<TlsMode, ResolveError> {
        let configured = self.configured.resolve_registry(registry)?; // it may be blocked
        Ok(self.overrides.mode_of(registry).unwrap_or(configured))
    }
}

/// The settings of a set of images for reading from one registry.
#[cfg(feature = "sync")]
#[derive(Debug, Clone)]
pub(crate) struct RegistrySettings {
    pub(crate) registry: Registry,
    pub(crate) credential: Option<Credential>,
    pub(crate) tls_verify: Option<bool>,
    pub(crate) cert_dir: Option<std::path::PathBuf>,
}

#[cfg(feature = "sync")]
impl RegistrySettings {
    pub(crate) const fn is_empty(&self) -> bool {
        self.credential.is_none() && self.tls_verify.is_none() && self.cert_dir.is_none()
    }
}

/// The caller's credentials for the registries and namespaces named with them, the most specific first; the
/// host's for all others, mirrors included.
#[derive(Debug, Clone)]
pub(crate) struct WithCredentials {
    /// `None`: requests are anonymous.
    pub(crate) explicit: Vec<(CredentialKey, Option<Credential>)>,
    pub(crate) configured: Credentials,
    pub(crate) warnings: Arc<Warnings>,
}

#[async_trait]
impl CredentialProvider for WithCredentials {
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        Ok(self.look_up(registry, repository).await?.credential)
    }

    async fn look_up(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<CredentialAnswer, CredentialError> {
        let named = self
            .explicit
            .iter()
            .filter(|(key, _)| key.covers(registry, repository));
        // Of two for one key, the later is returned.
        if let Some((_, credential)) = named.max_by_key(|(key, _)| key.path().map_or(0, str::len)) {
            return Ok(CredentialAnswer {
                credential: credential.clone(),
                unanswered: None,
            });
        }
        let found = self.configured.find(registry, repository).await?;
        found
            .exposed()
            .iter()
            .for_each(|file| self.warnings.warn(Warning::ExposedCredentials(file.clone())));
        for error in found.unanswered() {
            self.warnings.warn(Warning::CredentialSource(error.to_string()));
        }
        for warning in found.unread() {
            self.warnings.warn(Warning::Configuration(warning.clone()));
        }
        Ok(found.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_setting_for_certificates_wins() {
        let text = "[[registry]]\nlocation = 'registry.example'\ninsecure = true\n[[registry.mirror]]\nlocation = 'm.lan'\n";
        let repository = Repository::parse("registry.example/app").unwrap();
        let unknown = Repository::parse("other.lan/x").unwrap();
        for (verify, expected) in [(true, TlsMode::Verify), (false, TlsMode::Insecure)] {
            let resolver = WithTls {
                configured: Arc::new(Registries::parse(text).unwrap()),
                overrides: TlsOverrides {
                    all: Some(verify),
                    named: Vec::new(),
                },
                warnings: Arc::new(Warnings::to(None)),
            };
            let candidates = resolver.resolve(&repository, Intent::PullTag).unwrap();
            assert_eq!(candidates.len(), 2);
            assert!(candidates.iter().all(|candidate| candidate.tls == expected));
            assert_eq!(resolver.resolve(&unknown, Intent::Push).unwrap()[0].tls, expected);
            assert_eq!(resolver.resolve_registry(&unknown.registry()), Ok(expected));
            assert_eq!(resolver.resolve_registry(&repository.registry()), Ok(expected));
        }
    }

    #[test]
    fn a_setting_for_one_registry_is_for_no_other() {
        let text = "[[registry]]\nprefix = 'a.example'\nlocation = 'moved.example'\n\
                    [[registry.mirror]]\nlocation = 'm.example'\n";
        let named = Registry::parse("a.example").unwrap();
        let mode = |all: Option<bool>, registry: &str| {
            let resolver = WithTls {
                configured: Arc::new(Registries::parse(text).unwrap()),
                overrides: TlsOverrides {
                    all,
                    named: vec![(named.clone(), false)],
                },
                warnings: Arc::new(Warnings::to(None)),
            };
            let repository = Repository::parse(&format!("{registry}/app")).unwrap();
            let candidates = resolver.resolve(&repository, Intent::PullTag).unwrap();
            let modes: Vec<TlsMode> = candidates.iter().map(|candidate| candidate.tls).collect();
            (modes, resolver.resolve_registry(&repository.registry()).unwrap())
        };
        let (verify, insecure) = (TlsMode::Verify, TlsMode::Insecure);
        assert_eq!(
            mode(None, "a.example"),
            (vec![verify, insecure], insecure),
            "not its mirror"
        );
        assert_eq!(mode(None, "b.example"), (vec![verify], verify));
        assert_eq!(mode(Some(true), "a.example"), (vec![verify, insecure], insecure));
        assert_eq!(mode(Some(false), "b.example"), (vec![insecure], insecure));
    }

    #[test]
    fn it_opens_no_blocked_registry() {
        let text = "[[registry]]\nlocation = 'shut.example'\nblocked = true\n";
        let resolver = WithTls {
            configured: Arc::new(Registries::parse(text).unwrap()),
            overrides: TlsOverrides {
                all: Some(false),
                named: Vec::new(),
            },
            warnings: Arc::new(Warnings::to(None)),
        };
        let shut = Registry::parse("shut.example").unwrap();
        assert!(matches!(
            resolver.resolve_registry(&shut),
            Err(ResolveError::BlockedRegistry { .. })
        ));
    }

    #[tokio::test]
    async fn explicit_credentials_stay_with_their_registry() {
        let named = Registry::parse("registry.example").unwrap();
        let provider = WithCredentials {
            explicit: vec![((&named).into(), Some(Credential::basic("ada", "secret")))],
            configured: Credentials::from_files([]),
            warnings: Arc::new(Warnings::to(None)),
        };
        assert!(provider.credential(&named, None).await.unwrap().is_some());
        for other in ["mirror.example", "registry.example:443", "docker.io"] {
            let other = Registry::parse(other).unwrap();
            assert_eq!(provider.credential(&other, None).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn the_most_specific_of_the_explicit_credentials_is_used() {
        let basic = |user: &str| Credential::basic(user, "secret");
        let login = |user: &str| Some(basic(user));
        let key = |text: &str| CredentialKey::parse(text).unwrap();
        let provider = WithCredentials {
            explicit: vec![
                (key("r.example/team/app"), login("app")),
                (key("r.example"), login("all")),
                (key("r.example/team"), login("old")),
                (key("r.example/team"), login("team")),
                (key("other.example/team"), login("other")),
                (key("r.example/open"), None),
            ],
            configured: Credentials::from_files([]),
            warnings: Arc::new(Warnings::to(None)),
        };
        let table = [
            ("r.example", None, Some("all")),
            ("r.example", Some("r.example/x"), Some("all")),
            ("r.example", Some("r.example/open/x"), None),
            ("r.example", Some("r.example/team"), Some("team")),
            ("r.example", Some("r.example/team/tool"), Some("team")),
            ("r.example", Some("r.example/teams/tool"), Some("all")),
            ("r.example", Some("r.example/team/app"), Some("app")),
            ("r.example", Some("r.example/team/app/deep"), Some("app")),
            ("other.example", Some("other.example/team/x"), Some("other")),
            ("other.example", Some("other.example/x"), None),
            ("other.example", None, None),
            ("mirror.example", Some("r.example/team/app"), None),
        ];
        for (registry, repository, user) in table {
            let registry = Registry::parse(registry).unwrap();
            let repository = repository.map(|text| Repository::parse(text).unwrap());
            let found = provider.credential(&registry, repository.as_ref()).await.unwrap();
            assert_eq!(found, user.map(basic), "{registry} {repository:?}");
        }
    }
}
