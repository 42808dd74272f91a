//! The faults of a registry, and the requests that they hit.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Method;
use wharf_reference::Digest;

use super::{Fault, Script};
use crate::{
    Endpoint,
    route::{self, Route},
};

/// An injected fault.
#[derive(Debug, Clone)]
pub struct Injected {
    armed: Arc<Armed>,
    faults: Faults,
}

impl Injected {
    /// The number of requests that it has hit.
    #[must_use]
    pub fn hits(&self) -> u64 {
        let seen = self.armed.seen.load(Ordering::Relaxed);
        seen.saturating_sub(self.armed.fault.after)
            .min(self.armed.fault.times)
    }

    /// Removes the fault.
    pub fn remove(&self) {
        let mut armed = self.faults.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.retain(|armed| !Arc::ptr_eq(armed, &self.armed));
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// Requests that met the conditions.
    seen: AtomicU64,
}

/// All faults of a registry.
#[derive(Clone, Default)]
pub(in crate::testing) struct Faults(Arc<Mutex<Vec<Arc<Armed>>>>);

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    pub(in crate::testing) fn inject(&self, fault: Fault) -> Injected {
        let armed = Arc::new(Armed {
            fault,
            seen: AtomicU64::new(0),
        });
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&armed));
        Injected {
            armed,
            faults: self.clone(),
        }
    }

    /// The effects on this request.
    pub(in crate::testing) fn hit(&self, method: &Method, path: &str) -> Script {
        let armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.is_empty() {
            return Script::default();
        }
        let target = RequestTarget::of(path);
        let hit = armed.iter().filter(|armed| armed.hits(method, &target));
        Script {
            effects: hit.flat_map(|armed| armed.fault.effects.clone()).collect(),
        }
    }
}

impl Armed {
    fn hits(&self, method: &Method, target: &RequestTarget) -> bool {
        let Fault {
            endpoint,
            method: wanted,
            repository,
            digest,
            after,
            times,
            ..
        } = &self.fault;
        let fits = endpoint.is_none_or(|endpoint| target.endpoint == Some(endpoint))
            && wanted.as_ref().is_none_or(|wanted| wanted == method)
            && (repository.is_none() || *repository == target.repository)
            && (digest.is_none() || *digest == target.digest);
        if !fits {
            return false;
        }
        let before = self.seen.fetch_add(1, Ordering::Relaxed);
        before >= *after && before - after < *times
    }
}

/// The properties of a request that a fault may be limited to.
struct RequestTarget {
    endpoint: Option<Endpoint>,
    repository: Option<String>,
    digest: Option<Digest>,
}

impl RequestTarget {
    fn of(path: &str) -> Self {
        let route = Route::parse(path).ok();
        let endpoint = route.as_ref().and_then(Endpoint::of);
        let (repository, digest) = match route {
            Some(Route::Repository(path, endpoint)) => (Some(path.as_str().to_owned()), digest_in(endpoint)),
            _ => (None, None),
        };
        Self {
            endpoint,
            repository,
            digest,
        }
    }
}

fn digest_in(endpoint: route::RepositoryEndpoint) -> Option<Digest> {
    match endpoint {
        route::RepositoryEndpoint::Manifest(route::ManifestReference::Digest(digest))
        | route::RepositoryEndpoint::Blob(digest)
        | route::RepositoryEndpoint::Referrers(digest) => Some(digest),
        _ => None,
    }
}
