//! An artifact whose documents are made.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{
    Blob, BuiltImage, Descriptor, Error, ErrorKind, ImageBuilder, Location, Manifest, Sink, Source, Target,
};
use wharf_reference::{Algorithm, Digest};

use super::{
    Artifact,
    content::ContentBytes,
    directory::{PackedDirectory, pack},
    hashed_file::HashedFile,
    title::Titles,
};
use crate::concurrency::blocking;

/// The documents of an artifact, and where its contents are.
#[derive(Clone)]
pub(super) struct Prepared {
    documents: BuiltImage,
    contents: Arc<HashMap<Digest, Kept>>,
}

/// A content that is pushed.
enum Kept {
    File(Arc<HashedFile>),
    Directory(Arc<PackedDirectory>),
    Memory(Bytes),
}

impl Artifact {
    /// Hashes the contents and makes the documents. Streams are written to the sink meanwhile.
    pub(super) async fn prepare(self, sink: &dyn Sink) -> Result<Prepared, Error> {
        let mut titles = Titles::default();
        let mut contents = Vec::new();
        for mut content in self.contents {
            let title = content.titled()?;
            if let Some(title) = &title {
                titles.add(title)?;
            }
            contents.push((content, title));
        }
        let mut documents = ImageBuilder::new();
        let mut kept = HashMap::new();
        for (content, title) in contents {
            let media_type = content.media_type;
            let (descriptor, bytes) = match content.bytes {
                ContentBytes::File(path) => {
                    let file = blocking(move || HashedFile::hash(&path, media_type)).await??;
                    (file.descriptor.clone(), Some(Kept::File(Arc::new(file))))
                }
                ContentBytes::Directory(path) => {
                    let title = title.ok_or_else(|| {
                        Error::new(ErrorKind::Invalid, "a directory in an artifact needs a title")
                    })?;
                    let packed = blocking(move || pack(&path, &title, media_type)).await??;
                    (packed.descriptor.clone(), Some(Kept::Directory(Arc::new(packed))))
                }
                ContentBytes::Memory(bytes) => {
                    (Descriptor::of(media_type, &bytes), Some(Kept::Memory(bytes)))
                }
                ContentBytes::Stream(bytes) => {
                    (sink.ingest(media_type, Algorithm::Sha256, bytes).await?, None)
                }
            };
            if let Some(bytes) = bytes {
                kept.insert(descriptor.digest().clone(), bytes);
            }
            let described = content
                .annotations
                .into_iter()
                .fold(descriptor, |descriptor, (key, value)| {
                    descriptor.with_annotation(key, value)
                });
            documents = documents.with_layer(described);
        }
        if let Some(artifact_type) = self.kind {
            documents = documents.with_artifact_type(artifact_type);
        }
        if let Some((media_type, bytes)) = self.config {
            documents = documents.with_config_bytes(media_type, bytes);
        }
        if let Some(subject) = self.subject {
            documents = documents.with_subject(subject);
        }
        for (key, value) in self.annotations {
            documents = documents.with_annotation(key, value);
        }
        Ok(Prepared {
            documents: documents.build()?,
            contents: Arc::new(kept),
        })
    }
}

impl Prepared {
    pub(super) fn digest(&self) -> &Digest {
        self.documents.digest()
    }
}

#[async_trait]
impl Source for Prepared {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.documents.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.documents.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        match self.contents.get(descriptor.digest()) {
            Some(Kept::File(file)) => Blob::new(descriptor.clone(), Arc::clone(file)),
            Some(Kept::Directory(packed)) => Blob::new(descriptor.clone(), Arc::clone(packed)),
            Some(Kept::Memory(bytes)) => Blob::from_bytes(descriptor.clone(), bytes.clone()),
            None => self.documents.blob(descriptor).await,
        }
    }

    fn location(&self) -> Location {
        self.documents.location()
    }
}
