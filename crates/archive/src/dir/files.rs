//! Reads the files of a directory.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{
    ByteStream, Descriptor, Error, ErrorKind, MAX_MANIFEST_SIZE, MAX_MANIFESTS, MAX_SIGNATURE_SIZE,
    MAX_SIGNATURES, MAX_SIGNATURES_SIZE, Manifest, OpenBlob, Signature, Wanted,
};
use wharf_fs::Directory;
use wharf_reference::Digest;

use super::names;
use crate::{
    error::{At as _, error},
    input::Part,
    referrer,
    runtime::blocking,
};

/// An open directory with the files of an image.
#[derive(Debug)]
pub(super) struct Files(pub(super) Directory);

impl Files {
    /// The path of a file, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Opens a file; `None` if there is none of this name.
    fn open(&self, name: &str) -> Result<Option<(File, u64)>, Error> {
        let path = self.path(name);
        let file = match self.0.open_file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.at("open", &path)?,
        };
        let size = file.metadata().at("read", &path)?.len();
        Ok(Some((file, size)))
    }

    /// Reads a whole file of at most `limit` bytes; `None` if there is none of this name.
    pub(super) fn whole(&self, name: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let Some((file, size)) = self.open(name)? else {
            return Ok(None);
        };
        if size > limit {
            let path = self.path(name);
            let message = format!(
                "{} has {size} bytes, more than the limit of {limit}",
                path.display()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let length = wharf_fs::fill_at(&file, &mut bytes, 0).at("read", &self.path(name))?;
        bytes.truncate(length);
        Ok(Some(bytes.into()))
    }

    /// Reads the manifest or index that the directory holds; `None` if there is no file of its name.
    pub(super) fn root(&self) -> Result<Option<Manifest>, Error> {
        let Some(bytes) = self.whole(names::ROOT, MAX_MANIFEST_SIZE)? else {
            return Ok(None);
        };
        let parsed = Manifest::parse(bytes, None);
        parsed
            .map(Some)
            .map_err(|error| self.unreadable(names::ROOT, &error))
    }

    /// Reads a manifest other than the root, which must have this digest; `None` if there is no file of its
    /// name.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, Error> {
        let name = names::manifest(digest);
        let Some(bytes) = self.whole(&name, MAX_MANIFEST_SIZE)? else {
            return Ok(None);
        };
        let parsed = Manifest::parse_pinned(bytes, None, digest);
        parsed.map(Some).map_err(|error| self.unreadable(&name, &error))
    }

    fn unreadable(&self, name: &str, why: &Error) -> Error {
        let path = self.path(name);
        error(
            why.kind(),
            format_args!("{} cannot be used: {why}", path.display()),
        )
    }

    /// Lists the manifests other than the root whose subject this is, by their digests. What is unreadable is
    /// left out.
    pub(super) fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let names = self.0.names().at("list", self.0.path())?;
        let mut digests: Vec<Digest> = names
            .iter()
            .filter_map(|name| names::digest_of_manifest(name))
            .collect();
        if digests.len() > MAX_MANIFESTS {
            let path = self.0.path().display();
            let message = format!("{path} has more than {MAX_MANIFESTS} manifests");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        digests.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let manifests = digests
            .iter()
            .filter_map(|digest| self.manifest(digest).ok().flatten());
        let referring =
            manifests.filter(|manifest| manifest.subject().is_some_and(|is| is.digest() == subject));
        Ok(referring.map(|manifest| referrer::describe(&manifest)).collect())
    }

    /// Reads the signatures of a manifest, of the root if `manifest` is `None`, in the order of their numbers
    /// up to the first that is not there.
    pub(super) fn signatures(
        &self,
        manifest: Option<&Digest>,
        wanted: Wanted,
    ) -> Result<Vec<Signature>, Error> {
        let mut signatures = Vec::new();
        let mut room = MAX_SIGNATURES_SIZE;
        if wanted.is_nothing() {
            return Ok(signatures);
        }
        for number in 1..=MAX_SIGNATURES + 1 {
            let name = names::signature(manifest, number);
            let Some(blob) = self.whole(&name, room.min(MAX_SIGNATURE_SIZE))? else {
                return Ok(signatures);
            };
            room -= blob.len() as u64;
            let signature = Signature::from_blob(blob);
            let is_wanted = match &signature {
                Signature::Simple(_) => wanted.simple,
                Signature::Attachment { .. } => wanted.attachments,
                Signature::Bundle(_) => wanted.bundles,
                _ => true,
            };
            if is_wanted {
                signatures.push(signature);
            }
        }
        let path = self.0.path().display();
        Err(error(
            ErrorKind::TooLarge,
            format_args!("{path} has more than {MAX_SIGNATURES} signatures of one manifest"),
        ))
    }
}

/// A blob of a directory.
pub(super) struct Stored {
    pub(super) files: Arc<Files>,
    pub(super) digest: Digest,
}

impl Stored {
    fn open(&self) -> Result<Part, Error> {
        let name = names::blob(&self.digest);
        let before = names::blob_before_1_2(&self.digest);
        let opened = match self.files.open(&name)? {
            Some(opened) => Some(opened),
            None if before != name => self.files.open(before)?,
            None => None,
        };
        let (file, size) = opened.ok_or_else(|| {
            let path = self.files.0.path().display();
            error(
                ErrorKind::NotFound,
                format_args!("{path} has no blob {}: there is no file {name}", self.digest),
            )
        })?;
        Ok(Part {
            file: Arc::new(file),
            path: self.files.path(&name).into(),
            range: 0..size,
        })
    }
}

#[async_trait]
impl OpenBlob for Stored {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let stored = Self {
            files: Arc::clone(&self.files),
            digest: self.digest.clone(),
        };
        let mut part = blocking(move || stored.open()).await?;
        part.range.start = offset.min(part.range.end);
        Ok(Box::pin(part.stream()))
    }

    fn unverified(&self) -> Option<Arc<dyn OpenBlob>> {
        Some(Arc::new(Self {
            files: Arc::clone(&self.files),
            digest: self.digest.clone(),
        }))
    }
}
