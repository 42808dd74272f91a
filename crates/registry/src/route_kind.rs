use crate::route::{self, Route};

/// The kind of resource that a request's path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// `/v2/`
    Base,
    /// `/token`
    Token,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/manifests/<reference>`
    Manifest,
    /// `/v2/<name>/blobs/<digest>`
    Blob,
    /// `/v2/<name>/blobs/uploads/`, where uploads begin
    Uploads,
    /// `/v2/<name>/blobs/uploads/<id>`, one upload
    Upload,
    /// `/v2/<name>/tags/list`
    Tags,
    /// `/v2/<name>/referrers/<digest>`
    Referrers,
}

impl RouteKind {
    /// The kind of the route at a path; `None` if there is none.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::of(&Route::parse(path).ok()?)
    }

    /// The kind of a route.
    pub(crate) const fn of(route: &Route) -> Option<Self> {
        Some(match route {
            Route::Extensions => return None,
            Route::Base => Self::Base,
            Route::Catalog => Self::Catalog,
            Route::Token => Self::Token,
            Route::Repository(_, route) => match route {
                route::RepositoryRoute::Manifest(_) => Self::Manifest,
                route::RepositoryRoute::Blob(_) => Self::Blob,
                route::RepositoryRoute::Uploads => Self::Uploads,
                route::RepositoryRoute::Upload(_) => Self::Upload,
                route::RepositoryRoute::Tags => Self::Tags,
                route::RepositoryRoute::Referrers(_) => Self::Referrers,
            },
        })
    }
}
