//! What index.json says: which manifests the store has names for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_content::{Descriptor, Error, ErrorKind, MediaType, Name};
use wharf_reference::Digest;

/// The annotation that holds an image's name (image-spec, *Pre-Defined Annotation Keys*).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The largest index.json that is read, in bytes: room for more than fifty thousand names.
pub(crate) const MAX_INDEX_SIZE: u64 = 32 * 1024 * 1024;

/// An index.json. Entries that are not changed are written back byte for byte, and keys this crate does not
/// know are kept.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    entries: Vec<Arc<Entry>>,
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    descriptor: Descriptor,
    raw: Box<RawValue>,
}

impl Entry {
    pub(crate) const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.descriptor.annotations().get(REF_NAME).map(String::as_str)
    }

    fn is_manifest(&self) -> bool {
        self.descriptor.media_type().is_manifest()
    }

    fn new(descriptor: Descriptor) -> Result<Self, Error> {
        let raw = serde_json::value::to_raw_value(&descriptor).map_err(|error| unwritable(&error))?;
        Ok(Self { descriptor, raw })
    }

    /// The same entry under another name, or none; whatever else it says stays.
    fn renamed(&self, name: Option<&str>) -> Result<Self, Error> {
        let mut annotations = self.descriptor.annotations().clone();
        annotations.remove(REF_NAME);
        if let Some(name) = name {
            annotations.insert(REF_NAME.to_owned(), name.to_owned());
        }
        Self::new(self.descriptor.clone().with_annotations(annotations))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    schema_version: u64,
    #[serde(default)]
    manifests: Option<Vec<Box<RawValue>>>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Write<'a> {
    schema_version: u64,
    manifests: Vec<&'a RawValue>,
    #[serde(flatten)]
    rest: &'a serde_json::Map<String, serde_json::Value>,
}

impl Index {
    /// An index without entries.
    pub(crate) fn empty() -> Self {
        let mut rest = serde_json::Map::new();
        rest.insert("mediaType".to_owned(), MediaType::OCI_INDEX.as_str().into());
        Self {
            entries: Vec::new(),
            rest,
        }
    }

    /// Reads an index.json; the error says what is wrong with it, not where it is.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let read: Read = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.schema_version != 2 {
            return Err("schemaVersion is not 2".to_owned());
        }
        let entry = |(position, raw): (usize, Box<RawValue>)| {
            serde_json::from_str(raw.get())
                .map(|descriptor| Arc::new(Entry { descriptor, raw }))
                .map_err(|error| format!("entry {position} is no valid descriptor: {error}"))
        };
        let entries = read.manifests.unwrap_or_default().into_iter().enumerate();
        Ok(Self {
            entries: entries.map(entry).collect::<Result<_, _>>()?,
            rest: read.rest,
        })
    }

    /// The document.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let write = Write {
            schema_version: 2,
            manifests: self.entries.iter().map(|entry| &*entry.raw).collect(),
            rest: &self.rest,
        };
        serde_json::to_vec(&write).map_err(|error| unwritable(&error))
    }

    /// Whether both are written the same.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<Entry>, &Arc<Entry>)| {
            Arc::ptr_eq(one, other) || one.raw.get() == other.raw.get()
        };
        self.entries.len() == other.entries.len() && self.entries.iter().zip(&other.entries).all(same)
    }

    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().map(Arc::as_ref)
    }

    /// The one manifest with this name.
    ///
    /// `None` if there is none; fails if there are several, or what has the name is no manifest.
    pub(crate) fn named(&self, name: &Name) -> Result<Option<&Descriptor>, Error> {
        let mut found: Option<&Arc<Entry>> = None;
        let mut other = None;
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.name() == Some(name.as_str()))
        {
            if !entry.is_manifest() {
                other = Some(entry);
            } else if found.is_some_and(|found| found.descriptor.digest() != entry.descriptor.digest()) {
                let message = format!("index.json names more than one image {name}; remove one of them");
                return Err(Error::new(ErrorKind::Ambiguous, message));
            } else {
                found = Some(entry);
            }
        }
        match (found, other) {
            (None, Some(entry)) => Err(Error::new(
                ErrorKind::Unsupported,
                format!("{name} is no image but {}", entry.descriptor.media_type()),
            )),
            (found, _) => Ok(found.map(|entry| entry.descriptor())),
        }
    }

    /// An entry for this manifest, whatever its name.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<&Descriptor> {
        self.entries
            .iter()
            .filter(|entry| entry.is_manifest())
            .map(|entry| entry.descriptor())
            .find(|descriptor| descriptor.digest() == digest)
    }

    /// Gives a manifest a name. An image that had the name keeps its entry without one; the manifest's own
    /// entry without a name, if there is one, becomes this.
    pub(crate) fn tag(&mut self, name: &Name, manifest: &Descriptor) -> Result<(), Error> {
        let digest = manifest.digest();
        if self.named(name).is_ok_and(|named| {
            named.is_some_and(|named| named.digest() == digest && named.media_type() == manifest.media_type())
        }) {
            return Ok(());
        }
        self.untag(name)?;
        self.entries
            .retain(|entry| entry.name().is_some() || entry.descriptor.digest() != digest);
        let plain = Descriptor::new(manifest.media_type().clone(), digest.clone(), manifest.size())?;
        let named = match manifest.artifact_type() {
            Some(artifact_type) => plain.with_artifact_type(artifact_type.clone()),
            None => plain,
        }
        .with_annotation(REF_NAME, name.as_str());
        self.entries.push(Arc::new(Entry::new(named)?));
        Ok(())
    }

    /// Takes a name away; the last name leaves an entry without one, so that the image stays. `false` if the
    /// name was not there.
    pub(crate) fn untag(&mut self, name: &Name) -> Result<bool, Error> {
        let matches = |entry: &Arc<Entry>| entry.name() == Some(name.as_str());
        let (gone, mut kept): (Vec<_>, Vec<_>) = self.entries.drain(..).partition(matches);
        let removed = !gone.is_empty();
        for entry in gone {
            let digest = entry.descriptor.digest();
            if entry.is_manifest() && !kept.iter().any(|kept| kept.descriptor.digest() == digest) {
                kept.push(Arc::new(entry.renamed(None)?));
            }
        }
        self.entries = kept;
        Ok(removed)
    }

    /// Removes the entries that `gone` says; how many they were.
    pub(crate) fn remove(&mut self, gone: impl Fn(&Entry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| !gone(entry));
        before - self.entries.len()
    }
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::new(ErrorKind::Invalid, format!("cannot write index.json: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Descriptor {
        let digest =
            wharf_content::Hasher::digest(wharf_reference::Algorithm::Sha256, text.as_bytes()).unwrap();
        Descriptor::new(MediaType::OCI_MANIFEST, digest, text.len() as u64).unwrap()
    }

    fn names(index: &Index) -> Vec<Option<&str>> {
        index.entries().map(Entry::name).collect()
    }

    #[test]
    fn a_moved_name_leaves_the_old_image_without_one() {
        let name = Name::parse("a:1").unwrap();
        let mut index = Index::empty();
        index.tag(&name, &manifest("one")).unwrap();
        index.tag(&name, &manifest("one")).unwrap();
        assert_eq!(names(&index), [Some("a:1")]);
        index.tag(&name, &manifest("two")).unwrap();
        assert_eq!(names(&index), [None, Some("a:1")]);
        index.tag(&Name::parse("b").unwrap(), &manifest("one")).unwrap();
        assert_eq!(names(&index), [Some("a:1"), Some("b")]);
        index.tag(&Name::parse("c").unwrap(), &manifest("one")).unwrap();
        assert!(index.untag(&Name::parse("b").unwrap()).unwrap());
        assert!(!index.untag(&Name::parse("b").unwrap()).unwrap());
        assert_eq!(names(&index), [Some("a:1"), Some("c")]);
    }

    #[test]
    fn what_others_wrote_is_written_back() {
        let digest = manifest("x").digest().clone();
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"x":1,"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"{digest}"}}],"annotations":{{"k":"v"}},"future":[1]}}"#
        );
        let index = Index::parse(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(index.to_bytes().unwrap()).unwrap(), text);
    }

    #[test]
    fn names_must_be_unique_and_of_images() {
        let name = Name::parse("n").unwrap();
        let entry = |media_type: &str, text: &str| {
            let digest = manifest(text).digest().clone();
            format!(
                r#"{{"mediaType":"{media_type}","size":1,"digest":"{digest}","annotations":{{"{REF_NAME}":"n"}}}}"#
            )
        };
        let image = "application/vnd.oci.image.manifest.v1+json";
        for (entries, expected) in [
            (vec![entry(image, "a"), entry(image, "b")], ErrorKind::Ambiguous),
            (vec![entry("text/plain", "a")], ErrorKind::Unsupported),
        ] {
            let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
            let index = Index::parse(text.as_bytes()).unwrap();
            assert_eq!(index.named(&name).unwrap_err().kind(), expected);
        }
        let same = format!(
            r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
            entry("text/plain", "a"),
            entry(image, "b")
        );
        let index = Index::parse(same.as_bytes()).unwrap();
        assert_eq!(
            index.named(&name).unwrap().unwrap().digest(),
            manifest("b").digest()
        );
    }
}
