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

/// How long a root that could not be read is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// The answer of a registry at the root of its API (`/v2/`) to a request without a login.
#[derive(Debug)]
#[non_exhaustive]
pub enum RootAnswer {
    /// 401 of the registry itself, with these headers.
    Challenge(HeaderMap),
    /// Anything else that is an answer: it asks nobody for a login.
    Open,
    /// No answer, or that of a server in trouble.
    Unclear,
}

/// The registries that were asked at their root whether they want a login, each once.
#[derive(Debug, Default)]
pub(crate) struct Roots(Mutex<HashMap<Origin, Arc<Root>>>);

#[derive(Debug, Default)]
struct Root(tokio::sync::Mutex<Option<Learned>>);

#[derive(Debug, Clone, Copy)]
enum Learned {
    IsOpen,
    IsUnclearSince(Instant),
}

impl Roots {
    /// Whether a registry wants a login after all. Of many tasks that want to know, one asks.
    ///
    /// `is_known` says that it has asked for one meanwhile; `take_in` remembers its challenge, and is `false` if nobody
    /// could meet it.
    pub(crate) async fn wants_login(
        &self,
        origin: &Origin,
        is_known: impl Fn() -> bool,
        ask: impl Future<Output = RootAnswer>,
        take_in: impl FnOnce(&HeaderMap) -> Result<bool, AuthError>,
    ) -> Result<bool, AuthError> {
        let root = {
            let mut roots = self.0.locked();
            Arc::clone(roots.entry(origin.clone()).or_default())
        };
        let mut learned = root.0.lock().await;
        if is_known() {
            return Ok(true);
        }
        match *learned {
            Some(Learned::IsOpen) => return Ok(false),
            Some(Learned::IsUnclearSince(when)) if when.elapsed() < PAUSE => return Ok(false),
            _ => {}
        }
        let outcome = match ask.await {
            RootAnswer::Challenge(headers) if take_in(&headers)? => return Ok(true),
            RootAnswer::Challenge(_) | RootAnswer::Open => Learned::IsOpen,
            RootAnswer::Unclear => Learned::IsUnclearSince(Instant::now()),
        };
        *learned = Some(outcome);
        Ok(false)
    }
}
