use crate::route::{self, Route};

/// The kind of resource that a request's path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
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

impl Endpoint {
    /// The endpoint at a path; `None` if the path names none.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::of(&Route::parse(path).ok()?)
    }

    /// The endpoint of a route.
    pub(crate) const fn of(route: &Route) -> Option<Self> {
        Some(match route {
            Route::Extensions => return None,
            Route::Base => Self::Base,
            Route::Catalog => Self::Catalog,
            Route::Token => Self::Token,
            Route::Repository(_, endpoint) => match endpoint {
                route::RepositoryEndpoint::Manifest(_) => Self::Manifest,
                route::RepositoryEndpoint::Blob(_) => Self::Blob,
                route::RepositoryEndpoint::Uploads => Self::Uploads,
                route::RepositoryEndpoint::Upload(_) => Self::Upload,
                route::RepositoryEndpoint::Tags => Self::Tags,
                route::RepositoryEndpoint::Referrers(_) => Self::Referrers,
            },
        })
    }
}
