use std::collections::BTreeMap;

use wharf_content::MediaType;

use super::{
    Input,
    input::pack_section,
    pack_digest, pack_number, unpack_digest,
    value::{Flags, media_type, pack_media_type},
};
use crate::ManifestRecord;

/// The packed record of a manifest, taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedManifest<'a> {
    size: u64,
    user: Option<&'a str>,
    media_type: Input<'a>,
    artifact_type: Option<Input<'a>>,
    /// A digest.
    pub(crate) subject: Option<&'a [u8]>,
    annotations: Input<'a>,
    blobs: Input<'a>,
    manifests: Input<'a>,
}

impl<'a> PackedManifest<'a> {
    pub(crate) fn parse(packed: &'a [u8]) -> Option<Self> {
        let mut input = Input(packed);
        let flags = Flags::parse(&mut input)?;
        let manifest = Self {
            size: input.number()?,
            user: if flags.user { Some(input.text()?) } else { None },
            media_type: input.media_type()?,
            artifact_type: if flags.artifact_type {
                Some(input.media_type()?)
            } else {
                None
            },
            subject: if flags.subject {
                Some(input.digest()?)
            } else {
                None
            },
            annotations: Input(input.section()?),
            blobs: Input(input.section()?),
            manifests: Input(input.section()?),
        };
        input.is_empty().then_some(manifest)
    }

    /// The digests of the blobs and manifests that the manifest needs.
    pub(crate) fn needed(self) -> impl Iterator<Item = &'a [u8]> {
        self.blobs().map(|(digest, _)| digest).chain(self.manifests())
    }

    pub(crate) fn blobs(self) -> impl Iterator<Item = (&'a [u8], u64)> {
        let mut input = self.blobs;
        std::iter::from_fn(move || Some((input.digest()?, input.number()?)))
    }

    pub(crate) fn manifests(self) -> impl Iterator<Item = &'a [u8]> {
        let mut input = self.manifests;
        std::iter::from_fn(move || input.digest())
    }

    pub(crate) fn media_type(self) -> Option<MediaType> {
        media_type(self.media_type)
    }

    pub(crate) fn artifact_type(self) -> Option<MediaType> {
        self.artifact_type.and_then(media_type)
    }

    /// Whether all parts have their form.
    pub(super) fn is_whole(self) -> bool {
        let Self {
            mut annotations,
            mut blobs,
            mut manifests,
            ..
        } = self;
        let mut whole = true;
        while whole && !annotations.is_empty() {
            whole = annotations.text().is_some() && annotations.text().is_some();
        }
        while whole && !blobs.is_empty() {
            whole = blobs.digest().is_some() && blobs.number().is_some();
        }
        while whole && !manifests.is_empty() {
            whole = manifests.digest().is_some();
        }
        whole
    }

    pub(super) fn unpack(self) -> Option<ManifestRecord> {
        if !self.is_whole() {
            return None;
        }
        let blobs = self
            .blobs()
            .map(|(digest, size)| Some((unpack_digest(digest)?, size)));
        let mut texts = self.annotations;
        let mut annotations = BTreeMap::new();
        while !texts.is_empty() {
            annotations.insert(texts.text()?.to_owned(), texts.text()?.to_owned());
        }
        Some(ManifestRecord {
            media_type: self.media_type()?,
            size: self.size,
            subject: self.subject.and_then(unpack_digest),
            artifact_type: self.artifact_type(),
            annotations,
            blobs: blobs.collect::<Option<_>>()?,
            manifests: self.manifests().map(unpack_digest).collect::<Option<_>>()?,
            user: self.user.map(Box::from),
            content: None,
        })
    }
}

pub(super) fn pack_manifest(record: &ManifestRecord) -> Vec<u8> {
    let flags = Flags {
        user: record.user.is_some(),
        artifact_type: record.artifact_type.is_some(),
        subject: record.subject.is_some(),
    };
    let mut out = Vec::with_capacity(64 + 36 * (record.blobs.len() + record.manifests.len()));
    flags.pack(&mut out);
    pack_number(&mut out, record.size);
    if let Some(user) = &record.user {
        pack_section(&mut out, user.as_bytes());
    }
    pack_media_type(&mut out, &record.media_type);
    if let Some(artifact_type) = &record.artifact_type {
        pack_media_type(&mut out, artifact_type);
    }
    if let Some(subject) = &record.subject {
        pack_digest(&mut out, subject);
    }
    let mut section = Vec::new();
    for (name, value) in &record.annotations {
        pack_section(&mut section, name.as_bytes());
        pack_section(&mut section, value.as_bytes());
    }
    pack_section(&mut out, &section);
    section.clear();
    for (digest, size) in &record.blobs {
        pack_digest(&mut section, digest);
        pack_number(&mut section, *size);
    }
    pack_section(&mut out, &section);
    section.clear();
    for digest in &record.manifests {
        pack_digest(&mut section, digest);
    }
    pack_section(&mut out, &section);
    out
}
