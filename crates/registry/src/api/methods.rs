//! The methods of each path, for `Allow` (RFC 9110, 10.2.1).

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{empty, value};
use crate::{
    Body, ErrorCode,
    error::ApiError,
    registry::Config,
    route::{RepositoryRoute, Route},
};

const READS: &[Method] = &[Method::GET, Method::HEAD];

/// Refuses a method that the path does not offer, with the offered ones in `Allow`.
pub(super) fn check(method: &Method, route: &Route, config: &Config) -> Result<(), ApiError> {
    let all = of(route);
    let offered = |method: &Method| all.contains(method) && is_on(method, route, config);
    if offered(method) {
        return Ok(());
    }
    let why = if !all.contains(method) {
        "this method is not offered here"
    } else if config.read_only {
        "this registry is read-only"
    } else {
        "deleting is turned off"
    };
    let failure = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, why);
    Err(failure.with_header(header::ALLOW, allow(all.iter().filter(|method| offered(method)))?))
}

/// The answer to OPTIONS, which needs no rights and does not reveal what exists.
pub(super) fn options(route: Option<&Route>, config: &Config) -> Result<Response<Body>, ApiError> {
    let methods = route.map_or(READS, of);
    let offered = methods
        .iter()
        .filter(|method| route.is_none_or(|route| is_on(method, route, config)));
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(header::ALLOW, allow(offered)?);
    Ok(response)
}

fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> Result<HeaderValue, ApiError> {
    let names = methods.chain([&Method::OPTIONS]).map(Method::as_str);
    value(names.collect::<Vec<_>>().join(", "))
}

/// All methods of a path.
fn of(route: &Route) -> &'static [Method] {
    match route {
        Route::Base | Route::Catalog | Route::Extensions => READS,
        Route::Token => &[Method::GET, Method::HEAD, Method::POST],
        Route::Repository(_, route) => match route {
            RepositoryRoute::Tags | RepositoryRoute::Referrers(_) => READS,
            RepositoryRoute::Manifest(_) => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE],
            RepositoryRoute::Blob(_) => &[Method::GET, Method::HEAD, Method::DELETE],
            RepositoryRoute::Uploads => &[Method::POST],
            RepositoryRoute::Upload(_) => &[
                Method::GET,
                Method::HEAD,
                Method::PATCH,
                Method::PUT,
                Method::DELETE,
            ],
        },
    }
}

/// Whether the settings of the registry allow a method of a path.
fn is_on(method: &Method, route: &Route, config: &Config) -> bool {
    let Route::Repository(_, route) = route else {
        return true;
    };
    match route {
        RepositoryRoute::Uploads | RepositoryRoute::Upload(_) => !config.read_only,
        _ if READS.contains(method) => true,
        _ if *method == Method::DELETE => config.delete && !config.read_only,
        _ => !config.read_only,
    }
}
