//! What a caller says that beats the host's configuration.

use async_trait::async_trait;
use std::sync::Arc;
use wharf_auth::{Credential, CredentialError, CredentialProvider};
use wharf_config::{Candidate, Intent, Resolve, ResolveError, TlsMode};
use wharf_reference::{Registry, Repository};

/// Candidates as configured, with the caller's word on certificates.
#[derive(Debug)]
pub(crate) struct WithTls {
    pub(crate) configured: Arc<dyn Resolve>,
    pub(crate) verify: bool,
}

impl Resolve for WithTls {
    fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError> {
        let mut candidates = self.configured.resolve(repository, intent)?;
        for candidate in &mut candidates {
            candidate.tls = self.mode();
        }
        Ok(candidates)
    }

    fn resolve_registry(&self, registry: &Registry) -> Result<TlsMode, ResolveError> {
        self.configured.resolve_registry(registry)?; // it may be blocked
        Ok(self.mode())
    }
}

impl WithTls {
    const fn mode(&self) -> TlsMode {
        if self.verify {
            TlsMode::Verify
        } else {
            TlsMode::Insecure
        }
    }
}

/// The caller's credentials for the registries named with them; the host's for all others, mirrors included.
#[derive(Debug)]
pub(crate) struct WithCredentials {
    pub(crate) explicit: Vec<(Registry, Credential)>,
    pub(crate) configured: Arc<dyn CredentialProvider>,
}

#[async_trait]
impl CredentialProvider for WithCredentials {
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        match self.explicit.iter().find(|(named, _)| named == registry) {
            Some((_, credential)) => Ok(Some(credential.clone())),
            None => self.configured.credential(registry, repository).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use wharf_auth::Anonymous;
    use wharf_config::{Registries, Unconfigured};

    use super::*;

    #[test]
    fn the_callers_word_on_certificates_wins() {
        let repository = Repository::parse("registry.example/app").unwrap();
        for (verify, expected) in [(true, TlsMode::Verify), (false, TlsMode::Insecure)] {
            let resolver = WithTls {
                configured: Arc::new(Unconfigured),
                verify,
            };
            let candidates = resolver.resolve(&repository, Intent::PullTag).unwrap();
            assert!(candidates.iter().all(|candidate| candidate.tls == expected));
            assert_eq!(resolver.resolve_registry(&repository.registry()), Ok(expected));
        }
    }

    #[test]
    fn it_opens_no_blocked_registry() {
        let text = "[[registry]]\nlocation = 'shut.example'\nblocked = true\n";
        let resolver = WithTls {
            configured: Arc::new(Registries::parse(text).unwrap()),
            verify: false,
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
            explicit: vec![(named.clone(), Credential::basic("ada", "secret"))],
            configured: Arc::new(Anonymous),
        };
        assert!(provider.credential(&named, None).await.unwrap().is_some());
        for other in ["mirror.example", "registry.example:443", "docker.io"] {
            let other = Registry::parse(other).unwrap();
            assert_eq!(provider.credential(&other, None).await.unwrap(), None);
        }
    }
}
