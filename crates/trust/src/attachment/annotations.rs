use std::{borrow::Cow, collections::BTreeMap};

use crate::{Problem, json, x509::Certificate};

pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
pub(super) const SET: &str = "dev.sigstore.cosign/bundle";
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
pub(super) const CHAIN: &str = "dev.sigstore.cosign/chain";

/// The most bytes of an annotation of an attachment.
const MAX_ANNOTATION: usize = 64 << 10;

/// Annotations of foreign origin, each bounded.
pub(super) struct Annotations<'a>(pub(super) &'a BTreeMap<String, String>);

impl Annotations<'_> {
    fn optional(&self, key: &str) -> Result<Option<&str>, Problem> {
        let value = self.0.get(key).map(String::as_str);
        if value.is_some_and(|value| value.len() > MAX_ANNOTATION) {
            return Err(Problem::new(format!(
                "the annotation {key} is larger than {MAX_ANNOTATION} bytes"
            )));
        }
        Ok(value)
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, Problem> {
        let value = self.optional(key)?;
        value.ok_or_else(|| Problem::new(format!("the signature has no annotation {key}")))
    }

    /// The signature itself.
    pub(super) fn signature(&self) -> Result<Vec<u8>, Problem> {
        json::base64(&unwrapped(self.required(SIGNATURE)?))
            .filter(|signature| !signature.is_empty())
            .ok_or_else(|| Problem::new(format!("the annotation {SIGNATURE} is not base64")))
    }

    /// The certificate of the signer, and what may stand between it and an authority. The last of the chain
    /// is taken for the root, which nobody believes, and is left out.
    pub(super) fn certificates(&self) -> Result<(Certificate, Vec<Certificate>), Problem> {
        let leaf = self.required(CERTIFICATE)?;
        let leaf = Certificate::from_pem(leaf.as_bytes()).map_err(|problem| problem.within(CERTIFICATE))?;
        let chain = self.optional(CHAIN)?.map(str::as_bytes).map(Certificate::chain);
        let mut chain = chain
            .transpose()
            .map_err(|problem| problem.within(CHAIN))?
            .unwrap_or_default();
        chain.pop();
        Ok((leaf, chain))
    }
}

/// Where the programs openssl and base64 break lines.
const WIDTHS: [usize; 2] = [64, 76];

/// The text as one line, if it is wrapped as these programs wrap base64: signatures of a `pki` are often made
/// by them. Line breaks anywhere else are left in, and are no base64.
fn unwrapped(text: &str) -> Cow<'_, str> {
    let lines: Vec<&str> = text.lines().collect();
    let wrapped = lines.split_last().is_some_and(|(last, others)| {
        let width = others.first().map_or(0, |line| line.len());
        let even = others.iter().all(|line| line.len() == width);
        even && WIDTHS.contains(&width) && last.len() <= width
    });
    if wrapped {
        return lines.concat().into();
    }
    text.into()
}
