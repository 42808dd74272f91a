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

/// The most answers kept; beyond it all are asked for anew.
const MAX_HELD: usize = 1000;

/// What the provider was asked and answered: each question once, until the answer turns out to be of no use.
pub(crate) struct Logins {
    provider: Arc<dyn CredentialProvider>,
    held: Mutex<HashMap<LoginKey, Held>>,
    /// One question at a time: a helper program may ask its user. What is held is found without.
    asking: tokio::sync::Mutex<()>,
}

/// A registry, and the repository if one is known.
pub(crate) type LoginKey = (Registry, Option<Repository>);

/// An answer of the provider, as it is kept.
#[derive(Clone)]
struct Held {
    credential: Option<Credential>,
    unanswered: Option<Arc<CredentialError>>,
}

/// An answer of the provider.
pub(crate) struct Login {
    pub(crate) credential: Option<Credential>,
    /// The error of a source that may have a credential and did not answer.
    pub(crate) unanswered: Option<Arc<CredentialError>>,
    /// Whether the provider gave it just now; otherwise it may have another one by this time.
    pub(crate) fresh: bool,
}

impl Logins {
    pub(crate) fn new(provider: Arc<dyn CredentialProvider>) -> Self {
        Self {
            provider,
            held: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<LoginKey, Held>> {
        self.held.locked()
    }

    fn kept(&self, key: &LoginKey, fresh: bool) -> Option<Login> {
        Some(Login::new(self.held().get(key)?.clone(), fresh))
    }

    pub(crate) async fn find(&self, key: LoginKey) -> Result<Login, AuthError> {
        if let Some(login) = self.kept(&key, false) {
            return Ok(login);
        }
        let _asking = self.asking.lock().await;
        if let Some(login) = self.kept(&key, true) {
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
        let answer = Held {
            credential: credential.filter(is_usable),
            unanswered: unanswered.map(Arc::new),
        };
        let mut held = self.held();
        if held.len() >= MAX_HELD {
            held.clear();
        }
        held.insert(key, answer.clone());
        Ok(Login::new(answer, true))
    }

    /// Drops what is held, so that the provider is asked again; unless that is another one already than the one
    /// that was refused.
    pub(crate) fn forget(&self, key: &LoginKey, refused: impl FnOnce(&Credential) -> bool) {
        let mut held = self.held();
        if held
            .get(key)
            .is_some_and(|held| held.credential.as_ref().is_none_or(refused))
        {
            held.remove(key);
        }
    }

    /// The error of a registry that asks for a credential where none was found.
    pub(crate) fn missing(&self, key: &LoginKey, message: &str) -> AuthError {
        let unanswered = self.held().get(key).and_then(|held| held.unanswered.clone());
        no_credential(message, unanswered)
    }
}

impl Login {
    fn new(held: Held, fresh: bool) -> Self {
        let Held {
            credential,
            unanswered,
        } = held;
        Self {
            credential,
            unanswered,
            fresh,
        }
    }
}

/// The error of a registry that asks for a credential where none was found, with what did not answer.
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
