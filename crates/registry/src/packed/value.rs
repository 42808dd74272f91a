use std::sync::Arc;

use wharf_content::MediaType;

use super::{
    BLOB, Input, MANIFEST, PackedManifest, TAG,
    input::{pack_number, pack_section},
    manifest::pack_manifest,
    pack_digest, unpack_digest, unpack_key,
};
use crate::{BlobRecord, Record, RecordKey};

/// The media types that take one byte. A type keeps its place: new ones follow, up to 127.
pub(super) const MEDIA_TYPES: [MediaType; 14] = [
    MediaType::OCI_MANIFEST,
    MediaType::OCI_INDEX,
    MediaType::OCI_CONFIG,
    MediaType::OCI_LAYER_GZIP,
    MediaType::OCI_LAYER,
    MediaType::OCI_LAYER_ZSTD,
    MediaType::OCI_EMPTY,
    MediaType::DOCKER_MANIFEST,
    MediaType::DOCKER_INDEX,
    MediaType::DOCKER_CONFIG,
    MediaType::OCI_ARTIFACT,
    MediaType::DOCKER_LAYER_GZIP,
    MediaType::DOCKER_LAYER,
    MediaType::OCTET_STREAM,
];

/// The optional parts of a value.
#[derive(Default)]
pub(super) struct Flags {
    pub(super) user: bool,
    pub(super) artifact_type: bool,
    pub(super) subject: bool,
}

impl Flags {
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.user) | u8::from(self.artifact_type) << 1 | u8::from(self.subject) << 2);
    }

    pub(super) fn parse(input: &mut Input<'_>) -> Option<Self> {
        let flags = input.byte()?;
        (flags < 8).then_some(Self {
            user: flags & 1 != 0,
            artifact_type: flags & 2 != 0,
            subject: flags & 4 != 0,
        })
    }
}

/// The part of the value of a blob or a manifest that counts against quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted<'a> {
    pub(crate) size: u64,
    pub(crate) user: Option<&'a str>,
}

impl<'a> Counted<'a> {
    /// Reads the beginning of a value.
    pub(crate) fn of(packed: &'a [u8]) -> Option<Self> {
        Self::parse(&mut Input(packed)).map(|(counted, _)| counted)
    }

    fn parse(input: &mut Input<'a>) -> Option<(Self, Flags)> {
        let flags = Flags::parse(input)?;
        let size = input.number()?;
        let user = if flags.user { Some(input.text()?) } else { None };
        Some((Self { size, user }, flags))
    }

    /// The whole value of a blob.
    fn blob(packed: &'a [u8]) -> Option<Self> {
        let mut input = Input(packed);
        let (counted, flags) = Self::parse(&mut input)?;
        (input.is_empty() && !flags.artifact_type && !flags.subject).then_some(counted)
    }
}

impl Input<'_> {
    /// The packed form of a media type.
    pub(super) fn media_type(&mut self) -> Option<Self> {
        let start = *self;
        if self.byte()? == 0 {
            self.text()?;
        }
        let whole = Input(start.0.get(..start.0.len() - self.0.len())?);
        let number = usize::from(*whole.0.first()?);
        (number <= MEDIA_TYPES.len()).then_some(whole)
    }
}

pub(super) fn media_type(mut packed: Input<'_>) -> Option<MediaType> {
    match packed.byte()? {
        0 => Some(MediaType::from_document(packed.text()?)),
        number => MEDIA_TYPES.get(usize::from(number) - 1).cloned(),
    }
}

pub(super) fn pack_media_type(out: &mut Vec<u8>, media_type: &MediaType) {
    let known = (1..).zip(&MEDIA_TYPES).find(|(_, known)| *known == media_type);
    out.push(known.map_or(0, |(number, _)| number));
    if known.is_none() {
        pack_section(out, media_type.as_str().as_bytes());
    }
}

pub(crate) fn pack_value(record: &Record) -> Vec<u8> {
    match record {
        Record::Blob(_, blob) => {
            let mut out = Vec::with_capacity(8);
            let user = blob.user.is_some();
            Flags {
                user,
                ..Flags::default()
            }
            .pack(&mut out);
            pack_number(&mut out, blob.size);
            if let Some(user) = &blob.user {
                pack_section(&mut out, user.as_bytes());
            }
            out
        }
        Record::Manifest(_, manifest) => pack_manifest(manifest),
        Record::Tag(_, digest) => {
            let mut out = Vec::with_capacity(33);
            pack_digest(&mut out, digest);
            out
        }
    }
}

pub(crate) fn unpack(key: &[u8], value: &[u8]) -> Option<Record> {
    Some(match unpack_key(key)? {
        RecordKey::Blob(digest) => {
            let Counted { size, user } = Counted::blob(value)?;
            let mut record = BlobRecord::new(size);
            record.user = user.map(Box::from);
            Record::Blob(digest, record)
        }
        RecordKey::Manifest(digest) => {
            let record = PackedManifest::parse(value)?.unpack()?;
            Record::Manifest(digest, Arc::new(record))
        }
        RecordKey::Tag(tag) => Record::Tag(tag, unpack_digest(value)?),
    })
}

/// Whether these are the key and the value of a record: [`unpack`] without its allocations.
pub(crate) fn is_record(key: &[u8], value: &[u8]) -> bool {
    let is_digest = |packed: &[u8]| {
        let mut input = Input(packed);
        input.digest().is_some() && input.is_empty()
    };
    match key.split_first() {
        Some((&BLOB, digest)) => is_digest(digest) && Counted::blob(value).is_some(),
        Some((&MANIFEST, digest)) => {
            is_digest(digest) && PackedManifest::parse(value).is_some_and(PackedManifest::is_whole)
        }
        Some((&TAG, _)) => unpack_key(key).is_some() && is_digest(value),
        _ => false,
    }
}
