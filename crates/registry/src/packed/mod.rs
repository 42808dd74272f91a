//! Records as bytes, for the index of an engine and for the journal. A record takes a fraction of what its text and its
//! types take, and the order of keys is that of listings.
//!
//! | key | of | value |
//! |---|---|---|
//! | `b`, digest | a blob | flags, size, user |
//! | `m`, digest | a manifest | flags, size, user, media type, artifact type, subject, annotations, blobs, manifests |
//! | `t`, text | a tag | digest |
//!
//! | part | form |
//! |---|---|
//! | number | seven bits in a byte, the lowest first; each byte but the last has its highest bit set |
//! | text, section | the number of bytes, and these |
//! | flags | a byte; 1: there is a user, 2: an artifact type, 4: a subject |
//! | size | a number |
//! | user | a text |
//! | digest | 1 and the octets of a sha256, 3 and those of a sha512; any other as text after 0, 2 or 4, by its place in the order, and before a zero |
//! | media type, artifact type | the number of a type in [`MEDIA_TYPES`](value::MEDIA_TYPES), or 0 and a text |
//! | subject | a digest |
//! | annotations | a section of texts, name and value in turns |
//! | blobs | a section of digests and sizes in turns |
//! | manifests | a section of digests |

mod digest;
mod input;
mod key;
mod manifest;
mod value;

pub(crate) use self::{
    digest::{PackedDigest, pack_digest, unpack_digest},
    input::{Input, pack_number},
    key::{BLOB, MANIFEST, TAG, pack_key, unpack_key},
    manifest::PackedManifest,
    value::{Counted, is_record, pack_value, unpack},
};

#[cfg(test)]
mod tests;
