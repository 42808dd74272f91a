//! The signatures extension of `OpenShift`'s registry: simple signatures in the API of the registry itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde::Deserialize;
use wharf_auth::Action;
use wharf_content::{ErrorKind, Signature};
use wharf_http::Redacted;
use wharf_reference::Digest;

use super::{MAX_SIGNATURE_SIZE, MAX_SIGNATURES, OPERATION};
use crate::{
    Client, Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    send::Call,
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
    /// The simple signatures that the registry has in its API.
    pub(super) async fn extension(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, Error> {
        let subject = self.blob_name(manifest);
        let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
        let path = format!("extensions/v2/{}/signatures/{manifest}", repository.path());
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
