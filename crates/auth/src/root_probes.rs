use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::HeaderMap;
use tokio::time::Instant;
use wharf_http::Origin;

use crate::{AuthError, sync::LockExt as _};

/// How long a registry is not asked again after an unclear answer.
const PAUSE: Duration = Duration::from_secs(60);

/// The answer of a registry to a request without a login for the root of its API (`/v2/`).
#[derive(Debug)]
#[non_exhaustive]
pub enum RootAnswer {
    /// Status 401 from the registry itself, with these headers.
    Challenge(HeaderMap),
    /// Any other answer: the registry does not ask for a login.
    Open,
    /// No answer, or one that says nothing, such as 503.
    Unclear,
}

/// Asks registries at their root whether they want a login, each registry once.
#[derive(Debug, Default)]
pub(crate) struct RootProbes(Mutex<HashMap<Origin, Arc<Probe>>>);

#[derive(Debug, Default)]
struct Probe(tokio::sync::Mutex<Option<Outcome>>);

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Open,
    UnclearSince(Instant),
}

impl RootProbes {
    /// True if the registry asks for a login. If several tasks ask at the same time, one of them sends the
    /// request.
    ///
    /// `is_known` returns whether another task has received a challenge meanwhile. `remember` stores a
    /// challenge, and returns false if the challenge cannot be met.
    ///
    /// # Errors
    ///
    /// The error of `remember`.
    pub(crate) async fn wants_login(
        &self,
        origin: &Origin,
        is_known: impl Fn() -> bool,
        ask: impl Future<Output = RootAnswer>,
        remember: impl FnOnce(&HeaderMap) -> Result<bool, AuthError>,
    ) -> Result<bool, AuthError> {
        let probe = {
            let mut probes = self.0.locked();
            Arc::clone(probes.entry(origin.clone()).or_default())
        };
        let mut known = probe.0.lock().await;
        if is_known() {
            return Ok(true);
        }
        match *known {
            Some(Outcome::Open) => return Ok(false),
            Some(Outcome::UnclearSince(when)) if when.elapsed() < PAUSE => return Ok(false),
            _ => {}
        }
        let outcome = match ask.await {
            RootAnswer::Challenge(headers) if remember(&headers)? => return Ok(true),
            RootAnswer::Challenge(_) | RootAnswer::Open => Outcome::Open,
            RootAnswer::Unclear => Outcome::UnclearSince(Instant::now()),
        };
        *known = Some(outcome);
        Ok(false)
    }
}
