//! Writes an image directory.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, MAX_SIGNATURE_SIZE, MAX_SIGNATURES,
    MAX_SIGNATURES_SIZE, Manifest, MediaType, Name, Signature, Sink, Source, Target, Verified, Wanted,
};
use wharf_reference::{Algorithm, Digest};

use super::{Dir, blob, files::Files, manifest, names, no_names, target, version};
use crate::{
    error::{At as _, error},
    output::{Destination, Output},
    runtime::blocking,
    stream::{Hashed, next},
};

/// Writes one image or index as a directory, with [`Sink`]; made by [`Dir::create`].
///
/// The manifest that was pushed last is what the directory holds, so a caller pushes it after all others, as a
/// copy does. Nothing is at the path before [`DirWriter::finish`], which the caller must call. Until then the
/// writer itself is a [`Source`] of what was pushed. If it is dropped before, everything written is removed
/// and what was at the path stays there.
pub struct DirWriter {
    inner: Arc<Inner>,
}

struct Inner {
    target: target::Target,
    /// The path as it was passed to [`Dir::create`].
    path: PathBuf,
    files: Arc<Files>,
    content: Mutex<Content>,
    /// The number of temporary files made so far.
    temporary: AtomicU64,
}

#[derive(Default)]
struct Content {
    blobs: HashSet<Digest>,
    manifests: HashMap<Digest, Manifest>,
    /// The blobs of the signatures of each manifest, by its sha256 digest.
    signatures: HashMap<Digest, Vec<Bytes>>,
    /// The manifest that was pushed last.
    root: Option<Digest>,
    is_finished: bool,
    /// Why nothing more can be written.
    failure: Option<String>,
}

impl DirWriter {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let target = target::Target::resolve(path)?;
        target.check()?;
        let directory = target.begin()?;
        Ok(Self {
            inner: Arc::new(Inner {
                target,
                path: path.to_owned(),
                files: Arc::new(Files(directory)),
                content: Mutex::default(),
                temporary: AtomicU64::new(0),
            }),
        })
    }

    /// Puts the image at its path: what is there is the old image until the new one is whole and synced, and
    /// then the new one. Nothing can be pushed afterwards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if no manifest was pushed, and as [`Dir::create`]. The path is then as it was
    /// before, unless the message says otherwise.
    pub async fn finish(&self) -> Result<Dir, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.finish()).await
    }
}

impl Inner {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_content(&self) -> Result<MutexGuard<'_, Content>, Error> {
        let content = self.content();
        let path = self.path.display();
        if let Some(failure) = &content.failure {
            let message = format!("nothing more can be written to {path}: {failure}");
            return Err(Error::new(ErrorKind::Storage, message));
        }
        if content.is_finished {
            let message = format!("cannot write to {path}: its image is finished");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(content)
    }

    fn finish(&self) -> Result<Dir, Error> {
        let mut content = self.open_content()?;
        let directory = &self.files.0;
        let root = content.root.clone().ok_or_else(|| {
            let message = format!("cannot finish {}: it has no manifest", self.path.display());
            Error::new(ErrorKind::Invalid, message)
        })?;
        if let Some(manifest) = content.manifests.get(&root) {
            self.write_file(names::ROOT, manifest.bytes())?;
            self.name_signatures(&content, manifest)?;
        }
        let name = names::manifest(&root);
        directory.remove(&name).at("remove", &self.files.path(&name))?;
        let named = content.blobs.iter().chain(content.manifests.keys());
        let only_sha256 = named
            .filter(|digest| **digest != root)
            .all(|digest| digest.algorithm() == Algorithm::Sha256);
        self.write_file(version::FILE, version::text(only_sha256).as_bytes())?;
        if let Err(failure) = directory.sync().at("sync", directory.path()) {
            // A second attempt would succeed, and the names could be lost.
            content.failure = Some(failure.to_string());
            return Err(failure);
        }
        let old = self.target.replace(directory)?;
        content.is_finished = true;
        drop(content);
        self.target.clean(old.as_ref())?;
        directory.unlock();
        Dir::open_blocking(&self.path)
    }

    /// Adds signatures to those of a manifest, without those that are there already.
    fn push_signatures(&self, manifest: &Digest, signatures: &[Signature]) -> Result<usize, Error> {
        let mut blobs = Vec::with_capacity(signatures.len());
        for signature in signatures {
            let blob = match signature {
                Signature::Unknown { reason, .. } => {
                    return Err(self.no_form(&format!("what is no signature ({reason})")));
                }
                other => other.to_blob(),
            };
            blobs.push(blob.ok_or_else(|| self.no_form("sigstore bundles"))?);
        }
        let mut content = self.open_content()?;
        let known = content.signatures.entry(manifest.clone()).or_default();
        let mut added = 0;
        for blob in blobs {
            if known.contains(&blob) {
                continue;
            }
            let size: usize = known.iter().chain([&blob]).map(Bytes::len).sum();
            let is_too_large = |size: usize, limit: u64| u64::try_from(size).is_ok_and(|size| size > limit);
            if known.len() >= MAX_SIGNATURES
                || is_too_large(blob.len(), MAX_SIGNATURE_SIZE)
                || is_too_large(size, MAX_SIGNATURES_SIZE)
            {
                return Err(error(
                    ErrorKind::TooLarge,
                    format_args!("the signatures of {manifest} are more than may be read"),
                ));
            }
            self.write_file(&names::signature(Some(manifest), known.len() + 1), &blob)?;
            known.push(blob);
            added += 1;
        }
        Ok(added)
    }

    /// The error of signatures that no file can hold.
    fn no_form(&self, what: &str) -> Error {
        let path = self.path.display();
        error(
            ErrorKind::Unsupported,
            format_args!("cannot write {what} to {path}: an image directory has no form for them"),
        )
    }

    /// Gives the signatures of the root their names.
    fn name_signatures(&self, content: &Content, root: &Manifest) -> Result<(), Error> {
        let digest = Hasher::sha256(root.bytes());
        let count = content.signatures.get(&digest).map_or(0, Vec::len);
        for number in 1..=count {
            let name = names::signature(Some(&digest), number);
            let renamed = self
                .files
                .0
                .rename(&name, &self.files.0, names::signature(None, number));
            match renamed {
                Err(failure) if failure.kind() == io::ErrorKind::NotFound => {} // by an earlier call
                other => other.at("rename", &self.files.path(&name))?,
            }
        }
        Ok(())
    }

    /// Writes and syncs a small file.
    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.files.path(name);
        let temporary = self.temporary()?;
        wharf_fs::write_all_at(&temporary.file, bytes, 0).at("write", &path)?;
        temporary.commit(name)
    }

    /// A new file that is removed when it is dropped, unless it is committed.
    fn temporary(&self) -> Result<Temporary, Error> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let name = format!("tmp-{number}");
        let path = self.files.path(&name);
        let file = self.files.0.create_new(&name, 0o644).at("create", &path)?;
        Ok(Temporary {
            files: Arc::clone(&self.files),
            file: Arc::new(file),
            name,
        })
    }

    /// Receives bytes into a file, which gets its name if `verified` returns the digest of a blob.
    async fn receive<T>(
        self: &Arc<Self>,
        mut bytes: T,
        verified: impl FnOnce(T) -> Result<Digest, Error>,
    ) -> Result<(), Error>
    where
        T: futures_core::Stream<Item = Result<Bytes, Error>> + Unpin,
    {
        drop(self.open_content()?);
        let inner = Arc::clone(self);
        let temporary = Arc::new(blocking(move || inner.temporary()).await?);
        let path = self.files.path(&temporary.name).into();
        let destination = Destination::File(Arc::clone(&temporary.file));
        let mut output = Output::new(destination, path, 0, Arc::clone(&temporary));
        while let Some(chunk) = next(&mut bytes).await {
            output.write(chunk?).await?;
        }
        output.finish().await?;
        let digest = verified(bytes)?;
        let inner = Arc::clone(self);
        blocking(move || {
            let mut content = inner.open_content()?;
            if !content.blobs.contains(&digest) {
                temporary.commit(&names::blob(&digest))?;
                content.blobs.insert(digest);
            }
            Ok(())
        })
        .await
    }
}

/// A file without its final name.
struct Temporary {
    files: Arc<Files>,
    file: Arc<File>,
    name: String,
}

impl Temporary {
    /// Syncs the file and gives it its name.
    fn commit(&self, name: &str) -> Result<(), Error> {
        let path = self.files.path(name);
        self.file.sync_all().at("sync", &path)?;
        self.files
            .0
            .rename(&self.name, &self.files.0, name)
            .at("rename", &path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.files.0.remove(&self.name); // it has another name if it was committed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.content().is_finished {
            self.target.give_up();
        }
    }
}

#[async_trait]
impl Sink for DirWriter {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let content = self.inner.content();
        Ok(if descriptor.media_type().is_manifest() {
            content.manifests.contains_key(descriptor.digest())
        } else {
            content.blobs.contains(descriptor.digest())
        })
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        let mut answers = Vec::with_capacity(descriptors.len());
        for descriptor in descriptors {
            answers.push(Some(self.contains(descriptor).await?));
        }
        Ok(answers)
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        self.inner.receive(blob, |_| Ok(digest)).await
    }

    /// Writes a manifest. An image directory has no names, so a name is [`ErrorKind::Unsupported`].
    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        if let Some(name) = name {
            return Err(error(
                ErrorKind::Unsupported,
                format_args!(
                    "cannot call an image {name} in {}: an image directory has no names",
                    self.inner.path.display()
                ),
            ));
        }
        let (inner, manifest) = (Arc::clone(&self.inner), manifest.clone());
        blocking(move || {
            let mut content = inner.open_content()?;
            let digest = manifest.digest().clone();
            if !content.manifests.contains_key(&digest) {
                inner.write_file(&names::manifest(&digest), manifest.bytes())?;
            }
            content.manifests.insert(digest.clone(), manifest);
            content.root = Some(digest);
            Ok(())
        })
        .await
    }

    fn can_mount(&self, _: &Location) -> bool {
        false
    }

    fn can_ingest(&self) -> bool {
        true
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let hashed = Hashed::new(bytes, algorithm)?;
        let mut found: Option<Verified> = None;
        let verified = |hashed: Hashed| {
            let verified = found.insert(hashed.hasher.prove()?);
            Ok(verified.digest().clone())
        };
        self.inner.receive(hashed, verified).await?;
        let verified = found.ok_or_else(|| Error::new(ErrorKind::Other, "the blob was not hashed"))?;
        Descriptor::new(media_type, verified.digest().clone(), verified.size())
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        Hasher::new(descriptor.digest().algorithm()).map(drop)
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        Ok(self.inner.content().manifests.get(descriptor.digest()).cloned())
    }

    async fn accepts_signatures(&self, kinds: Wanted, _: Option<&Name>) -> Result<(), Error> {
        if kinds.bundles {
            return Err(self.inner.no_form("sigstore bundles"));
        }
        Ok(())
    }

    /// Writes signatures beside the image, one file each.
    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        _: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let (inner, digest) = (Arc::clone(&self.inner), manifest.digest().clone());
        let signatures = signatures.to_vec();
        blocking(move || inner.push_signatures(&digest, &signatures)).await
    }

    fn location(&self) -> Location {
        Location::ImageDirectory(self.inner.path.clone())
    }
}

/// The blobs and manifests pushed so far.
#[async_trait]
impl Source for DirWriter {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(Source::manifest(self, target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        match target {
            Target::Digest(digest) => manifest(&self.inner.files, digest).await,
            Target::Name(_) => Err(no_names(&self.inner.path, target)),
        }
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        blob(&self.inner.files, descriptor)
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let (files, manifest) = (Arc::clone(&self.inner.files), manifest.clone());
        blocking(move || files.signatures(Some(&manifest), wanted)).await
    }

    fn location(&self) -> Location {
        Sink::location(self)
    }
}

impl fmt::Debug for DirWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirWriter")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}
