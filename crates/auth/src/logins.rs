use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use wharf_reference::{Registry, Repository};

use crate::{
    AuthError, AuthErrorKind, Credential, CredentialAnswer, CredentialError, CredentialProvider,
    sync::LockExt as _,
};

/// The most answers of the provider that are cached. When a new one exceeds it, all are dropped.
const MAX_ANSWERS: usize = 1000;

/// The answers of the provider. Each question is asked once, until the registry refuses the credential.
pub(crate) struct Logins {
    provider: Arc<dyn CredentialProvider>,
    answers: Mutex<HashMap<LoginKey, CachedAnswer>>,
    /// Held while the provider is asked: a helper program may prompt its user. Cached answers are found
    /// without it.
    asking: tokio::sync::Mutex<()>,
}

/// The registry that is contacted, and the repository if one is known.
pub(crate) type LoginKey = (Registry, Option<Repository>);

/// An answer of the provider in the cache.
#[derive(Clone)]
struct CachedAnswer {
    credential: Option<Credential>,
    unanswered: Option<Arc<CredentialError>>,
}

/// An answer of the provider.
pub(crate) struct Login {
    pub(crate) credential: Option<Credential>,
    /// The error of a source that may have a credential and did not answer.
    pub(crate) unanswered: Option<Arc<CredentialError>>,
    /// True if the provider answered during this call. If false, the provider may have another credential
    /// by now.
    pub(crate) fresh: bool,
}

impl Logins {
    pub(crate) fn new(provider: Arc<dyn CredentialProvider>) -> Self {
        Self {
            provider,
            answers: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<LoginKey, CachedAnswer>> {
        self.answers.locked()
    }

    fn cached(&self, key: &LoginKey, fresh: bool) -> Option<Login> {
        Some(Login::new(self.answers().get(key)?.clone(), fresh))
    }

    pub(crate) async fn find(&self, key: LoginKey) -> Result<Login, AuthError> {
        if let Some(login) = self.cached(&key, false) {
            return Ok(login);
        }
        let _asking = self.asking.lock().await;
        if let Some(login) = self.cached(&key, true) {
            return Ok(login);
        }
        let found = self
            .provider
            .look_up(&key.0, key.1.as_ref())
            .await
            .map_err(|error| {
                let message = format!("the login for {} could not be read", key.0);
                AuthError::with_cause(AuthErrorKind::Provider, message, error)
            })?;
        let CredentialAnswer {
            credential,
            unanswered,
        } = found;
        let answer = CachedAnswer {
            credential: credential.filter(is_usable),
            unanswered: unanswered.map(Arc::new),
        };
        let mut answers = self.answers();
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.insert(key, answer.clone());
        Ok(Login::new(answer, true))
    }

    /// Removes a cached answer, so that the provider is asked again. A cached credential that `refused`
    /// does not accept stays.
    pub(crate) fn forget(&self, key: &LoginKey, refused: impl FnOnce(&Credential) -> bool) {
        let mut held = self.answers();
        if held
            .get(key)
            .is_some_and(|held| held.credential.as_ref().is_none_or(refused))
        {
            held.remove(key);
        }
    }

    /// The error for a registry that asks for a credential when the provider has none.
    pub(crate) fn missing(&self, key: &LoginKey, message: &str) -> AuthError {
        let unanswered = self.answers().get(key).and_then(|held| held.unanswered.clone());
        no_credential(message, unanswered)
    }
}

impl Login {
    fn new(answer: CachedAnswer, fresh: bool) -> Self {
        let CachedAnswer {
            credential,
            unanswered,
        } = answer;
        Self {
            credential,
            unanswered,
            fresh,
        }
    }
}

/// The error for a missing credential, with the error of a source that did not answer as its source.
pub(crate) fn no_credential(message: &str, unanswered: Option<Arc<CredentialError>>) -> AuthError {
    match unanswered {
        Some(cause) => AuthError::with_cause(AuthErrorKind::NoCredential, message, cause),
        None => AuthError::new(AuthErrorKind::NoCredential, message),
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

fn is_usable(credential: &Credential) -> bool {
    match credential {
        Credential::Basic { username, password } => !(username.is_empty() && password.is_empty()),
        Credential::Identity(token) | Credential::Bearer(token) => !token.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;

    use async_trait::async_trait;

    use super::*;
    use crate::CredentialError;

    /// Answers at once for one registry, and never for others.
    #[derive(Debug)]
    struct Slow;

    #[async_trait]
    impl CredentialProvider for Slow {
        async fn credential(
            &self,
            registry: &Registry,
            _: Option<&Repository>,
        ) -> Result<Option<Credential>, CredentialError> {
            if *registry != "quick.test" {
                std::future::pending::<()>().await;
            }
            Ok(Some(Credential::basic("ada", "pw")))
        }
    }

    fn key(registry: &str) -> LoginKey {
        (Registry::parse(registry).unwrap(), None)
    }

    #[tokio::test]
    async fn what_is_known_does_not_wait_for_what_is_asked() {
        let logins = Logins::new(Arc::new(Slow));
        assert!(logins.find(key("quick.test")).await.unwrap().fresh);
        let mut slow = std::pin::pin!(logins.find(key("slow.test")));
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(slow.as_mut().poll(context).is_pending()));
        assert!(pending.await);
        let again = logins.find(key("quick.test")).await.unwrap();
        assert_eq!(again.credential, Some(Credential::basic("ada", "pw")));
        assert!(!again.fresh);
    }

    #[tokio::test]
    async fn only_what_was_refused_is_forgotten() {
        let logins = Logins::new(Arc::new(Slow));
        let known = key("quick.test");
        logins.find(known.clone()).await.unwrap();
        logins.forget(&known, |held| *held == Credential::basic("ada", "old"));
        assert!(!logins.find(known.clone()).await.unwrap().fresh);
        logins.forget(&known, |held| *held == Credential::basic("ada", "pw"));
        assert!(logins.find(known).await.unwrap().fresh);
    }
}
