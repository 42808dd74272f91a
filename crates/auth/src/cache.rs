use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use url::Url;
use wharf_http::Origin;

use crate::{AuthError, Credential, Scopes, Secret, TokenResponse, sync::LockExt as _};

/// The most tokens in the cache. If a new one exceeds it, expired tokens are dropped, then the oldest.
const MAX_TOKENS: usize = 1000;

/// Stores tokens until shortly before they expire. Tasks that need the same token share one fetch
/// (docs/threats.md, N12 and N13).
///
/// A token is reused only for the same credential, registry, realm and service, and for the same scopes or
/// fewer. A cache belongs to one client.
#[derive(Debug, Default)]
pub struct TokenCache {
    slots: Mutex<Vec<(TokenKey, Arc<Slot>)>>,
}

/// Everything that a token depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenKey {
    /// The credential; `None` for an anonymous token. Compared in full, so that two credentials never share
    /// a token.
    pub credential: Option<Credential>,
    /// The origin of the registry.
    pub origin: Origin,
    /// The URL of the token server.
    pub realm: Url,
    /// The name of the registry at its token server, from the challenge.
    pub service: Option<String>,
    /// The permissions of the token.
    pub scopes: Scopes,
}

impl TokenKey {
    /// True if a token for `self` is also good for `wanted`.
    fn covers(&self, wanted: &Self) -> bool {
        self.origin == wanted.origin
            && self.realm == wanted.realm
            && self.service == wanted.service
            && self.credential == wanted.credential
            && self.scopes.contains(&wanted.scopes)
            && (self.scopes.is_empty() == wanted.scopes.is_empty())
    }
}

#[derive(Debug, Default)]
struct Slot {
    current: Mutex<Option<Cached>>,
    fetch: tokio::sync::Mutex<Option<Failure>>,
    /// How many fetches have ended, successful or not.
    ended: AtomicU64,
}

#[derive(Debug, Clone)]
struct Cached {
    token: Secret,
    renew_at: Instant,
}

#[derive(Debug)]
struct Failure {
    /// The value of `ended` after the fetch that failed.
    number: u64,
    error: AuthError,
}

impl Slot {
    fn valid(&self) -> Option<Secret> {
        let current = self.current.locked();
        let cached = current.as_ref()?;
        (Instant::now() < cached.renew_at).then(|| cached.token.clone())
    }
}

impl TokenCache {
    /// The token for this key: a cached one, or the result of `fetch`. If several tasks ask at the same
    /// time, one of them fetches and the others wait for its result.
    ///
    /// # Errors
    ///
    /// The error of `fetch`. The tasks that waited for that fetch get the same error; a task that asks
    /// later fetches again.
    pub async fn token<F, Fut>(&self, key: &TokenKey, fetch: F) -> Result<Secret, AuthError>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<TokenResponse, AuthError>> + Send,
    {
        if let Some(token) = self.cached(key) {
            return Ok(token);
        }
        let slot = self.slot(key);
        let arrived = slot.ended.load(Ordering::Acquire);
        let mut fetching = slot.fetch.lock().await;
        if let Some(token) = slot.valid() {
            return Ok(token);
        }
        if let Some(failure) = &*fetching
            && failure.number > arrived
        {
            return Err(failure.error.clone());
        }
        let received = fetch().await;
        let number = slot.ended.fetch_add(1, Ordering::AcqRel) + 1;
        match received {
            Ok(response) => {
                let renew_at = Instant::now() + usable(response.lifetime);
                let token = response.token;
                *slot.current.locked() = Some(Cached {
                    token: token.clone(),
                    renew_at,
                });
                *fetching = None;
                Ok(token)
            }
            Err(error) => {
                *fetching = Some(Failure {
                    number,
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    /// A cached token for this key, or for one with more scopes; `None` if there is none that is still
    /// valid.
    #[must_use]
    pub fn cached(&self, key: &TokenKey) -> Option<Secret> {
        let slots = self.slots.locked();
        let mut covering = slots.iter().filter(|(held, _)| held.covers(key));
        covering.find_map(|(_, slot)| slot.valid())
    }

    /// Removes a token that the registry refused. A newer token for the same key stays.
    pub fn forget(&self, token: &Secret) {
        let slots = self.slots.locked();
        for (_, slot) in slots.iter() {
            let mut current = slot.current.locked();
            if current.as_ref().is_some_and(|cached| cached.token == *token) {
                *current = None;
            }
        }
    }

    fn slot(&self, key: &TokenKey) -> Arc<Slot> {
        let mut slots = self.slots.locked();
        if let Some((_, slot)) = slots.iter().find(|(held, _)| held == key) {
            return Arc::clone(slot);
        }
        if slots.len() >= MAX_TOKENS {
            slots.retain(|(_, slot)| Arc::strong_count(slot) > 1 || slot.valid().is_some());
            if slots.len() >= MAX_TOKENS {
                slots.remove(0);
            }
        }
        let slot = Arc::<Slot>::default();
        slots.push((key.clone(), Arc::clone(&slot)));
        slot
    }
}

/// How long a token is used: its lifetime less a fifth of it, which is at most 10 s. That time is for
/// requests under way.
fn usable(lifetime: Duration) -> Duration {
    lifetime.saturating_sub((lifetime / 5).min(Duration::from_secs(10)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuthErrorKind;

    fn key(user: &str, scopes: &str) -> TokenKey {
        TokenKey {
            credential: (!user.is_empty()).then(|| Credential::basic(user, "pw")),
            origin: Origin::of(&Url::parse("https://r.example").unwrap()).unwrap(),
            realm: Url::parse("https://a.example/t").unwrap(),
            service: None,
            scopes: Scopes::parse_lenient(scopes),
        }
    }

    async fn fetched(cache: &TokenCache, key: &TokenKey, token: &str, life: u64) -> String {
        let response = TokenResponse {
            token: token.into(),
            lifetime: Duration::from_secs(life),
        };
        let got = cache.token(key, || async { Ok(response) }).await.unwrap();
        got.expose().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_serves_until_shortly_before_its_end() {
        let cache = TokenCache::default();
        let key = key("ada", "repository:a:pull");
        assert_eq!(fetched(&cache, &key, "one", 300).await, "one");
        tokio::time::advance(Duration::from_secs(289)).await;
        assert_eq!(fetched(&cache, &key, "two", 300).await, "one");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(fetched(&cache, &key, "two", 300).await, "two");
        cache.forget(&"one".into());
        assert_eq!(fetched(&cache, &key, "three", 300).await, "two");
        cache.forget(&"two".into());
        assert_eq!(fetched(&cache, &key, "three", 300).await, "three");
    }

    #[tokio::test]
    async fn keys_are_not_mixed_but_wider_scopes_serve() {
        let cache = TokenCache::default();
        let wide = key("ada", "repository:a:pull,push");
        assert_eq!(fetched(&cache, &wide, "wide", 300).await, "wide");
        assert_eq!(
            fetched(&cache, &key("ada", "repository:a:pull"), "narrow", 300).await,
            "wide"
        );
        for other in [
            key("bob", "repository:a:pull"),
            key("", "repository:a:pull"),
            key("ada", ""),
        ] {
            let name = format!("{other:?}");
            assert_eq!(fetched(&cache, &other, &name, 300).await, name);
        }
        let mut elsewhere = wide.clone();
        elsewhere.origin = Origin::of(&Url::parse("https://other.example").unwrap()).unwrap();
        assert_eq!(fetched(&cache, &elsewhere, "elsewhere", 300).await, "elsewhere");
    }

    #[tokio::test]
    async fn one_fetches_and_all_share_its_end() {
        for fails in [false, true] {
            let cache = Arc::new(TokenCache::default());
            let fetches = Arc::new(AtomicU64::new(0));
            let tasks: Vec<_> = (0..64)
                .map(|_| {
                    let (cache, fetches) = (Arc::clone(&cache), Arc::clone(&fetches));
                    tokio::spawn(async move {
                        let fetch = || async {
                            fetches.fetch_add(1, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                            if fails {
                                return Err(AuthError::new(AuthErrorKind::Rejected, "no"));
                            }
                            Ok(TokenResponse {
                                token: "t".into(),
                                lifetime: Duration::from_secs(60),
                            })
                        };
                        cache
                            .token(&key("ada", "repository:a:pull"), fetch)
                            .await
                            .is_err()
                    })
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), fails);
            }
            assert_eq!(fetches.load(Ordering::Relaxed), 1);
            // A later one tries again.
            assert_eq!(
                fetched(&cache, &key("ada", "repository:a:pull"), "t", 60).await,
                "t"
            );
        }
    }

    #[tokio::test]
    async fn a_fetch_given_up_is_taken_over() {
        let cache = Arc::new(TokenCache::default());
        let wanted = key("ada", "repository:a:pull");
        {
            let never = cache.token(&wanted, std::future::pending);
            let mut never = std::pin::pin!(never);
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(never.as_mut().poll(context).is_pending())
            });
            assert!(polled.await);
        }
        assert_eq!(fetched(&cache, &wanted, "t", 60).await, "t");
    }
}
