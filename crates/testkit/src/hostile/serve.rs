use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use wharf_content::Manifest;
use wharf_registry::Registry;

use super::{Answer, Match, Origin, Rule, Step};
use crate::{Image, Request};

impl Origin {
    /// Answers `GET /v2/` with 200.
    pub fn serve_ping(&self) -> &Self {
        self.on(
            Match::when(|request| request.path() == "/v2/"),
            Answer::json(&json!({})),
        )
    }

    /// Serves a manifest by its digest and under this tag, as a registry should.
    pub fn serve_manifest(&self, repository: &str, tag: &str, manifest: &Manifest) -> &Self {
        for name in [tag, manifest.digest().as_str()] {
            let path = format!("/v2/{repository}/manifests/{name}");
            let answer = Answer::ok(manifest.bytes().clone())
                .header("Content-Type", manifest.media_type().as_str())
                .header("Docker-Content-Digest", manifest.digest().as_str());
            self.rule(readable(path, answer));
        }
        self
    }

    /// Serves a blob with ranges.
    pub fn serve_blob(&self, repository: &str, digest: &str, bytes: &Bytes) -> &Self {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let bytes = bytes.clone();
        self.rule(Rule::call(Match::read(&path), move |request| {
            for_method(request, blob_answer(request, &bytes))
        }))
    }

    /// Serves an image with everything in it.
    pub fn serve_image(&self, repository: &str, tag: &str, image: &Image) -> &Self {
        self.serve_manifest(repository, tag, image.manifest());
        for (descriptor, bytes) in image.blobs() {
            self.serve_blob(repository, descriptor.digest().as_str(), bytes);
        }
        self
    }

    /// Answers everything that no earlier rule is for as this registry does.
    pub fn serve_registry(&self, registry: &Registry) -> &Self {
        let registry = registry.clone();
        self.rule(Rule::asynchronous(Match::any(), move |request| {
            let registry = registry.clone();
            async move { registry_answer(&registry, &request).await.steps() }
        }))
    }
}

/// The answer of a well-behaved registry to this request; to be passed on or damaged.
pub async fn registry_answer(registry: &Registry, request: &Request) -> Answer {
    let head = request.method == "HEAD";
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(&request.target);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let Ok(converted) = builder.body(Full::new(Bytes::from(request.body.clone()))) else {
        return Answer::error(400, "UNSUPPORTED", "no valid request");
    };
    let (parts, body) = registry.handle(converted).await.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let mut answer = Answer::new(parts.status.as_u16()).body(body);
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if !head && name == http::header::CONTENT_LENGTH {
            continue;
        }
        answer = answer.header(name.as_str(), &value);
    }
    if head { answer.bare() } else { answer }
}

fn readable(path: String, answer: Answer) -> Rule {
    let matching = Match::read(&path).and(move |request| request.path() == path);
    Rule::call(matching, move |request| for_method(request, answer.clone()))
}

fn for_method(request: &Request, answer: Answer) -> Vec<Step> {
    if request.method == "HEAD" {
        answer.head_only().steps()
    } else {
        answer.steps()
    }
}

/// The answer to a request for a blob: whole, or the range that was asked for (RFC 9110, section 14).
pub fn blob_answer(request: &Request, bytes: &Bytes) -> Answer {
    let whole = Answer::ok(bytes.clone())
        .header("Content-Type", "application/octet-stream")
        .header("Accept-Ranges", "bytes");
    let Some((first, last)) = request.header("range").and_then(parse_range) else {
        return whole;
    };
    if first >= bytes.len() {
        return Answer::new(416).header("Content-Range", &format!("bytes */{}", bytes.len()));
    }
    let last = last.unwrap_or(bytes.len()).min(bytes.len() - 1);
    Answer::ok(bytes.slice(first..=last))
        .status(206)
        .header("Content-Type", "application/octet-stream")
        .header("Content-Range", &format!("bytes {first}-{last}/{}", bytes.len()))
}

/// The first and the last byte of `bytes=first-last`.
fn parse_range(value: &str) -> Option<(usize, Option<usize>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()))
}
