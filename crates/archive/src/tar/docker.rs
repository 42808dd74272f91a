//! `manifest.json`, which lists the images of a docker-archive, and the manifests that are made of it.

use std::{collections::HashSet, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};
use wharf_content::{Descriptor, Error, ErrorKind, ImageConfig, Manifest, MediaType};
use wharf_layer::Codec;
use wharf_reference::Digest;

use super::names::digest_of;
use crate::error::{error, shown};

/// The file that lists the images.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The most bytes of `manifest.json`.
pub(crate) const MAX_DOCKER_MANIFEST_SIZE: u64 = 1 << 20;

/// An image of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Item {
    /// The member with the config.
    pub(crate) config: String,
    pub(crate) names: Vec<String>,
    /// The members with the layers, lowest first.
    pub(crate) layers: Vec<String>,
}

/// Reads `manifest.json`. Null stands for an empty list, and members that are not known are ignored.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] if it is no list of images, [`ErrorKind::Ambiguous`] for an image with two members of
/// one name, or with one that differs from a known one in case alone.
pub(crate) fn items(text: &[u8]) -> Result<Vec<Item>, Error> {
    let items: Option<Vec<Item>> = serde_json::from_slice(text).map_err(|cause| {
        let cause = cause.to_string();
        let kind = if cause.contains(TWICE) {
            ErrorKind::Ambiguous
        } else {
            ErrorKind::Invalid
        };
        error(
            kind,
            format_args!("{MANIFEST} cannot be used: {}", shown(cause.as_bytes())),
        )
    })?;
    Ok(items.unwrap_or_default())
}

/// True if the config of each image is one of these, as far as the config's name is that of a blob. Docker 25 lists
/// images without a name in `manifest.json` alone, though their manifests are in the archive.
pub(crate) fn are_among(items: &[Item], configs: &HashSet<Digest>) -> bool {
    let mut named = items.iter().filter_map(|item| digest_of(&item.config));
    named.all(|config| configs.contains(&config))
}

/// The part of an item's message that can be read in two ways.
const TWICE: &str = "is stated twice";

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an image")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Item, A::Error> {
                let mut config: Option<Option<String>> = None;
                let mut names: Option<Option<Vec<String>>> = None;
                let mut layers: Option<Option<Vec<String>>> = None;
                while let Some(key) = members.next_key::<String>()? {
                    // Go takes a key in any case for the one it knows.
                    let twice = match key.to_ascii_lowercase().as_str() {
                        "config" => config.replace(members.next_value()?).is_some(),
                        "repotags" => names.replace(members.next_value()?).is_some(),
                        "layers" => layers.replace(members.next_value()?).is_some(),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                            false
                        }
                    };
                    if twice {
                        return Err(A::Error::custom(format_args!("{key} {TWICE}")));
                    }
                }
                let config = config.flatten().filter(|config| !config.is_empty());
                Ok(Item {
                    config: config.ok_or_else(|| A::Error::missing_field("Config"))?,
                    names: names.flatten().unwrap_or_default(),
                    layers: layers.flatten().unwrap_or_default(),
                })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Docker's media type of a layer that is compressed so.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] for a codec that Docker has no type for.
fn layer_type(codec: Codec) -> Result<MediaType, Error> {
    match codec {
        Codec::Plain => Ok(MediaType::DOCKER_LAYER),
        Codec::Gzip => Ok(MediaType::DOCKER_LAYER_GZIP),
        Codec::Zstd => Ok(MediaType::from_document(
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
        )),
        other => Err(error(
            ErrorKind::Unsupported,
            format_args!("Docker has no media type for a layer in {other}"),
        )),
    }
}

/// A layer as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) codec: Codec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: MediaType,
    config: Described,
    layers: Vec<Described>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    media_type: MediaType,
    size: u64,
    digest: String,
}

/// Makes the manifest of an image whose archive has none: of Docker's type, with the config and the layers as
/// they are stored.
///
/// # Errors
///
/// As [`layer_type`].
pub(crate) fn manifest(config: &Bytes, layers: &[Layer]) -> Result<Manifest, Error> {
    let config = Descriptor::of(MediaType::DOCKER_CONFIG, config);
    let described = |media_type: MediaType, size: u64, digest: &Digest| Described {
        media_type,
        size,
        digest: digest.to_string(),
    };
    let document = Document {
        schema_version: 2,
        media_type: MediaType::DOCKER_MANIFEST,
        config: described(MediaType::DOCKER_CONFIG, config.size(), config.digest()),
        layers: layers
            .iter()
            .map(|layer| Ok(described(layer_type(layer.codec)?, layer.size, &layer.digest)))
            .collect::<Result<_, Error>>()?,
    };
    let text = serde_json::to_vec(&document)
        .map_err(|cause| Error::new(ErrorKind::Invalid, "a manifest cannot be written").with_source(cause))?;
    Manifest::parse(text.into(), Some(&MediaType::DOCKER_MANIFEST))
}

/// Reads a config, and checks that it has as many layers as `manifest.json` lists.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] otherwise, and as [`ImageConfig::parse`].
pub(crate) fn config(item: &Item, bytes: &Bytes) -> Result<(ImageConfig, Vec<Digest>), Error> {
    let name = || shown(item.config.as_bytes());
    let parsed = ImageConfig::parse(bytes.clone()).and_then(|config| {
        let diff_ids = config.diff_ids()?;
        Ok((config, diff_ids))
    });
    let (config, diff_ids) = parsed.map_err(|cause| {
        error(
            cause.kind(),
            format_args!("the config {} cannot be used: {cause}", name()),
        )
    })?;
    if diff_ids.len() == item.layers.len() {
        return Ok((config, diff_ids));
    }
    Err(error(
        ErrorKind::Invalid,
        format_args!(
            "the config {} has {} layers, but {MANIFEST} lists {}",
            name(),
            diff_ids.len(),
            item.layers.len()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_lists_are_empty_and_unknown_members_are_ignored() {
        for empty in ["null", "[]", " [ ] "] {
            assert_eq!(items(empty.as_bytes()).unwrap(), [], "{empty}");
        }
        let bare = Item {
            config: "c.json".to_owned(),
            ..Item::default()
        };
        for text in [
            r#"[{"Config":"c.json"}]"#,
            r#"[{"Config":"c.json","RepoTags":null,"Layers":null}]"#,
            r#"[{"Config":"c.json","RepoTags":[],"Layers":[],"Parent":"p","LayerSources":{"a":{"b":[1]}}}]"#,
            r#"[{"x":null,"Config":"c.json"}]"#,
        ] {
            assert_eq!(
                items(text.as_bytes()).unwrap(),
                std::slice::from_ref(&bare),
                "{text}"
            );
        }
        let whole =
            items(br#"[{"Config":"c","RepoTags":["a:1","b:2"],"Layers":["l/layer.tar","m"]}]"#).unwrap();
        assert_eq!((whole[0].names.len(), whole[0].layers.len()), (2, 2));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for text in [
            r#"[{"Config":"a","Config":"b"}]"#,
            r#"[{"Config":"a","config":"b"}]"#,
            r#"[{"Config":"a","Layers":[],"LAYERS":["x"]}]"#,
            r#"[{"Config":"a","RepoTags":null,"repoTags":["x"]}]"#,
        ] {
            assert_eq!(
                items(text.as_bytes()).unwrap_err().kind(),
                ErrorKind::Ambiguous,
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_list_of_images() {
        for text in [
            "",
            "{}",
            "[null]",
            "[[]]",
            "[1]",
            r#"["x"]"#,
            "[{}]",
            r#"[{"Config":null}]"#,
            r#"[{"Config":""}]"#,
            r#"[{"Config":7}]"#,
            r#"[{"Config":"c","Layers":"l"}]"#,
            r#"[{"Config":"c","Layers":[null]}]"#,
            r#"[{"Config":"c"}]x"#,
            r#"[{"Config":"c"}"#,
            &format!("[{}", "[".repeat(100_000)),
        ] {
            assert_eq!(
                items(text.as_bytes()).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{text:.60}"
            );
        }
        let long = format!(r#"[{{"Config":"c","Layers":"{}"}}]"#, "x".repeat(10_000));
        assert!(items(long.as_bytes()).unwrap_err().to_string().len() < 400);
    }

    #[test]
    fn a_manifest_is_compact_and_states_what_is_stored() {
        let layer = Layer {
            digest: Digest::parse("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
                .unwrap(),
            size: 0,
            codec: Codec::Gzip,
        };
        let manifest = manifest(&Bytes::from_static(b"{}"), &[layer]).unwrap();
        let text = str::from_utf8(manifest.bytes()).unwrap();
        assert_eq!(
            text,
            "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\
             \"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\",\"size\":2,\
             \"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"},\
             \"layers\":[{\"mediaType\":\"application/vnd.docker.image.rootfs.diff.tar.gzip\",\"size\":0,\
             \"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]}"
        );
    }
}
