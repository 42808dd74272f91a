use object_store::aws::AmazonS3Builder;
use url::Url;
use wharf_content::{Error, ErrorKind};

use super::{endpoint, retry, unusable};
use crate::store::{Store, StoreOptions, StoreUrl};

/// The variables that are passed on as they are. `object_store` knows them by the same names.
const VARIABLES: [&str; 12] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

pub(in crate::store) fn s3(url: &StoreUrl, bucket: &str, options: &StoreOptions) -> Result<Store, Error> {
    check_key(url, options)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_retry(retry(options))
        .with_http_connector(options.transport.clone());
    for name in VARIABLES {
        if let (Some(value), Ok(key)) = (options.variable(&[name]), name.to_ascii_lowercase().parse()) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    let server = options.endpoint.as_deref();
    let server = server.or_else(|| options.variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    let server = server.map(|text| endpoint(url, text)).transpose()?;
    let is_in_path = options
        .path_style
        .unwrap_or_else(|| server.is_some() || bucket.contains('.'));
    if let Some(mut server) = server {
        if !is_in_path {
            put_into_host(&mut server, bucket).ok_or_else(|| {
                unusable(
                    url,
                    "the name of the bucket cannot be part of the endpoint's host",
                )
            })?;
        }
        builder = builder.with_endpoint(server.as_str().trim_end_matches('/'));
    }
    let store = builder
        .with_virtual_hosted_style_request(!is_in_path)
        .build()
        .map_err(|_| {
            unusable(
                url,
                "check the key, the region, and the files that variables name",
            )
        })?;
    Ok(Store::cloud(url, options, store))
}

/// A key must be whole; without one there must be another way to have one.
fn check_key(url: &StoreUrl, options: &StoreOptions) -> Result<(), Error> {
    let id = options.variable(&["AWS_ACCESS_KEY_ID"]).is_some();
    let secret = options.variable(&["AWS_SECRET_ACCESS_KEY"]).is_some();
    let others = [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    let is_alone = options
        .variable(&["AWS_EC2_METADATA_DISABLED"])
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match (id, secret) {
        (true, false) => Err(unusable(
            url,
            "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY",
        )),
        (false, true) => Err(unusable(
            url,
            "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID",
        )),
        (false, false) if is_alone && options.variable(&others).is_none() => {
            let reason = "there is no key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            Err(Error::new(
                ErrorKind::Unauthorized,
                format!("the store {url} cannot be opened: {reason}"),
            ))
        }
        _ => Ok(()),
    }
}

/// `https://store.example.com` to `https://bucket.store.example.com`.
fn put_into_host(server: &mut Url, bucket: &str) -> Option<()> {
    let domain = server.domain()?;
    let host = format!("{bucket}.{domain}");
    server.set_host(Some(&host)).ok()
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3ConfigKey;

    use super::*;

    #[test]
    fn every_variable_is_known_to_the_store() {
        for name in VARIABLES {
            let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
            assert!(key.is_ok(), "{name}");
        }
    }

    #[test]
    fn a_bucket_becomes_part_of_a_host_that_has_a_name() {
        for (server, expected) in [
            (
                "https://store.example.com:9000/",
                Some("https://images.store.example.com:9000/"),
            ),
            ("http://localhost:1", Some("http://images.localhost:1/")),
            ("http://127.0.0.1:9000", None),
            ("http://[::1]:9000", None),
        ] {
            let mut url = Url::parse(server).expect(server);
            let changed = put_into_host(&mut url, "images").map(|()| url.to_string());
            assert_eq!(changed.as_deref(), expected, "{server}");
        }
    }
}
