//! What a registry and its token server say about logins: see `README.md`.
#![no_main]

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use libfuzzer_sys::fuzz_target;
use url::Url;
use wharf_auth::{Challenge, RealmPolicy, Scopes, TokenResponse};
use wharf_http::Origin;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let registry = Origin::of(&Url::parse("https://registry.example/").unwrap()).unwrap();
    if let Ok(Challenge::Bearer { realm, scopes, .. }) = Challenge::strongest(&headers) {
        assert_eq!(Scopes::parse_lenient(&scopes.to_string()), scopes);
        if let Ok(realm) = RealmPolicy::default().judge(&registry, &realm) {
            assert_eq!(realm.url.scheme(), "https");
            assert!(realm.url.username().is_empty() && realm.url.password().is_none());
            if realm.may_have_credentials {
                assert!(realm.url.host_str().unwrap().ends_with("registry.example"));
            }
        }
    }
    if let Ok(response) = TokenResponse::parse(bytes) {
        assert!(response.lifetime.as_secs() >= 1 && response.lifetime.as_secs() <= 24 * 60 * 60);
        assert!(response.token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
});
