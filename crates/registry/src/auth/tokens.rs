//! Tokens that this registry issues. A token carries its grants and a MAC whose key only this registry has, and those
//! over the same storage, so that issuing tokens takes no memory.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use wharf_content::Error;

use super::{
    Action, Authentication, Principal,
    signing::{Keys, Signer},
    users::same,
};
use crate::{Backend, RepositoryPath};

/// The longest token that is parsed, in bytes: room for the most scopes that one token may have, with the
/// longest names.
const MAX_TOKEN: usize = 64 * 1024;

/// A right that a token carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Actions in one repository.
    Repository { path: String, actions: Vec<Action> },
    /// Mounts from any repository that has the blob, of those that the user may pull from. Any other token
    /// allows mounts only from repositories that its scopes name.
    Mounts,
}

impl Grant {
    /// The scope of [`Self::Mounts`], which the challenge to a mount without `from` names.
    pub(crate) const MOUNTS: &str = "registry:blobs:mount";

    pub(crate) fn covers(&self, path: &str, action: Action) -> bool {
        match self {
            Self::Repository { path: own, actions } => own == path && actions.contains(&action),
            Self::Mounts => false,
        }
    }

    /// The part of a requested scope, `repository:<path>:<actions>`, that is known and permitted.
    pub(crate) fn of(scope: &str, user: Option<&str>, authentication: &Authentication) -> Option<Self> {
        let mut grant = Self::parse(scope)?;
        if let Self::Repository { path, actions } = &mut grant {
            actions.retain(|action| authentication.permits(user, path, *action));
        }
        // Of mounts, the user's rights are looked at when they are done.
        (!matches!(&grant, Self::Repository { actions, .. } if actions.is_empty())).then_some(grant)
    }

    fn parse(scope: &str) -> Option<Self> {
        if scope == Self::MOUNTS {
            return Some(Self::Mounts);
        }
        let (path, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
        RepositoryPath::parse(path).ok()?;
        let names = |action: &Action| {
            actions
                .split(',')
                .any(|name| name == action.as_str() || name == "*")
        };
        Some(Self::Repository {
            path: path.to_owned(),
            actions: Action::ALL.into_iter().filter(names).collect(),
        })
    }
}

/// The scope that [`Grant::parse`] reads.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository { path, actions } => {
                let actions = actions.iter().map(|action| action.as_str());
                write!(f, "repository:{path}:{}", actions.collect::<Vec<_>>().join(","))
            }
            Self::Mounts => f.write_str(Self::MOUNTS),
        }
    }
}

/// Issues tokens and verifies them. They are valid only for this registry, and until its process ends, or for all over a
/// storage that has a [`TokenSecret`](crate::TokenSecret).
pub(crate) struct Issuer {
    service: String,
    lifetime: Duration,
    keys: Keys,
    issued: AtomicU64,
}

/// The claims of a token.
#[derive(Serialize, Deserialize)]
struct Claims<U> {
    user: Option<U>,
    scopes: Vec<String>,
    /// In milliseconds of [`Keys::now`].
    expires: u64,
}

impl Issuer {
    pub(crate) fn new(service: &str, lifetime: Duration, backend: Arc<dyn Backend>) -> Self {
        Self {
            service: service.to_owned(),
            lifetime,
            keys: Keys::new(backend),
            issued: AtomicU64::new(0),
        }
    }

    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// How long a token is valid.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The number of tokens that were issued.
    pub(crate) fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Issues a token.
    pub(crate) async fn issue(&self, user: Option<&str>, grants: &[Grant]) -> Result<String, Error> {
        let signer = self.keys.for_issue().await?;
        let claims = Claims {
            user,
            scopes: grants.iter().map(Grant::to_string).collect(),
            expires: self.keys.now(&signer).saturating_add(milliseconds(self.lifetime)),
        };
        let claims = serde_json::to_vec(&claims)
            .map_err(|error| Error::wrap(wharf_content::ErrorKind::Other, error))?;
        let message = BASE64.encode(claims);
        let code = signer.key.sign(message.as_bytes())?;
        self.issued.fetch_add(1, Ordering::Relaxed);
        Ok(format!("{message}.{}", code.encoded()))
    }

    /// The user and the grants of a token; `None` if the token was not issued with this key, has expired or was made
    /// invalid.
    pub(crate) async fn verify(&self, token: &str) -> Result<Option<Principal>, Error> {
        let Some((message, code)) = token.split_once('.').filter(|_| token.len() <= MAX_TOKEN) else {
            return Ok(None);
        };
        let signer = self.keys.for_verification().await?;
        if signer.has_signed(message, code)? {
            return Ok(self.read(&signer, message));
        }
        // Another registry may have issued it with a newer key.
        match self.keys.newer_than(&signer).await? {
            Some(signer) if signer.has_signed(message, code)? => Ok(self.read(&signer, message)),
            _ => Ok(None),
        }
    }

    /// The user and the grants of a token that is genuine; `None` if it has expired.
    fn read(&self, signer: &Signer, message: &str) -> Option<Principal> {
        let claims = BASE64.decode(message).ok()?;
        let claims: Claims<String> = serde_json::from_slice(&claims).ok()?;
        if claims.expires <= self.keys.now(signer) {
            return None;
        }
        let grants = claims.scopes.iter().filter_map(|scope| Grant::parse(scope));
        Some(Principal::granted(claims.user.map(Arc::from), grants.collect()))
    }

    /// Makes every token invalid.
    pub(crate) async fn revoke_all(&self) -> Result<(), Error> {
        self.keys.revoke().await
    }
}

impl Signer {
    fn has_signed(&self, message: &str, code: &str) -> Result<bool, Error> {
        let right = self.key.sign(message.as_bytes())?;
        Ok(same(right.encoded(), code))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryBackend;

    fn issuer() -> Issuer {
        Issuer::new(
            "registry",
            Duration::from_secs(60),
            Arc::new(MemoryBackend::default()),
        )
    }

    async fn verify(issuer: &Issuer, token: &str) -> Option<Principal> {
        issuer.verify(token).await.unwrap()
    }

    fn grants() -> Vec<Grant> {
        let grant = Grant::Repository {
            path: "lib/app".to_owned(),
            actions: vec![Action::Pull],
        };
        vec![grant, Grant::Mounts]
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_says_what_it_allows_and_for_how_long() {
        let issuer = issuer();
        let token = issuer.issue(Some("ada"), &grants()).await.unwrap();
        let principal = verify(&issuer, &token).await.unwrap();
        assert_eq!(principal.user.as_deref(), Some("ada"));
        assert_eq!(principal.grants.as_deref(), Some(grants().as_slice()));
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(verify(&issuer, &token).await.is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(verify(&issuer, &token).await.is_none());
        assert!(
            verify(&issuer, &issuer.issue(None, &[]).await.unwrap())
                .await
                .is_some()
        );
        assert_eq!(issuer.issued(), 2);
    }

    /// A token with any changed byte is refused, and so is a token of another process.
    #[tokio::test]
    async fn a_token_that_was_changed_allows_nothing() {
        let (issuer, stranger) = (issuer(), issuer());
        let token = issuer.issue(Some("eve"), &grants()).await.unwrap();
        let (message, code) = token.split_once('.').unwrap();
        let claims = String::from_utf8(BASE64.decode(message).unwrap()).unwrap();
        let with = |claims: &str| format!("{}.{code}", BASE64.encode(claims));
        assert_eq!(with(&claims), token);
        let other = stranger.issue(Some("ada"), &grants()).await.unwrap();
        for wrong in [
            String::new(),
            ".".to_owned(),
            message.to_owned(),
            format!("{message}."),
            format!("{message}.{}", code.to_uppercase()),
            format!("{message}.{code}0"),
            format!("{message}.{}", code.split_at(63).0),
            format!(".{code}"),
            with(&claims.replace("eve", "ada")),
            with(&claims.replace("lib/app", "lib/other")),
            with(&claims.replace("pull", "push")),
            other.clone(),
            format!("{message}.{}", other.split_once('.').unwrap().1),
            format!("{}.{code}", "A".repeat(MAX_TOKEN)),
        ] {
            assert!(verify(&issuer, &wrong).await.is_none(), "{wrong:.200}");
        }
        assert!(verify(&issuer, &token).await.is_some());
        issuer.revoke_all().await.unwrap();
        assert!(verify(&issuer, &token).await.is_none());
        let again = issuer.issue(Some("eve"), &grants()).await.unwrap();
        assert!(verify(&issuer, &again).await.is_some() && verify(&issuer, &token).await.is_none());
    }
}
