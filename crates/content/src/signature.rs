mod wanted;

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::wanted::Wanted;
use crate::{MediaType, strict_json};

/// The most signatures of one kind that are read of one manifest (docs/threats.md, T168).
pub const MAX_SIGNATURES: usize = 100;
/// The most bytes of one signature.
pub const MAX_SIGNATURE_SIZE: u64 = 4 << 20;
/// The most bytes of all signatures of one kind of one manifest.
pub const MAX_SIGNATURES_SIZE: u64 = 32 << 20;

/// A signature as a registry or store holds it. It is untrusted: nobody has verified it, and everything in it may be
/// forged.
///
/// Signatures are beside an image. This type holds them on the way to whoever
/// verifies them, or to another registry or store.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// Simple signing (containers-signature(5)): an OpenPGP message, not armored.
    Simple(Bytes),
    /// A sigstore signature as cosign attaches it: a layer of the manifest under the tag `sha256-….sig`.
    Attachment {
        /// The type of the payload, `application/vnd.dev.cosign.simplesigning.v1+json` for signatures of
        /// images.
        media_type: MediaType,
        /// The signed bytes.
        payload: Bytes,
        /// The signature, certificates and the log entry.
        annotations: BTreeMap<String, String>,
    },
    /// A sigstore bundle, as JSON.
    Bundle(Bytes),
    /// A blob that is in no known format, such as a page of HTML in the place of a signature. It verifies
    /// nothing.
    Unknown {
        /// The whole blob.
        blob: Bytes,
        /// The reason why it is in no known format.
        reason: String,
    },
}

/// Names of formats in blobs.
const SIMPLE: &str = "simple-signing";
const SIGSTORE: &str = "sigstore-json";

/// The content of a blob of the format `sigstore-json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[serde(rename = "mimeType")]
    media_type: MediaType,
    /// In base64.
    payload: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Signature {
    /// The kind of this signature: one member is set, and none for [`Signature::Unknown`].
    #[must_use]
    pub const fn kind(&self) -> Wanted {
        match self {
            Self::Simple(_) => Wanted::SIMPLE,
            Self::Attachment { .. } => Wanted::ATTACHMENTS,
            Self::Bundle(_) => Wanted::BUNDLES,
            Self::Unknown { .. } => Wanted::NOTHING,
        }
    }

    /// Reads a blob as a lookaside store or a directory keeps it, one file a signature. It never fails:
    /// what is no signature is [`Signature::Unknown`].
    ///
    /// | first bytes | format |
    /// |---|---|
    /// | the head of an OpenPGP packet that messages begin with: 0x88 to 0x8B, 0x90 to 0x93, 0xA0 to 0xA3, 0xC2, 0xC4, 0xC8 | [`Signature::Simple`] |
    /// | zero, `simple-signing`, line feed | [`Signature::Simple`], without these bytes |
    /// | zero, `sigstore-json`, line feed | [`Signature::Attachment`], from JSON |
    ///
    /// # Deviation
    ///
    /// Upstream takes 0x3D for the beginning of a signature and not 0x93, which was meant. Members of the
    /// JSON that nobody knows, and members that are there twice, make it an unknown format.
    #[must_use]
    pub fn from_blob(blob: Bytes) -> Self {
        match Self::read(&blob) {
            Ok(signature) => signature,
            Err(reason) => Self::Unknown { blob, reason },
        }
    }

    fn read(blob: &Bytes) -> Result<Self, String> {
        match blob.first() {
            None => Err("the signature is empty".to_owned()),
            Some(0x88..=0x8b | 0x90..=0x93 | 0xa0..=0xa3 | 0xc2 | 0xc4 | 0xc8) => {
                Ok(Self::Simple(blob.clone()))
            }
            Some(0) => Self::framed(blob),
            Some(_) if blob.starts_with(b"-----BEGIN PGP ") => {
                Err("cleartext and armored signatures are not container signatures".to_owned())
            }
            Some(b'<') => Err("the signature is in no known format; it seems to be a web page".to_owned()),
            Some(_) => Err("the signature is in no known format".to_owned()),
        }
    }

    fn framed(blob: &Bytes) -> Result<Self, String> {
        let rest = blob.slice(1..);
        let end = rest.iter().position(|byte| !matches!(byte, 0x20..=0x7e));
        let end = end.filter(|end| rest.get(*end) == Some(&b'\n'));
        let (name, data) = match end {
            Some(end) => (rest.slice(..end), rest.slice(end + 1..)),
            None => {
                return Err(
                    "the signature is in no known format: the name of the format does not end".to_owned(),
                );
            }
        };
        match str::from_utf8(&name) {
            Ok(SIMPLE) => Ok(Self::Simple(data)),
            Ok(SIGSTORE) => attachment(&data),
            _ => {
                let name = String::from_utf8_lossy(&name);
                Err(format!(
                    "the format {:?} of the signature is not known",
                    crate::bounded(&name)
                ))
            }
        }
    }

    /// The blob that a lookaside store or a directory keeps. `None` for a bundle, which has no such form.
    #[must_use]
    pub fn to_blob(&self) -> Option<Bytes> {
        match self {
            Self::Simple(message) => Some(message.clone()),
            Self::Unknown { blob, .. } => Some(blob.clone()),
            Self::Bundle(_) => None,
            Self::Attachment {
                media_type,
                payload,
                annotations,
            } => {
                let json = Json {
                    media_type: media_type.clone(),
                    payload: STANDARD.encode(payload),
                    annotations: annotations.clone(),
                };
                let json = serde_json::to_vec(&json).ok()?;
                Some(
                    [b"\0", SIGSTORE.as_bytes(), b"\n", json.as_slice()]
                        .concat()
                        .into(),
                )
            }
        }
    }
}

fn attachment(json: &Bytes) -> Result<Signature, String> {
    let unreadable = |why: &dyn fmt::Display| format!("the signature is no sigstore signature: {why}");
    strict_json::check(json).map_err(|error| unreadable(&error))?;
    let json: Json =
        serde_json::from_slice(json).map_err(|error| unreadable(&crate::why_unreadable(&error)))?;
    let payload = STANDARD
        .decode(json.payload)
        .map_err(|_| unreadable(&"the payload is not base64"))?;
    Ok(Signature::Attachment {
        media_type: json.media_type,
        payload: payload.into(),
        annotations: json.annotations,
    })
}

/// Sizes instead of content, which may be large and is not text.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: &Bytes| format!("{} bytes", bytes.len());
        match self {
            Self::Simple(message) => f.debug_tuple("Simple").field(&size(message)).finish(),
            Self::Bundle(json) => f.debug_tuple("Bundle").field(&size(json)).finish(),
            Self::Attachment {
                media_type, payload, ..
            } => f
                .debug_struct("Attachment")
                .field("media_type", media_type)
                .field("payload", &size(payload))
                .finish_non_exhaustive(),
            Self::Unknown { blob, reason } => f
                .debug_struct("Unknown")
                .field("blob", &size(blob))
                .field("reason", reason)
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blob: &[u8]) -> Signature {
        Signature::from_blob(Bytes::copy_from_slice(blob))
    }

    #[test]
    fn an_openpgp_message_is_known_by_its_first_byte() {
        let known: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| matches!(read(&[*byte, 1, 2]), Signature::Simple(_)))
            .collect();
        assert_eq!(
            known,
            [
                0x88, 0x89, 0x8a, 0x8b, 0x90, 0x91, 0x92, 0x93, 0xa0, 0xa1, 0xa2, 0xa3, 0xc2, 0xc4, 0xc8
            ]
        );
    }

    #[test]
    fn framed_blobs_are_known_by_their_name() {
        assert_eq!(read(b"\0simple-signing\nX\nY"), Signature::Simple("X\nY".into()));
        let json = br#"{"mimeType":"application/vnd.dev.cosign.simplesigning.v1+json","payload":"e30=","annotations":{"a":"b"}}"#;
        let blob = [b"\0sigstore-json\n".as_slice(), json].concat();
        let attachment = read(&blob);
        let expected = Signature::Attachment {
            media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
            payload: "{}".into(),
            annotations: [("a".to_owned(), "b".to_owned())].into(),
        };
        assert_eq!(attachment, expected);
        assert_eq!(read(&attachment.to_blob().unwrap()), expected);
    }

    #[test]
    fn what_is_no_signature_says_why_and_is_kept() {
        let long = [b"\0".as_slice(), &[b'x'; 1000], b"\n"].concat();
        for (blob, reason) in [
            (b"".as_slice(), "is empty"),
            (b"<html>Not found</html>", "no known format"),
            (b"=openpgp?", "no known format"),
            (b"{}", "no known format"),
            (b"\x01simple-signing\n", "no known format"),
            (b"\0", "the name of the format does not end"),
            (b"\0simple-signing", "the name of the format does not end"),
            (b"\0simple-signing\r\n", "the name of the format does not end"),
            (b"\0simple\xc3\xa9\n", "the name of the format does not end"),
            (b"\0\nX", "the format \"\" of the signature is not known"),
            (
                b"\0Simple-Signing\nX",
                "the format \"Simple-Signing\" of the signature is not known",
            ),
            (
                b"\0a\"b\nX",
                "the format \"a\\\"b\" of the signature is not known",
            ),
            (&long, "of the signature is not known"),
            (b"-----BEGIN PGP MESSAGE-----\n", "armored"),
            (b"-----BEGIN PGP SIGNED MESSAGE-----\n", "cleartext"),
            (b"\0sigstore-json\n", "no sigstore signature"),
            (b"\0sigstore-json\n{}", "no sigstore signature"),
            (
                b"\0sigstore-json\n{\"mimeType\":\"a/b\",\"payload\":\"e30\"}",
                "not base64",
            ),
            (
                b"\0sigstore-json\n{\"mimeType\":\"a/b\",\"payload\":\"e30=\",\"x\":1}",
                "no sigstore signature",
            ),
            (
                b"\0sigstore-json\n{\"mimeType\":\"a/b\",\"payload\":\"e30=\",\"payload\":\"e30=\"}",
                "twice",
            ),
        ] {
            let signature = read(blob);
            let Signature::Unknown { reason: said, .. } = &signature else {
                panic!("{blob:?}: {signature:?}");
            };
            assert!(said.contains(reason) && said.len() < 300, "{blob:?}: {said}");
            assert_eq!(signature.to_blob().unwrap(), blob);
        }
    }

    #[test]
    fn a_bundle_has_no_form_as_a_blob() {
        assert_eq!(Signature::Bundle("{}".into()).to_blob(), None);
        assert!(Wanted::NOTHING.is_nothing());
        let all = Wanted::SIMPLE.or(Wanted::ATTACHMENTS).or(Wanted::BUNDLES);
        assert_eq!(all.or(Wanted::EVERYTHING), Wanted::EVERYTHING);
        assert!(Wanted::EVERYTHING.includes(all) && !all.includes(Wanted::EVERYTHING));
        assert_eq!(
            all.each().collect::<Vec<_>>(),
            [Wanted::SIMPLE, Wanted::ATTACHMENTS, Wanted::BUNDLES]
        );
        assert_eq!(
            all.to_string(),
            "simple signatures, sigstore attachments, sigstore bundles"
        );
        assert!(!Wanted::NOTHING.or(Wanted::BUNDLES).is_nothing());
    }
}
