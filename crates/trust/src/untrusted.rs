use std::time::SystemTime;

use wharf_content::Signature;

use crate::{
    Reason, ReasonKind, openpgp,
    payload::{Payload, PayloadType},
};

/// The claims of a simple signature, *unverified*: anybody may have written them. For lists and error messages
/// only; no judgement uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntrustedSummary {
    /// The fingerprint or id of the key that it claims to be by.
    pub key: Option<String>,
    /// When it claims to be made.
    pub time: SystemTime,
    /// The digest of the manifest that it claims to be for.
    pub digest: String,
    /// The name that it claims to be for, any text.
    pub reference: String,
    /// The program that it claims to be made by.
    pub creator: Option<String>,
}

impl UntrustedSummary {
    /// Reads a signature without verifying it.
    ///
    /// # Errors
    ///
    /// Why it is no simple signature.
    pub fn read_without_verifying(signature: &Signature) -> Result<Self, Reason> {
        let Signature::Simple(message) = signature else {
            return Err(Reason::new(ReasonKind::Format, "it is no simple signature"));
        };
        let (key, time, payload) = openpgp::read_unverified(message)?;
        let payload = Payload::parse(&payload, PayloadType::Simple)
            .map_err(|why| Reason::new(ReasonKind::Payload, why))?;
        Ok(Self {
            key,
            time,
            digest: payload.digest.to_string(),
            reference: payload.reference,
            creator: payload.creator,
        })
    }
}
