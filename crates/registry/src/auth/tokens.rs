//! Tokens that this registry issues. A token carries its grants and a MAC whose key only this process has, so
//! that issuing tokens takes no memory.

use std::{
    fmt,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use wharf_content::Error;

use super::{Action, Authentication, Principal, mac::Key, users::same};
use crate::{RepositoryPath, sync::RwLockExt as _};

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

/// Issues tokens and verifies them. They are valid only for this registry, and only until its process ends.
pub(crate) struct Issuer {
    service: String,
    lifetime: Duration,
    /// The key of the MAC, made with the first token.
    key: RwLock<Option<Key>>,
    /// The instant from which the expiry times in tokens count.
    epoch: Instant,
    issued: AtomicU64,
}

/// The claims of a token.
#[derive(Serialize, Deserialize)]
struct Claims<U> {
    user: Option<U>,
    scopes: Vec<String>,
    /// Milliseconds since the issuer's epoch.
    expires: u64,
}

impl Issuer {
    pub(crate) fn new(service: &str, lifetime: Duration) -> Self {
        Self {
            service: service.to_owned(),
            lifetime,
            key: RwLock::default(),
            epoch: Instant::now(),
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
    pub(crate) fn issue(&self, user: Option<&str>, grants: &[Grant]) -> Result<String, Error> {
        let claims = Claims {
            user,
            scopes: grants.iter().map(Grant::to_string).collect(),
            expires: milliseconds(self.epoch.elapsed().saturating_add(self.lifetime)),
        };
        let claims = serde_json::to_vec(&claims)
            .map_err(|error| Error::wrap(wharf_content::ErrorKind::Other, error))?;
        let message = BASE64.encode(claims);
        let code = self.code(&message)?;
        self.issued.fetch_add(1, Ordering::Relaxed);
        Ok(format!("{message}.{code}"))
    }

    /// The user and the grants of a token; `None` if the token was not issued here, has expired or was made
    /// invalid.
    pub(crate) fn verify(&self, token: &str) -> Option<Principal> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (message, code) = token.split_once('.')?;
        let right = {
            let key = self.key.read_locked();
            key.as_ref()?.sign(message.as_bytes()).ok()?
        };
        if !same(right.encoded(), code) {
            return None;
        }
        let claims = BASE64.decode(message).ok()?;
        let claims: Claims<String> = serde_json::from_slice(&claims).ok()?;
        if claims.expires <= milliseconds(self.epoch.elapsed()) {
            return None;
        }
        let grants = claims.scopes.iter().filter_map(|scope| Grant::parse(scope));
        Some(Principal::granted(claims.user.map(Arc::from), grants.collect()))
    }

    /// Makes every token invalid.
    pub(crate) fn revoke_all(&self) {
        *self.key.write_locked() = None;
    }

    fn code(&self, message: &str) -> Result<String, Error> {
        let mut key = self.key.write_locked();
        let key = match &mut *key {
            Some(key) => key,
            none => none.insert(Key::random()?),
        };
        Ok(key.sign(message.as_bytes())?.encoded().to_owned())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants() -> Vec<Grant> {
        let grant = Grant::Repository {
            path: "lib/app".to_owned(),
            actions: vec![Action::Pull],
        };
        vec![grant, Grant::Mounts]
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_says_what_it_allows_and_for_how_long() {
        let issuer = Issuer::new("registry", Duration::from_secs(60));
        let token = issuer.issue(Some("ada"), &grants()).unwrap();
        let principal = issuer.verify(&token).unwrap();
        assert_eq!(principal.user.as_deref(), Some("ada"));
        assert_eq!(principal.grants.as_deref(), Some(grants().as_slice()));
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(issuer.verify(&token).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(issuer.verify(&token).is_none());
        assert!(issuer.verify(&issuer.issue(None, &[]).unwrap()).is_some());
        assert_eq!(issuer.issued(), 2);
    }

    /// A token with any changed byte is refused, and so is a token of another process.
    #[tokio::test]
    async fn a_token_that_was_changed_allows_nothing() {
        let issuer = Issuer::new("registry", Duration::from_secs(60));
        let stranger = Issuer::new("registry", Duration::from_secs(60));
        let token = issuer.issue(Some("eve"), &grants()).unwrap();
        let (message, code) = token.split_once('.').unwrap();
        let claims = String::from_utf8(BASE64.decode(message).unwrap()).unwrap();
        let with = |claims: &str| format!("{}.{code}", BASE64.encode(claims));
        assert_eq!(with(&claims), token);
        let other = stranger.issue(Some("ada"), &grants()).unwrap();
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
            assert!(issuer.verify(&wrong).is_none(), "{wrong:.200}");
        }
        assert!(issuer.verify(&token).is_some());
        issuer.revoke_all();
        assert!(issuer.verify(&token).is_none());
        let again = issuer.issue(Some("eve"), &grants()).unwrap();
        assert!(issuer.verify(&again).is_some() && issuer.verify(&token).is_none());
    }
}
