//! HTTP/1.1 written by hand, so that no client corrects what a test sends or sees.

mod user;

use std::fmt::Write as _;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_content::Hasher;
use wharf_reference::{Algorithm, Digest};
use wharf_registry::{Registry, Server as RegistryServer};

pub(crate) use self::user::as_user;
use crate::served::Server;

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "several {name}");
        value
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first error code of the body.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    /// Path and query of `Location`.
    pub(crate) fn location(&self) -> String {
        let location = self.header("location").unwrap();
        match location.strip_prefix("http://") {
            Some(rest) => rest[rest.find('/').unwrap()..].to_owned(),
            None => location.to_owned(),
        }
    }

    /// The target of `Link`, if there is a next page.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let target = link.strip_prefix('<').unwrap();
        let (target, rest) = target.split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        Some(target.to_owned())
    }
}

/// A request to build.
pub(crate) struct Ask<'a> {
    server: &'a Server,
    method: &'a str,
    path: String,
    headers: String,
    body: Option<Vec<u8>>,
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        write!(self.headers, "{name}: {value}\r\n").unwrap();
        self
    }

    pub(crate) fn basic(self, credentials: &str) -> Self {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it; where a [user](as_user) is known, a challenge is answered with a token.
    pub(crate) async fn send(self) -> Answer {
        let answer = self.send_with("").await;
        match user::answer(self.server, &self.path, &answer).await {
            Some(authorization) => self.send_with(&authorization).await,
            None => answer,
        }
    }

    async fn send_with(&self, authorization: &str) -> Answer {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}{authorization}",
            self.method,
            self.path,
            self.server.address(),
            self.headers
        );
        let body = self.body.as_deref().unwrap_or_default();
        if !matches!(self.method, "GET" | "HEAD") && !head.to_lowercase().contains("transfer-encoding") {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(body);
        exchange(self.server, &bytes, self.method == "HEAD").await
    }
}

/// Sends bytes as they are and reads one answer.
pub(crate) async fn exchange(server: &Server, bytes: &[u8], head: bool) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let _ = stream.write_all(bytes).await; // the server may answer and close before it has read everything
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    read(&received, head)
}

/// Whatever comes back for a GET, whole or not.
pub(crate) async fn raw_get(server: &Server, path: &str, headers: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    received
}

pub(crate) fn read(received: &[u8], head: bool) -> Answer {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("an answer");
    let text = std::str::from_utf8(&received[..end]).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = received[end + 4..].to_vec();
    let answer = Answer {
        status,
        headers,
        body,
    };
    if head {
        assert!(answer.body.is_empty());
    } else if let Some(length) = answer.header("content-length") {
        assert_eq!(length, answer.body.len().to_string());
    }
    answer
}

pub(crate) fn ask<'a>(server: &'a Server, method: &'a str, path: impl Into<String>) -> Ask<'a> {
    Ask {
        server,
        method,
        path: path.into(),
        headers: String::new(),
        body: None,
    }
}

pub(crate) async fn get(server: &Server, path: impl Into<String>) -> Answer {
    ask(server, "GET", path).send().await
}

pub(crate) async fn open() -> RegistryServer {
    Registry::memory().serve().await.unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes).unwrap()
}

pub(crate) fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    Hasher::digest(algorithm, bytes).unwrap()
}

/// Uploads a blob in two requests.
pub(crate) async fn push_blob(server: &Server, repository: &str, bytes: &[u8]) -> Digest {
    push_blob_as(server, repository, bytes, Algorithm::Sha256).await
}

pub(crate) async fn push_blob_as(
    server: &Server,
    repository: &str,
    bytes: &[u8],
    algorithm: Algorithm,
) -> Digest {
    let digest = digest_of(algorithm, bytes);
    let opened = ask(server, "POST", format!("/v2/{repository}/blobs/uploads/"))
        .send()
        .await;
    assert_eq!(opened.status, 202);
    let target = with_digest(&opened.location(), &digest);
    let closed = ask(server, "PUT", target).body(bytes).send().await;
    assert_eq!(closed.status, 201, "{}", String::from_utf8_lossy(&closed.body));
    digest
}

pub(crate) fn with_digest(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image manifest over blobs of the given content, as the bytes of a document.
pub(crate) fn manifest(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    manifest_as(Algorithm::Sha256, config, layers, &serde_json::json!({}))
}

pub(crate) fn manifest_as(
    algorithm: Algorithm,
    config: &[u8],
    layers: &[&[u8]],
    extra: &serde_json::Value,
) -> Vec<u8> {
    let descriptor = |bytes: &[u8], media_type: &str| {
        serde_json::json!({
            "mediaType": media_type,
            "digest": digest_of(algorithm, bytes).as_str(),
            "size": bytes.len(),
        })
    };
    let mut document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": layers.iter()
            .map(|layer| descriptor(layer, "application/vnd.oci.image.layer.v1.tar"))
            .collect::<Vec<_>>(),
    });
    for (key, value) in extra.as_object().unwrap() {
        document[key] = value.clone();
    }
    serde_json::to_vec_pretty(&document).unwrap()
}

pub(crate) async fn push_manifest(server: &Server, repository: &str, target: &str, bytes: &[u8]) -> Answer {
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let media_type = document["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
    ask(server, "PUT", format!("/v2/{repository}/manifests/{target}"))
        .header("Content-Type", &media_type)
        .body(bytes)
        .send()
        .await
}

/// A complete image under a tag.
pub(crate) async fn push_image(server: &Server, repository: &str, tag: &str) -> (Vec<u8>, Digest) {
    let (config, layer) = (b"{}".as_slice(), tag.as_bytes());
    push_blob(server, repository, config).await;
    push_blob(server, repository, layer).await;
    let bytes = manifest(config, &[layer]);
    let pushed = push_manifest(server, repository, tag, &bytes).await;
    assert_eq!(pushed.status, 201, "{}", String::from_utf8_lossy(&pushed.body));
    let digest = digest(&bytes);
    (bytes, digest)
}
