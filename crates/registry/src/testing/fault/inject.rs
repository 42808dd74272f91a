//! The faults of a registry, and the requests that they hit.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Method;
use wharf_reference::Digest;

use super::{Fault, Script};
use crate::{
    RouteKind,
    route::{self, Route},
    sync::LockExt as _,
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
        let mut armed = self.faults.0.locked();
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
        self.0.locked().push(Arc::clone(&armed));
        Injected {
            armed,
            faults: self.clone(),
        }
    }

    /// The effects on this request.
    pub(in crate::testing) fn hit(&self, method: &Method, path: &str) -> Script {
        let armed = self.0.locked();
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
            kind,
            method: wanted,
            repository,
            digest,
            after,
            times,
            ..
        } = &self.fault;
        let fits = kind.is_none_or(|kind| target.kind == Some(kind))
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
    kind: Option<RouteKind>,
    repository: Option<String>,
    digest: Option<Digest>,
}

impl RequestTarget {
    fn of(path: &str) -> Self {
        let route = Route::parse(path).ok();
        let kind = route.as_ref().and_then(RouteKind::of);
        let (repository, digest) = match route {
            Some(Route::Repository(path, route)) => (Some(path.as_str().to_owned()), digest_in(route)),
            _ => (None, None),
        };
        Self {
            kind,
            repository,
            digest,
        }
    }
}

fn digest_in(route: route::RepositoryRoute) -> Option<Digest> {
    match route {
        route::RepositoryRoute::Manifest(route::ManifestReference::Digest(digest))
        | route::RepositoryRoute::Blob(digest)
        | route::RepositoryRoute::Referrers(digest) => Some(digest),
        _ => None,
    }
}
