//! How a store is reached.

use std::fmt;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
use std::{collections::BTreeMap, time::Duration};

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
use zeroize::Zeroizing;

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
use super::StoreTransport;

/// The repetitions of a request that failed, or was asked to come later.
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
const RETRIES: usize = 5;
/// The time after which a request is not repeated.
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
const RETRY_TIME: Duration = Duration::from_secs(30);

/// How the store of a cloud is reached. A directory needs no options.
///
/// `Debug` shows the names of the variables and not their values.
#[derive(Clone)]
pub struct StoreOptions {
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    variables: BTreeMap<String, Zeroizing<String>>,
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    pub(super) endpoint: Option<String>,
    #[cfg(feature = "aws")]
    pub(super) region: Option<String>,
    #[cfg(feature = "aws")]
    pub(super) path_style: Option<bool>,
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    pub(super) retries: usize,
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    pub(super) retry_time: Duration,
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    pub(super) transport: StoreTransport,
}

impl Default for StoreOptions {
    /// No variables, the cloud's own endpoint, and the default transport: 5 repetitions within 30 s.
    fn default() -> Self {
        Self {
            #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
            variables: BTreeMap::new(),
            #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
            endpoint: None,
            #[cfg(feature = "aws")]
            region: None,
            #[cfg(feature = "aws")]
            path_style: None,
            #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
            retries: RETRIES,
            #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
            retry_time: RETRY_TIME,
            #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
            transport: StoreTransport::default(),
        }
    }
}

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
impl StoreOptions {
    /// Adds environment variables, for example those of the process, which this crate does not read by itself. These are used, and an
    /// empty one counts as unset:
    ///
    /// | store | variables |
    /// |---|---|
    /// | `s3` | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; `AWS_REGION`, `AWS_DEFAULT_REGION`; `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`; `AWS_ROLE_ARN`, `AWS_ROLE_SESSION_NAME`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ENDPOINT_URL_STS`; `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `AWS_CONTAINER_CREDENTIALS_FULL_URI`, `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`; `AWS_EC2_METADATA_DISABLED` |
    /// | `az` | `AZURE_STORAGE_ACCOUNT`, `AZURE_STORAGE_KEY`, `AZURE_STORAGE_SAS_TOKEN`, also as `AZURE_STORAGE_ACCOUNT_NAME` and `AZURE_STORAGE_ACCOUNT_KEY`; `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, `AZURE_TENANT_ID`, `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_AUTHORITY_HOST` |
    /// | `gs` | `GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_SERVICE_ACCOUNT` (files), `GOOGLE_SERVICE_ACCOUNT_KEY` (their text) |
    ///
    /// Without a key, the machine's own service is asked: the metadata of an instance, or the managed identity. Files of profiles are
    /// not read.
    ///
    /// # Deviation
    ///
    /// Without a variable of Google, `object_store` itself reads gcloud's file below the home directory and `GCE_METADATA_HOST`.
    #[must_use]
    pub fn with_variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = variables.into_iter().filter(|(name, value)| {
            ["AWS_", "AZURE_", "GOOGLE_"]
                .iter()
                .any(|start| name.starts_with(start))
                && !value.is_empty()
        });
        self.variables
            .extend(known.map(|(name, value)| (name, Zeroizing::new(value))));
        self
    }

    /// Sets the URL of the store's server, for what is not the cloud's own: `https://minio.example.com:9000`. For Azure it
    /// has the account: `https://account.blob.core.windows.net`. A URL with `http` is used without TLS.
    #[must_use]
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sets the region of an S3 bucket. Default: that of the variables, else `us-east-1`.
    #[cfg(feature = "aws")]
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets whether the name of an S3 bucket is in the path of URLs, and not in their host. Default: true where an
    /// endpoint is set, or the name has a dot, which certificates of Amazon do not match.
    #[cfg(feature = "aws")]
    #[must_use]
    pub const fn with_path_style(mut self, is_in_path: bool) -> Self {
        self.path_style = Some(is_in_path);
        self
    }

    /// Sets how often a request is repeated that could not be sent, got no answer and may be repeated, or is answered with
    /// 429, 408 or 5xx; with pauses that double from 100 ms to 5 s. Default: 5.
    #[must_use]
    pub const fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the time since the first attempt after which a request is not repeated. Default: 30 s.
    #[must_use]
    pub const fn with_retry_time(mut self, time: Duration) -> Self {
        self.retry_time = time;
        self
    }

    /// Sets the transport: certificates, proxies and time limits.
    #[must_use]
    pub fn with_transport(mut self, transport: StoreTransport) -> Self {
        self.transport = transport;
        self
    }

    /// The first of these variables that is set.
    pub(super) fn variable(&self, names: &[&str]) -> Option<&str> {
        let mut found = names.iter().filter_map(|name| self.variables.get(*name));
        found.next().map(|value| value.as_str())
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StoreOptions");
        #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
        shown
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("retries", &self.retries)
            .field("retry_time", &self.retry_time)
            .field("transport", &self.transport);
        shown.finish_non_exhaustive()
    }
}
