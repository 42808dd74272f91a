//! The stores of clouds.

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod google;
#[cfg(feature = "aws")]
mod s3;

use std::time::Duration;

use object_store::{BackoffConfig, RetryConfig};
use url::Url;
use wharf_content::{Error, ErrorKind};

#[cfg(feature = "azure")]
pub(super) use self::azure::azure;
#[cfg(feature = "gcp")]
pub(super) use self::google::google;
#[cfg(feature = "aws")]
pub(super) use self::s3::s3;
use super::{StoreOptions, StoreUrl};

/// Which requests `object_store` repeats, and for how long.
fn retry(options: &StoreOptions) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: options.retries,
        retry_timeout: options.retry_time,
    }
}

/// The URL of a server, as far as it can be one. Its text is in no error: it may have a password.
fn endpoint(url: &StoreUrl, text: &str) -> Result<Url, Error> {
    let parsed = Url::parse(text).ok().filter(|endpoint| {
        matches!(endpoint.scheme(), "http" | "https")
            && endpoint.has_host()
            && endpoint.username().is_empty()
            && endpoint.password().is_none()
            && endpoint.query().is_none()
            && endpoint.fragment().is_none()
    });
    parsed.ok_or_else(|| {
        unusable(
            url,
            "its endpoint is not a URL of a server, such as https://store.example.com:9000, without a user and parameters",
        )
    })
}

/// The error of an option. The reasons of `object_store` repeat values, so that they are left out.
fn unusable(url: &StoreUrl, reason: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("the store {url} cannot be opened: {reason}"),
    )
}
