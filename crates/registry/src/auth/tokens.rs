use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use wharf_content::{Error, Hasher};
use wharf_reference::{Algorithm, Digest};

use super::{Action, Authentication, Principal};
use crate::state::random_id;

/// The most tokens that are valid at a time.
const MAX_TOKENS: usize = 100_000;

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Actions in one repository.
    Repository { path: String, actions: Vec<Action> },
    /// Mounts from whichever repository has the blob, of those that the user may pull from. No other token
    /// lets a client read, by way of a mount, what its scopes do not name.
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

    /// What is granted of one requested scope, `repository:<path>:<actions>`: what is known and permitted.
    pub(crate) fn of(scope: &str, user: Option<&str>, authentication: &Authentication) -> Option<Self> {
        if scope == Self::MOUNTS {
            return Some(Self::Mounts); // the user's rights are looked at when it is used
        }
        let (path, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
        let wanted = |action: &Action| {
            actions
                .split(',')
                .any(|name| name == action.as_str() || name == "*")
        };
        let actions = Action::ALL
            .into_iter()
            .filter(|action| wanted(action) && authentication.permits(user, path, *action))
            .collect::<Vec<_>>();
        (!actions.is_empty()).then(|| Self::Repository {
            path: path.to_owned(),
            actions,
        })
    }
}

/// Issues tokens and knows them again. They are random and mean nothing elsewhere; only their hashes are kept.
pub(crate) struct Issuer {
    service: String,
    lifetime: Duration,
    tokens: Mutex<Tokens>,
    issued: AtomicU64,
}

struct Tokens {
    valid: HashMap<Digest, Token>,
    /// At how many those that have expired are thrown away.
    crowded: usize,
}

impl Tokens {
    const FEW: usize = 1000;

    fn throw_away_expired(&mut self, now: Instant) {
        self.valid.retain(|_, token| token.expires > now);
        self.crowded = (self.valid.len() * 2).clamp(Self::FEW, MAX_TOKENS);
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            valid: HashMap::new(),
            crowded: Self::FEW,
        }
    }
}

struct Token {
    user: Option<Arc<str>>,
    grants: Arc<[Grant]>,
    expires: Instant,
}

impl Issuer {
    pub(crate) fn new(service: &str, lifetime: Duration) -> Self {
        Self {
            service: service.to_owned(),
            lifetime,
            tokens: Mutex::default(),
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

    /// How many tokens were ever issued.
    pub(crate) fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// A new token; `None` when too many are valid.
    pub(crate) fn issue(&self, user: Option<Arc<str>>, grants: Vec<Grant>) -> Result<Option<String>, Error> {
        let text = random_id()? + &random_id()?;
        let key = Hasher::digest(Algorithm::Sha256, text.as_bytes())?;
        let now = Instant::now();
        let token = Token {
            user,
            grants: grants.into(),
            expires: now + self.lifetime,
        };
        let mut tokens = self.tokens();
        if tokens.valid.len() >= tokens.crowded {
            tokens.throw_away_expired(now);
            if tokens.valid.len() >= MAX_TOKENS {
                return Ok(None);
            }
        }
        tokens.valid.insert(key, token);
        self.issued.fetch_add(1, Ordering::Relaxed);
        Ok(Some(text))
    }

    pub(crate) fn verify(&self, token: &str) -> Option<Principal> {
        let key = Hasher::digest(Algorithm::Sha256, token.as_bytes()).ok()?;
        let mut tokens = self.tokens();
        let token = tokens.valid.get(&key)?;
        if token.expires <= Instant::now() {
            tokens.valid.remove(&key);
            return None;
        }
        Some(Principal::granted(token.user.clone(), Arc::clone(&token.grants)))
    }

    /// Makes every token invalid.
    pub(crate) fn revoke_all(&self) {
        *self.tokens() = Tokens::default();
    }

    /// How many tokens are kept; some of them may have expired.
    pub(crate) fn kept(&self) -> usize {
        self.tokens().valid.len()
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn expired_tokens_do_not_pile_up() {
        let issuer = Issuer::new("registry", Duration::from_secs(60));
        for _ in 0..20 {
            for _ in 0..500 {
                issuer.issue(None, Vec::new()).unwrap().unwrap();
            }
            tokio::time::advance(Duration::from_secs(31)).await;
        }
        assert!(issuer.kept() <= 2 * 1000, "{}", issuer.kept());
        assert_eq!(issuer.issued(), 10_000);
    }
}
