//! What clients send to the embedded registry: see `README.md`.
#![no_main]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use libfuzzer_sys::fuzz_target;
use wharf_content::Hasher;
use wharf_reference::Digest;
use wharf_registry::{Registry, TokenKeys};

const KEYS: &[u8] = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A request from lines: `METHOD target`, headers, an empty line, a body. In the target, `{}` is where the last
/// `Location` led.
fn request(bytes: &[u8], last: &str) -> Option<Request<Full<Bytes>>> {
    let split = bytes.windows(2).position(|window| window == b"\n\n");
    let (head, body) = match split {
        Some(split) => (&bytes[..split], &bytes[split + 2..]),
        None => (bytes, b"".as_slice()),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target.replace("{}", last));
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    request.body(Full::new(Bytes::copy_from_slice(body))).ok()
}

async fn run(registry: &Registry, bytes: &[u8]) {
    let mut last = String::new();
    for part in bytes.split(|byte| *byte == 0).take(16) {
        let Some(request) = request(part, &last) else { continue };
        let path = request.uri().path().to_owned();
        let reads = request.method() == "GET" && !request.headers().contains_key("range");
        let response = registry.handle(request).await;
        let status = response.status();
        assert!(!status.is_server_error(), "{status}");
        if let Some(location) = response.headers().get("location") {
            last = location.to_str().unwrap().to_owned();
            assert!(last.starts_with("/v2/") && !last.contains("..") && !last.contains(['\r', '\n', '%']));
        }
        let announced = response.headers().get("docker-content-digest").cloned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        if status == 200 && reads && let Some(announced) = announced {
            let announced = Digest::parse(announced.to_str().unwrap()).unwrap();
            assert_eq!(Hasher::digest(announced.algorithm(), &body).unwrap(), announced, "{path}");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        run(&Registry::memory(), bytes).await;
        let keys = TokenKeys::from_jwks(KEYS).unwrap();
        let closed = Registry::memory().with_basic("a", "b").with_token_keys("r", "i", "s", &keys);
        run(&closed, bytes).await;
        run(&Registry::memory().with_basic("a", "b").with_tokens(), bytes).await;
    });
});
