//! A client, each of whose requests may wait for as long as the process is stopped.

use std::time::Duration;

use wharf_testkit::sha256;

use crate::{
    crowd::{Image, MANIFEST},
    http::{Answer, request_within},
};

/// The longest time of a request, which includes that for which the process is stopped.
const TIME: Duration = Duration::from_secs(120);
/// The bytes of a blob that goes in one request.
const SMALL: usize = 1 << 20;
const BYTES: &str = "application/octet-stream";

/// An answer that is not the one of success; `None`: there was none.
pub(crate) type Refusal = Option<u16>;

/// A repository at a process.
#[derive(Clone)]
pub(crate) struct Client {
    address: String,
    repository: &'static str,
}

impl Client {
    pub(crate) fn new(address: &str, repository: &'static str) -> Self {
        Self {
            address: address.to_owned(),
            repository,
        }
    }

    /// Pushes each blob by POST, PATCH and PUT, the last of which has half of a small one, and the manifest under a tag.
    pub(crate) async fn push(&self, image: &Image, tag: &str) -> Result<(), Refusal> {
        for blob in &image.blobs {
            let begun = self.expect(202, "POST", "blobs/uploads/", b"").await?;
            self.upload(begun, blob).await?;
        }
        self.put_manifest(image, tag).await
    }

    /// Mounts each blob from another repository, or pushes those that are not mounted, and pushes the manifest under a tag.
    pub(crate) async fn mount(&self, from: &str, image: &Image, tag: &str) -> Result<(), Refusal> {
        for blob in &image.blobs {
            let path = format!("blobs/uploads/?mount={}&from={from}", sha256(blob));
            let begun = self.ask("POST", &path, b"").await.ok_or(None)?;
            match begun.status {
                201 => {}
                202 => self.upload(begun, blob).await?,
                other => return Err(Some(other)),
            }
        }
        self.put_manifest(image, tag).await
    }

    /// Deletes a manifest with its tags.
    pub(crate) async fn delete(&self, image: &Image) -> Result<(), Refusal> {
        let path = format!("manifests/{}", sha256(&image.manifest));
        self.expect(202, "DELETE", &path, b"").await.map(drop)
    }

    /// Pulls an image byte for byte, if the manifest is there.
    pub(crate) async fn pull(&self, image: &Image) -> bool {
        let digest = sha256(&image.manifest);
        let manifest = self.ask("GET", &format!("manifests/{digest}"), b"").await;
        let manifest = manifest.expect("an answer");
        if manifest.status == 404 {
            return false;
        }
        assert_eq!(manifest.status, 200, "{digest} of {}", self.repository);
        assert!(manifest.body == image.manifest, "{digest} has other bytes");
        for blob in &image.blobs {
            let path = format!("blobs/{}", sha256(blob));
            let answer = self.ask("GET", &path, b"").await.expect("an answer");
            assert_eq!(answer.status, 200, "{path} of {} is needed", self.repository);
            assert!(answer.body == *blob, "{path} has other bytes");
        }
        true
    }

    async fn upload(&self, begun: Answer, blob: &[u8]) -> Result<(), Refusal> {
        let (first, rest) = blob.split_at(if blob.len() < SMALL {
            blob.len() / 2
        } else {
            blob.len()
        });
        let location = begun.location.ok_or(None)?;
        let written = self.expect(202, "PATCH", &location, first).await?;
        let location = written.location.ok_or(None)?;
        let separator = if location.contains('?') { '&' } else { '?' };
        let close = format!("{location}{separator}digest={}", sha256(blob));
        self.expect(201, "PUT", &close, rest).await.map(drop)
    }

    async fn put_manifest(&self, image: &Image, tag: &str) -> Result<(), Refusal> {
        let path = format!("manifests/{tag}");
        self.expect(201, "PUT", &path, &image.manifest).await.map(drop)
    }

    async fn expect(&self, status: u16, method: &str, path: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let answer = self.ask(method, path, body).await.ok_or(None)?;
        if answer.status == status {
            Ok(answer)
        } else {
            Err(Some(answer.status))
        }
    }

    /// Asks for a path of the repository, or a whole one.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/v2/{}/{path}", self.repository)
        };
        let media_type = if path.starts_with("manifests/") {
            MANIFEST
        } else {
            BYTES
        };
        request_within(TIME, &self.address, [method, &whole, media_type], body)
            .await
            .ok()
    }
}
