//! Where a server sends us, and how long it lets us wait: see `README.md`.
#![no_main]

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use libfuzzer_sys::fuzz_target;
use url::Url;
use wharf_http::{AddressClass, Origin, Redacted, RedirectChain, printable, resolve_location, retry_after};

fuzz_target!(|bytes: &[u8]| {
    let base = Url::parse("https://registry.example:8443/v2/a/blobs/uploads/").unwrap();
    if let Ok(url) = resolve_location(&base, bytes) {
        assert!(url.username().is_empty() && url.fragment().is_none());
        let shown = Redacted(&url).to_string();
        assert!(!shown.contains('?') && !shown.chars().any(char::is_control));
        let _ = AddressClass::of_host(&url);
    }
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value.clone());
    headers.insert(header::RETRY_AFTER, value);
    let _ = retry_after(&headers, SystemTime::now());
    let mut chain = RedirectChain::new(&Method::GET, base.clone()).unwrap();
    for _ in 0..8 {
        match chain.advance(&Method::GET, StatusCode::FOUND, &headers) {
            Ok(Some(_)) => {
                let origin = Origin::of(chain.url()).unwrap();
                assert!(origin.is_encrypted());
                assert!(!chain.is_home() || origin == Origin::of(&base).unwrap());
            }
            Ok(None) | Err(_) => break,
        }
    }
    let text = printable(&String::from_utf8_lossy(bytes), 100);
    assert!(!text.chars().any(char::is_control));
});
