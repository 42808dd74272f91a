use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use wharf_content::Error;

use super::{endpoint, retry, unusable};
use crate::store::{Store, StoreOptions, StoreUrl};

/// The account, by the names of Azure's tool and of `object_store`.
const ACCOUNT: [&str; 2] = ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"];

/// The variables, each by its names, and the setting that it is.
const VARIABLES: [(&[&str], AzureConfigKey); 8] = [
    (&ACCOUNT, AzureConfigKey::AccountName),
    (
        &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"],
        AzureConfigKey::AccessKey,
    ),
    (&["AZURE_STORAGE_SAS_TOKEN"], AzureConfigKey::SasKey),
    (&["AZURE_CLIENT_ID"], AzureConfigKey::ClientId),
    (&["AZURE_CLIENT_SECRET"], AzureConfigKey::ClientSecret),
    (&["AZURE_TENANT_ID"], AzureConfigKey::AuthorityId),
    (
        &["AZURE_FEDERATED_TOKEN_FILE"],
        AzureConfigKey::FederatedTokenFile,
    ),
    (&["AZURE_AUTHORITY_HOST"], AzureConfigKey::AuthorityHost),
];

pub(in crate::store) fn azure(
    url: &StoreUrl,
    container: &str,
    options: &StoreOptions,
) -> Result<Store, Error> {
    if options.variable(&ACCOUNT).is_none() {
        return Err(unusable(url, "there is no account: set AZURE_STORAGE_ACCOUNT"));
    }
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container)
        .with_retry(retry(options))
        .with_http_connector(options.transport.clone());
    for (names, key) in VARIABLES {
        if let Some(value) = options.variable(names) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(server) = &options.endpoint {
        let server = endpoint(url, server)?;
        builder = builder.with_endpoint(server.as_str().trim_end_matches('/').to_owned());
    }
    let store = builder.build().map_err(|_| {
        unusable(
            url,
            "check the account, its key, and the files that variables name",
        )
    })?;
    Ok(Store::cloud(url, options, store))
}
