use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, MediaType};

use super::{TITLE, title::Title};

/// One content of an [`Artifact`](super::Artifact), which becomes a layer of its manifest.
///
/// ```
/// # fn example() -> Result<(), wharf::Error> {
/// use wharf::{MediaType, artifact::ArtifactContent};
///
/// let text = MediaType::parse("text/plain")?;
/// let notes = ArtifactContent::file("build/out/notes.txt", text.clone()).with_title("docs/notes.txt");
/// let version = ArtifactContent::bytes("1.0", text).with_title("VERSION");
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[must_use]
pub struct ArtifactContent {
    pub(super) bytes: ContentBytes,
    pub(super) media_type: MediaType,
    pub(super) annotations: BTreeMap<String, String>,
    /// The path whose name is the title, if no other title is set.
    named_by: Option<PathBuf>,
}

pub(super) enum ContentBytes {
    File(PathBuf),
    Directory(PathBuf),
    Memory(Bytes),
    Stream(ByteStream),
}

impl ArtifactContent {
    /// A regular file. Its title is its name without directories.
    ///
    /// The file is read twice: once for its digest, and once as it is sent.
    pub fn file(path: impl AsRef<Path>, media_type: MediaType) -> Self {
        let path = path.as_ref().to_owned();
        let mut content = Self::new(ContentBytes::File(path.clone()), media_type);
        content.named_by = Some(path);
        content
    }

    /// A directory, packed as ORAS packs it: a tar with gzip, whose annotations say so. Its title is its name, without
    /// those above it. Owners and times are left out, so that the same tree gives the same digest.
    ///
    /// It is packed twice: once for its digest, and once as it is sent. Symbolic links that lead out of it, pipes and
    /// devices are errors of the push.
    pub fn directory(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let mut content = Self::new(ContentBytes::Directory(path.clone()), MediaType::OCI_LAYER_GZIP);
        content.named_by = Some(path);
        content
    }

    /// Bytes, without a title.
    pub fn bytes(bytes: impl Into<Bytes>, media_type: MediaType) -> Self {
        Self::new(ContentBytes::Memory(bytes.into()), media_type)
    }

    /// A stream, without a title. It is sent as it is read, so that a push that fails cannot be repeated with it.
    pub fn stream(bytes: ByteStream, media_type: MediaType) -> Self {
        Self::new(ContentBytes::Stream(bytes), media_type)
    }

    fn new(bytes: ContentBytes, media_type: MediaType) -> Self {
        Self {
            bytes,
            media_type,
            annotations: BTreeMap::new(),
            named_by: None,
        }
    }

    /// Sets the title: the path, with `/`, that the content has below the directory that it is pulled to. One that leads
    /// out of the directory, or is not a path, is an error of the push.
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.named_by = None;
        self.with_annotation(TITLE, title)
    }

    /// Removes the title. Tools that do not know the type of the artifact pull the content under its digest, or not at
    /// all.
    pub fn without_title(mut self) -> Self {
        self.named_by = None;
        self.annotations.remove(TITLE);
        self
    }

    /// Adds or replaces an annotation.
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Sets the title of a file that has none, and checks it. `None` if there is to be none.
    pub(super) fn titled(&mut self) -> Result<Option<Title>, Error> {
        if let Some(path) = self.named_by.take()
            && !self.annotations.contains_key(TITLE)
        {
            let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
                let message = format!(
                    "{}: a title cannot be made of the name of the file; set one",
                    path.display()
                );
                Error::new(ErrorKind::Invalid, message)
            })?;
            self.annotations.insert(TITLE.to_owned(), name.to_owned());
        }
        self.annotations
            .get(TITLE)
            .map(|title| Title::parse(title))
            .transpose()
    }
}

impl fmt::Debug for ArtifactContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut content = f.debug_struct("ArtifactContent");
        content.field("media_type", &self.media_type);
        match &self.bytes {
            ContentBytes::File(path) => content.field("file", path),
            ContentBytes::Directory(path) => content.field("directory", path),
            ContentBytes::Memory(bytes) => content.field("size", &bytes.len()),
            ContentBytes::Stream(_) => content.field("stream", &true),
        };
        content
            .field("annotations", &self.annotations)
            .finish_non_exhaustive()
    }
}
