//! The members of a manifest that are parsed, and the type of document that they make it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Descriptor, Error, ErrorKind, MediaType, unset};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    schema_version: Option<u64>,
    #[serde(default, deserialize_with = "unset::optional_media_type")]
    media_type: Option<MediaType>,
    #[serde(default, deserialize_with = "unset::optional_media_type")]
    pub(super) artifact_type: Option<MediaType>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(super) manifests: Entries,
    /// Parsed by [`ArtifactBody`], since the key has no meaning in other documents.
    #[serde(skip)]
    pub(super) blobs: Vec<Descriptor>,
    #[serde(default, deserialize_with = "unset::descriptor")]
    pub(super) subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "unset::map")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    history: Option<serde::de::IgnoredAny>,
}

impl Body {
    /// Parses the members of a document and resolves its type.
    pub(super) fn read(bytes: &[u8], declared: Option<&MediaType>) -> Result<(Self, MediaType), Error> {
        let mut body: Self = read(bytes)?;
        let media_type = body.resolve_type(declared)?;
        if media_type == MediaType::OCI_ARTIFACT {
            body.blobs = read::<ArtifactBody>(bytes)?.blobs;
        }
        for entry in body.manifests.iter_mut() {
            entry.set_manifest_type(&media_type);
        }
        Ok((body, media_type))
    }

    /// | declared and stated type | result |
    /// |---|---|
    /// | both, and they differ | ambiguous |
    /// | one, or both the same | it, if it is supported |
    /// | neither | by the members, if `schemaVersion` is 2 |
    ///
    /// `schemaVersion` may be absent where the type is known: artifact manifests have none.
    fn resolve_type(&self, declared: Option<&MediaType>) -> Result<MediaType, Error> {
        let invalid = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
        let ambiguous = |message: String| Err(Error::new(ErrorKind::Ambiguous, message));
        let declared = declared.filter(|media_type| !is_generic(media_type));
        match self.schema_version {
            Some(1) => {
                let message = "Docker's image manifest schema 1 is not supported; push the image again with a \
                               current tool";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            None if declared.is_some() || self.media_type.is_some() => {}
            Some(2) => {}
            Some(_) => return invalid("not an image manifest or index: schemaVersion is not 2"),
            None => {
                return invalid("not an image manifest or index: it has neither schemaVersion nor a type");
            }
        }
        let media_type = match (declared, &self.media_type) {
            (Some(declared), Some(own)) if declared != own => {
                return ambiguous(format!(
                    "the manifest says it is {own}, but was served as {declared}"
                ));
            }
            (Some(media_type), _) | (None, Some(media_type)) => media_type.clone(),
            (None, None) => self.sniff(),
        };
        if !media_type.is_manifest() {
            let message = format!("{media_type} is not a manifest type that is supported");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if self.fs_layers.is_some() || self.history.is_some() {
            return ambiguous(format!(
                "the document is {media_type} and a schema 1 manifest at once"
            ));
        }
        let has_image = self.config.is_some() || self.layers.is_some();
        let (is_index, is_artifact) = (media_type.is_index(), media_type == MediaType::OCI_ARTIFACT);
        let lists_manifests = matches!(self.manifests, Entries::Set(_));
        if (is_index && has_image) || (!is_index && lists_manifests) {
            return ambiguous("the document is an image manifest and an index at once".to_owned());
        }
        if is_artifact && has_image {
            return ambiguous(
                "the document is an image manifest and an artifact manifest at once".to_owned(),
            );
        }
        if is_index && matches!(self.manifests, Entries::Absent) {
            return invalid("an index without manifests");
        }
        if !is_index && !is_artifact && self.config.is_none() {
            return invalid("an image manifest without config");
        }
        Ok(media_type)
    }

    fn sniff(&self) -> MediaType {
        let docker = |descriptor: &Descriptor| *descriptor.media_type() == MediaType::DOCKER_CONFIG;
        if self.config.is_none() && !matches!(self.manifests, Entries::Absent) {
            MediaType::OCI_INDEX
        } else if self.config.as_ref().is_some_and(docker) {
            MediaType::DOCKER_MANIFEST
        } else {
            MediaType::OCI_MANIFEST
        }
    }
}

/// The `manifests` of a document. Null means an empty list in an index, and no list in an image.
#[derive(Default)]
pub(super) enum Entries {
    #[default]
    Absent,
    Null,
    Set(Vec<Descriptor>),
}

impl Entries {
    pub(super) fn as_slice(&self) -> &[Descriptor] {
        match self {
            Self::Set(entries) => entries,
            Self::Absent | Self::Null => &[],
        }
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Descriptor> {
        match self {
            Self::Set(entries) => entries.as_mut_slice(),
            Self::Absent | Self::Null => &mut [],
        }
        .iter_mut()
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Set))
    }
}

/// The member of an artifact manifest that other documents do not have.
#[derive(Deserialize)]
struct ArtifactBody {
    #[serde(default, deserialize_with = "unset::items")]
    blobs: Vec<Descriptor>,
}

fn read<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = crate::why_unreadable(&error);
        let message = format!("not an image manifest or index: {why}");
        Error::new(ErrorKind::Invalid, message)
    })
}

/// True if a declared type names no format of its own. Servers of plain files declare any type for files
/// without an extension.
fn is_generic(media_type: &MediaType) -> bool {
    let vendor = media_type.as_str().get(..16);
    !vendor.is_some_and(|start| start.eq_ignore_ascii_case("application/vnd."))
}
