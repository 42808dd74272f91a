use std::fmt;

use wharf_content::MediaType;

use crate::{Error, ErrorKind};

/// How the tar of a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952). eStargz is this too.
    Gzip,
    /// Zstandard (RFC 8878). zstd:chunked is this too.
    Zstd,
}

/// The bytes that suffice for [`Codec::of_magic`].
pub const MAGIC_SIZE: usize = 10;

impl Codec {
    /// The codec of a layer of this media type, OCI's or Docker's. `None` for other types: a manifest, an
    /// encrypted layer, the layer of an artifact.
    ///
    /// ```
    /// use wharf_content::MediaType;
    /// use wharf_layer::Codec;
    /// assert_eq!(Codec::of_type(&MediaType::DOCKER_LAYER_GZIP), Some(Codec::Gzip));
    /// assert_eq!(Codec::of_type(&MediaType::OCI_CONFIG), None);
    /// ```
    #[must_use]
    pub fn of_type(media_type: &MediaType) -> Option<Self> {
        let text = media_type.as_str();
        let oci = [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
        ];
        let docker = [
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ];
        let suffix = |types: [&str; 2]| types.iter().find_map(|known| text.strip_prefix(known));
        match (suffix(oci), suffix(docker)) {
            (Some(""), _) | (_, Some("")) => Some(Self::Plain),
            (Some("+gzip"), _) | (_, Some(".gzip")) => Some(Self::Gzip),
            (Some("+zstd"), _) | (_, Some(".zstd")) => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The codec that content begins as: its first [`MAGIC_SIZE`] bytes, or all of it if it is shorter.
    /// Whatever begins as no codec is [`Codec::Plain`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for bzip2 and xz, which no specification of layers has.
    pub fn of_magic(head: &[u8]) -> Result<Self, Error> {
        match Sniffed::of(head) {
            Sniffed::Codec(codec) => Ok(codec),
            Sniffed::Undecided => Ok(Self::Plain),
            Sniffed::Foreign(name) => Err(unsupported(name)),
        }
    }
}

/// `plain`, `gzip` or `zstd`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// The error for content that is compressed as no layer is.
pub(crate) fn unsupported(name: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the content is compressed with {name}; use gzip or zstd"),
    )
}

/// The codec that the first bytes of content indicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sniffed {
    /// More bytes are needed, fewer than [`MAGIC_SIZE`] in all.
    Undecided,
    Codec(Codec),
    /// A codec that no layer has.
    Foreign(&'static str),
}

impl Sniffed {
    pub(crate) fn of(head: &[u8]) -> Self {
        // Sixteen numbers begin frames of zstd that a decoder skips: their lowest bits do not count.
        let skippable = changed(head, 0, |byte| byte & 0xf0);
        let skippable = skippable.get(..head.len()).unwrap_or(&skippable);
        // bzip2 states its level, 1 to 9.
        let any_level = |byte| if (b'1'..=b'9').contains(&byte) { b'1' } else { byte };
        let bzip2 = changed(head, 3, any_level);
        let bzip2 = bzip2.get(..head.len()).unwrap_or(&bzip2);
        let known: [(&[u8], &[u8], Self); 6] = [
            (head, b"\x1f\x8b", Self::Codec(Codec::Gzip)),
            (head, b"\x28\xb5\x2f\xfd", Self::Codec(Codec::Zstd)),
            (skippable, b"\x50\x2a\x4d\x18", Self::Codec(Codec::Zstd)),
            (bzip2, b"BZh1\x31\x41\x59\x26\x53\x59", Self::Foreign("bzip2")),
            (head, b"\xfd7zXZ\x00", Self::Foreign("xz")),
            (head, b"\x04\x22\x4d\x18", Self::Foreign("lz4")),
        ];
        let mut open = false;
        for (head, magic, sniffed) in known {
            if head.starts_with(magic) {
                return sniffed;
            }
            open |= magic.starts_with(head);
        }
        if open {
            Self::Undecided
        } else {
            Self::Codec(Codec::Plain)
        }
    }
}

/// The first bytes, with the one at `at` as `change` makes it.
fn changed(head: &[u8], at: usize, change: impl Fn(u8) -> u8) -> [u8; MAGIC_SIZE] {
    let mut bytes = [0; MAGIC_SIZE];
    for (to, from) in bytes.iter_mut().zip(head) {
        *to = *from;
    }
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_a_codec() {
        let cases = [
            ("application/vnd.oci.image.layer.v1.tar", Some(Codec::Plain)),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Some(Codec::Gzip)),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Some(Codec::Zstd)),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar",
                Some(Codec::Plain),
            ),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                Some(Codec::Gzip),
            ),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                Some(Codec::Zstd),
            ),
            ("application/vnd.docker.image.rootfs.diff.tar", Some(Codec::Plain)),
            (
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                Some(Codec::Gzip),
            ),
            (
                "application/vnd.docker.image.rootfs.diff.tar.zstd",
                Some(Codec::Zstd),
            ),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar",
                Some(Codec::Plain),
            ),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                Some(Codec::Gzip),
            ),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", None),
            ("application/vnd.oci.image.layer.v1.tar.gzip", None),
            ("application/vnd.docker.image.rootfs.diff.tar+gzip", None),
            ("application/octet-stream", None),
            ("", None),
        ];
        for (text, codec) in cases {
            assert_eq!(Codec::of_type(&MediaType::from_document(text)), codec, "{text}");
        }
    }

    #[test]
    fn content_is_told_by_its_first_bytes() {
        let cases: &[(&[u8], Sniffed)] = &[
            (b"", Sniffed::Undecided),
            (b"\x1f", Sniffed::Undecided),
            (b"\x1f\x8b", Sniffed::Codec(Codec::Gzip)),
            (b"\x1f\x8c", Sniffed::Codec(Codec::Plain)),
            (b"\x28\xb5\x2f", Sniffed::Undecided),
            (b"\x28\xb5\x2f\xfd", Sniffed::Codec(Codec::Zstd)),
            (b"P", Sniffed::Undecided),
            (b"P*M\x18", Sniffed::Codec(Codec::Zstd)),
            (b"\x5f*M\x18\0\0\0\0", Sniffed::Codec(Codec::Zstd)),
            (b"\x60*M\x18", Sniffed::Codec(Codec::Plain)),
            (b"PaxHeaders", Sniffed::Codec(Codec::Plain)),
            (b"BZh91", Sniffed::Undecided),
            (b"BZh91.txt\0", Sniffed::Codec(Codec::Plain)),
            (b"BZhello.txt\0", Sniffed::Codec(Codec::Plain)),
            (b"\xfd7zXZ\0", Sniffed::Foreign("xz")),
            (b"etc/passwd\0", Sniffed::Codec(Codec::Plain)),
            (b"\0\0\0\0", Sniffed::Codec(Codec::Plain)),
        ];
        for (head, expected) in cases {
            assert_eq!(Sniffed::of(head), *expected, "{head:?}");
        }
        for level in b'1'..=b'9' {
            let head = [b"BZh", [level].as_slice(), b"1AY&SY"].concat();
            assert_eq!(Sniffed::of(&head), Sniffed::Foreign("bzip2"));
        }
    }
}
