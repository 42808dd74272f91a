use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use wharf_content::Error;

use super::{endpoint, retry, unusable};
use crate::store::{Store, StoreOptions, StoreUrl};

/// The variables, and the setting that each is.
const VARIABLES: [(&str, GoogleConfigKey); 3] = [
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        GoogleConfigKey::ApplicationCredentials,
    ),
    ("GOOGLE_SERVICE_ACCOUNT", GoogleConfigKey::ServiceAccount),
    ("GOOGLE_SERVICE_ACCOUNT_KEY", GoogleConfigKey::ServiceAccountKey),
];

pub(in crate::store) fn google(url: &StoreUrl, bucket: &str, options: &StoreOptions) -> Result<Store, Error> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(retry(options))
        .with_http_connector(options.transport.clone());
    for (name, key) in VARIABLES {
        if let Some(value) = options.variable(&[name]) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(server) = &options.endpoint {
        let server = endpoint(url, server)?;
        builder = builder.with_base_url(server.as_str().trim_end_matches('/'));
    }
    let store = builder
        .build()
        .map_err(|_| unusable(url, "check the files of keys that variables name"))?;
    Ok(Store::cloud(url, options, store))
}
