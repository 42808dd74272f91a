//! The signatures extension of `OpenShift`'s registry: simple signatures in the API of the registry itself.

use std::{
    future::poll_fn,
    hash::{BuildHasher as _, RandomState},
    pin::pin,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::json;
use wharf_auth::Action;
use wharf_content::{ErrorKind, MAX_SIGNATURE_SIZE, MAX_SIGNATURES, Manifest, Signature, Target};
use wharf_http::Redacted;
use wharf_reference::Digest;

use super::OPERATION;
use crate::{
    Client, Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    send::{Call, Payload},
    wire::UnexpectedBody,
};

/// The header of `/v2/` by which a registry offers the extension.
const OFFER: &str = "x-registry-supports-signatures";
/// The most bytes that are read of the answer at `/v2/`, which says nothing else.
const MAX_ROOT: u64 = 64 * 1024;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    signatures: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    schema_version: i64,
    #[serde(default, rename = "type")]
    kind: String,
    /// In base64.
    #[serde(default)]
    content: String,
}

impl Client {
    /// Whether the registry offers the extension. It is asked once, without a login: the header is in the answers 200 and
    /// 401 alike. No redirect is followed, as another host cannot speak for the registry.
    pub(super) async fn offers_signatures(&self, endpoint: &Endpoint) -> Result<bool, Error> {
        self.ask_for_signatures(endpoint, false).await
    }

    /// As [`Client::offers_signatures`]. With `is_optional` the question is not repeated and has little time.
    async fn ask_for_signatures(&self, endpoint: &Endpoint, is_optional: bool) -> Result<bool, Error> {
        if let Some(known) = self.host(&endpoint.registry).offers_signatures {
            return Ok(known);
        }
        let _one_at_a_time = self
            .shared()
            .locks
            .lock(&format!("{}/v2/", endpoint.registry))
            .await;
        if let Some(known) = self.host(&endpoint.registry).offers_signatures {
            return Ok(known);
        }
        let call = Call::new(
            Operation::Discover,
            &endpoint.registry,
            Method::GET,
            "v2/",
            &[200, 401],
        )
        .anonymous_at_home()
        .read_whole(MAX_ROOT);
        let call = if is_optional { call.optional() } else { call };
        let offers = match self.send(endpoint, call).await {
            Ok(answer) => answer.headers.get(OFFER).is_some_and(|value| value == "1"),
            Err(error) if is_decisive(error.status()) => false,
            Err(error) => return Err(error),
        };
        self.learn(&endpoint.registry, |host| host.offers_signatures = Some(offers));
        Ok(offers)
    }
}

/// True for a status by which a registry has no extension, rather than no time.
const fn is_decisive(status: Option<u16>) -> bool {
    matches!(status, Some(300..=407 | 409..=428 | 430..=499))
}

impl Remote {
    /// Reads a manifest. If simple signatures will be wanted, the registry is asked at the same time whether it offers
    /// them, so that they cost no further round trip. An answer that does not come is asked for again with the signatures.
    pub(crate) async fn manifest_and_offer(
        &self,
        endpoint: &Endpoint,
        target: &Target,
    ) -> Result<Manifest, Error> {
        let mut manifest = pin!(self.manifest_at(endpoint.clone(), target));
        if !self.served().expected().simple {
            return manifest.await;
        }
        let mut offer = pin!(self.client().ask_for_signatures(endpoint, true));
        let mut is_answered = false;
        let read = poll_fn(|context| {
            is_answered = is_answered || offer.as_mut().poll(context).is_ready();
            manifest.as_mut().poll(context)
        });
        let read = read.await?;
        if !is_answered {
            offer.await.ok();
        }
        Ok(read)
    }

    /// The simple signatures that the registry has in its API.
    pub(super) async fn extension(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, Error> {
        let subject = self.blob_name(manifest);
        let path = self.extension_path(endpoint, manifest);
        let call = Call::new(OPERATION, &subject, Method::GET, &path, &[200])
            .with_scopes(self.scopes(endpoint, Action::Pull))
            .read_whole(MAX_SIGNATURE_SIZE);
        let answer = self.client().send(endpoint, call).await?;
        let list = read(&answer.bytes)
            .ok_or_else(|| UnexpectedBody::in_answer("a list of signatures", OPERATION, &subject, &answer))?;
        let known = |entry: &Entry| entry.schema_version == 2 && entry.kind == "atomic";
        let entries: Vec<Entry> = list
            .signatures
            .unwrap_or_default()
            .into_iter()
            .filter(known)
            .collect();
        if entries.len() > MAX_SIGNATURES {
            let reason = format!("the registry has more than {MAX_SIGNATURES} signatures of it");
            return Err(Error::new(ErrorKind::TooLarge, OPERATION, subject, reason).at(Redacted(&answer.url)));
        }
        Ok(entries.into_iter().map(signature).collect())
    }

    /// Adds those messages that the registry does not have, and returns their number.
    pub(super) async fn push_to_extension(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
        messages: &[Bytes],
    ) -> Result<usize, Error> {
        let operation = Operation::PushSignatures;
        let subject = self.blob_name(manifest);
        let path = self.extension_path(endpoint, manifest);
        let mut held = self.extension(endpoint, manifest).await?;
        let before = held.len();
        for message in messages {
            let signature = Signature::Simple(message.clone());
            if held.contains(&signature) {
                continue;
            }
            if held.len() >= MAX_SIGNATURES {
                let reason = format!("the registry would have more than {MAX_SIGNATURES} signatures of it");
                return Err(Error::new(ErrorKind::TooLarge, operation, subject, reason));
            }
            let entry = json!({
                "schemaVersion": 2,
                "type": "atomic",
                "name": format!("{manifest}@{}", unique_id()),
                "content": STANDARD.encode(message),
            });
            let call = Call::new(operation, &subject, Method::PUT, &path, &[200, 201, 204])
                .with_scopes(self.scopes(endpoint, Action::Push))
                .with_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .with_body(Payload::Bytes(entry.to_string().into()));
            let answer = self.client().send(endpoint, call).await?;
            answer.check_home(operation, &subject)?;
            held.push(signature);
        }
        Ok(held.len() - before)
    }

    fn extension_path(&self, endpoint: &Endpoint, manifest: &Digest) -> String {
        let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
        format!("extensions/v2/{}/signatures/{manifest}", repository.path())
    }
}

/// 32 hexadecimal digits that no other signature of the manifest has as its id. They need not be secret.
fn unique_id() -> String {
    let part = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", part(), part())
}

/// The list in an answer. It is an object: serde would take an array for one as well.
fn read(body: &[u8]) -> Option<List> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(body).ok()).flatten()
}

fn signature(entry: Entry) -> Signature {
    match STANDARD.decode(&entry.content) {
        Ok(message) => Signature::Simple(message.into()),
        Err(_) => Signature::Unknown {
            blob: entry.content.into(),
            reason: "its content is not base64".to_owned(),
        },
    }
}
