//! A sigstore bundle made with a key, offline: an envelope over the statement that cosign makes when it signs an
//! image.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use wharf_content::Error;
use wharf_reference::Digest;

use super::private_key::PrivateKey;
use crate::bundle::{COSIGN_SIGN, PAYLOAD_TYPE, pre_authentication_encoding};

/// Signs the image of a manifest. The key is named by SHA-256 of its `SubjectPublicKeyInfo`, as sigstore's
/// programs do.
pub(super) fn make(key: &PrivateKey, manifest: &Digest) -> Result<Bytes, Error> {
    let digest = manifest.encoded();
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{digest}"}}}}],"predicateType":"{COSIGN_SIGN}","predicate":{{}}}}"#
    );
    let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, statement.as_bytes()))?;
    let (payload, signature) = (STANDARD.encode(statement), STANDARD.encode(signature));
    let hint = STANDARD.encode(key.public().spki_hash());
    let bundle = format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"{hint}"}}}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{PAYLOAD_TYPE}","signatures":[{{"sig":"{signature}","keyid":"{hint}"}}]}}}}"#
    );
    Ok(bundle.into())
}
