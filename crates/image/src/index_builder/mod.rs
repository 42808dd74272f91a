mod built;
mod known;

use std::sync::Arc;

use wharf_content::{
    Descriptor, Error, ErrorKind, MAX_MANIFEST_SIZE, Manifest, Platform, Source, SourceExt as _, Target,
};
use wharf_reference::Digest;

pub use self::built::BuiltIndex;
use self::known::Known;
use crate::{
    Format,
    compose::is_container,
    edit::put_platform,
    format::Kind,
    json::{Json, Object},
    rewrite::{annotate, parse, replace},
};

/// A builder of an index of images that are in sources, each of its own if need be. `wharf_content::IndexBuilder` makes
/// one of images in memory.
///
/// ```
/// use std::sync::Arc;
/// use wharf_content::{ImageBuilder, Platform};
/// use wharf_image::{Format, IndexBuilder};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut index = IndexBuilder::new(Format::Oci);
/// for architecture in ["amd64", "arm64"] {
///     let image = ImageBuilder::for_platform(Platform::new("linux", architecture)).build()?;
///     let target = image.digest().into();
///     index.add(Arc::new(image), &target).await?; // or an image of a registry, a layout, an archive
/// }
/// let index = index.build()?; // a source, from which a copy takes the index with its images
/// assert_eq!(index.root().manifests()[1].platform(), Some(&Platform::new("linux", "arm64")));
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Entries stay in their order, and those of an index that is [opened](Self::open) keep what they state.
#[derive(Debug, Clone)]
pub struct IndexBuilder {
    format: Format,
    document: Object,
    content: Known,
}

impl IndexBuilder {
    /// A builder of an index without entries: OCI's index, or Docker's manifest list.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let mut document = Object::default();
        document.set("schemaVersion", Json::number(2));
        if let Some(media_type) = format.media_type(Kind::Index) {
            document.set("mediaType", Json::string(media_type.as_str()));
        }
        document.set("manifests", Json::List(Vec::new()));
        Self {
            format,
            document,
            content: Known::default(),
        }
    }

    /// A builder that begins with the index that `target` means.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if it is no index; the errors of the source.
    pub async fn open(source: Arc<dyn Source>, target: &Target) -> Result<Self, Error> {
        let index = source.checked_manifest(target).await?;
        let format = Format::of(index.media_type()).filter(|_| index.is_index());
        let Some(format) = format else {
            let message = format!("{} is of type {}, no index", index.digest(), index.media_type());
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let mut builder = Self {
            format,
            document: parse(&index)?,
            content: Known::default(),
        };
        for entry in index.manifests() {
            builder.content.add(&source, entry).await?;
        }
        Ok(builder)
    }

    /// Adds the image that `target` means, with the platform that its config states; of an index, every entry as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if there is an entry of the same digest and platform; [`ErrorKind::Unsupported`] for a
    /// Docker list if no platform is stated; the errors of the source.
    pub async fn add(&mut self, source: Arc<dyn Source>, target: &Target) -> Result<(), Error> {
        let manifest = source.checked_manifest(target).await?;
        if manifest.is_index() {
            let document = parse(&manifest)?;
            let items = document
                .get("manifests")
                .and_then(Json::as_list)
                .unwrap_or_default();
            for (entry, item) in manifest.manifests().iter().zip(items) {
                self.content.add(&source, entry).await?;
                self.push(entry, item.as_object().cloned().unwrap_or_default())?;
            }
            return Ok(());
        }
        let mut entry = manifest.descriptor().clone();
        let mut item = Object::default();
        replace(&mut item, &entry);
        if is_container(&manifest)
            && let Some(platform) = source.config(&manifest).await?.platform()
        {
            put_platform(item.descend("platform")?, platform);
            entry = entry.with_platform(platform.clone());
        }
        self.content.add(&source, &entry).await?;
        self.push(&entry, item)
    }

    /// Removes the entries of this digest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none.
    pub fn remove(&mut self, digest: &Digest) -> Result<(), Error> {
        let items = self.items();
        let before = items.len();
        items.retain(|item| !is(item, digest));
        if items.len() == before {
            return Err(absent(digest));
        }
        Ok(())
    }

    /// Sets the platform that the entries of this digest state.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none.
    pub fn set_platform(&mut self, digest: &Digest, platform: &Platform) -> Result<(), Error> {
        self.each(digest, |item| {
            put_platform(item.descend("platform")?, platform);
            Ok(())
        })
    }

    /// Adds or replaces an annotation of the entries of this digest, or of the index without one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such entry; [`ErrorKind::Unsupported`] in Docker's format;
    /// [`ErrorKind::Invalid`] if the key is empty.
    pub fn annotate(&mut self, digest: Option<&Digest>, key: &str, value: &str) -> Result<(), Error> {
        if self.format == Format::Docker {
            let message = "Docker's manifest list has no annotations; OCI's index has";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if key.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "an annotation has no key"));
        }
        let Some(digest) = digest else {
            annotate(&mut self.document, &[(key, value)]);
            return Ok(());
        };
        self.each(digest, |item| {
            annotate(item, &[(key, value)]);
            Ok(())
        })
    }

    /// Builds the index. One that was opened and not changed has the same bytes without whitespace.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if two entries have the same digest and platform; [`ErrorKind::Unsupported`] if one of a
    /// Docker list states no platform; [`ErrorKind::TooLarge`] if the index is larger than registries must accept.
    pub fn build(self) -> Result<BuiltIndex, Error> {
        let bytes = Json::Object(self.document).to_bytes();
        if bytes.len() as u64 > MAX_MANIFEST_SIZE {
            let message = format!(
                "the index has {} bytes, and registries need not accept more than {MAX_MANIFEST_SIZE}",
                bytes.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let root = Manifest::parse(bytes.into(), self.format.media_type(Kind::Index).as_ref())?;
        for (number, entry) in root.manifests().iter().enumerate() {
            check(
                self.format,
                root.manifests().get(..number).unwrap_or_default(),
                entry,
            )?;
        }
        Ok(BuiltIndex {
            root,
            content: self.content,
        })
    }

    /// Adds an entry that none is equal to.
    fn push(&mut self, entry: &Descriptor, item: Object) -> Result<(), Error> {
        let present = Manifest::parse(
            Json::Object(self.document.clone()).to_bytes().into(),
            self.format.media_type(Kind::Index).as_ref(),
        )?;
        check(self.format, present.manifests(), entry)?;
        self.items().push(Json::Object(item));
        Ok(())
    }

    fn each(
        &mut self,
        digest: &Digest,
        change: impl Fn(&mut Object) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut found = false;
        for item in self.items().iter_mut().filter(|item| is(item, digest)) {
            if let Json::Object(item) = item {
                change(item)?;
                found = true;
            }
        }
        if found { Ok(()) } else { Err(absent(digest)) }
    }

    fn items(&mut self) -> &mut Vec<Json> {
        if self.document.get("manifests").and_then(Json::as_list).is_none() {
            self.document.set("manifests", Json::List(Vec::new()));
        }
        let items = self.document.get_mut("manifests").and_then(Json::as_list_mut);
        #[expect(clippy::expect_used, reason = "it was set above")]
        items.expect("the index has a list of manifests")
    }
}

/// Checks an entry against those before it.
fn check(format: Format, before: &[Descriptor], entry: &Descriptor) -> Result<(), Error> {
    let digest = entry.digest();
    if format == Format::Docker && entry.platform().is_none() {
        let message = format!("{digest} states no platform, and Docker's manifest list needs one");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let same = |other: &&Descriptor| other.digest() == digest && other.platform() == entry.platform();
    match before.iter().find(same) {
        Some(_) => {
            let message = format!("the index has {digest} for the same platform already");
            Err(Error::new(ErrorKind::Conflict, message))
        }
        None => Ok(()),
    }
}

fn is(item: &Json, digest: &Digest) -> bool {
    let found = item.as_object().and_then(|item| item.text("digest"));
    found.as_deref() == Some(digest.as_str())
}

fn absent(digest: &Digest) -> Error {
    Error::new(ErrorKind::NotFound, format!("the index has no entry {digest}"))
}
