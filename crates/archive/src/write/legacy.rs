//! The form of Docker before version 25, as Skopeo's `docker-archive:` writes it (Docker Image Specification 1.2):
//!
//! | member | content |
//! |---|---|
//! | `DIFF_ID.tar` | the tar of a layer |
//! | `CONFIG.json` | a config, by its digest |
//! | `ID/layer.tar`, `ID/VERSION`, `ID/json` | for each layer a link to its tar, `1.0`, and its image of Docker's first format |
//! | `manifest.json`, `repositories` | the images, and the names |

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::value::RawValue;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Hasher, ImageConfig, MAX_CONFIG_SIZE, Manifest, MediaType, Name,
};
use wharf_layer::{Codec, tar::Member};
use wharf_reference::{Algorithm, Digest, Reference};

use super::{
    documents::{Content, Docker, DockerItem, text},
    members::Inner,
};
use crate::{
    decoded::{decoded, sniff},
    error::error,
    stream::Hashed,
};

/// The version of Docker's first format.
const VERSION: &str = "1.0";

/// The members of an image's config that the image of its top layer states in Docker's first format.
const FIRST_FORMAT: [&str; 7] = [
    "architecture",
    "config",
    "container",
    "container_config",
    "created",
    "docker_version",
    "os",
];

/// The blobs and images that were pushed.
#[derive(Default)]
pub(super) struct Legacy {
    configs: HashMap<Digest, Bytes>,
    /// The digest of the tar of each layer.
    diff_ids: HashMap<Digest, Digest>,
    images: HashMap<Digest, Saved>,
    /// The names of the members that were written for images.
    written: HashSet<String>,
}

/// An image that was written.
struct Saved {
    config: Digest,
    diff_ids: Vec<Digest>,
    /// The ID of its top layer in Docker's first format.
    top: Option<String>,
}

/// A member to be written for an image.
pub(super) enum Entry {
    File(String, Bytes),
    Link(String, String),
}

impl Legacy {
    pub(super) fn contains(&self, blob: &Digest) -> bool {
        self.diff_ids.contains_key(blob) || self.configs.contains_key(blob)
    }

    pub(super) fn config(&self, digest: &Digest) -> Option<&Bytes> {
        self.configs.get(digest)
    }

    /// The members of an image that are not written yet, and what is known of it.
    fn image(&self, manifest: &Manifest) -> Result<(Vec<Entry>, Saved), Error> {
        let config = manifest.config().filter(|config| is_config(config));
        let config = config.ok_or_else(|| refused(manifest, "it is no container image"))?;
        let bytes = self.configs.get(config.digest());
        let bytes = bytes.ok_or_else(|| refused(manifest, "its config was not pushed"))?;
        let stated = ImageConfig::parse(bytes.clone())?.diff_ids()?;
        if stated.len() != manifest.layers().len() {
            return Err(error(
                ErrorKind::Invalid,
                format_args!(
                    "{} has {} layers, and its config states {}",
                    manifest.digest(),
                    manifest.layers().len(),
                    stated.len()
                ),
            ));
        }
        let mut diff_ids = Vec::with_capacity(stated.len());
        for (number, (layer, stated)) in manifest.layers().iter().zip(&stated).enumerate() {
            let number = number + 1;
            let pushed = self.diff_ids.get(layer.digest());
            let diff_id =
                pushed.ok_or_else(|| refused(manifest, format_args!("layer {number} was not pushed")))?;
            if diff_id != stated {
                return Err(error(
                    ErrorKind::Mismatch,
                    format_args!(
                        "layer {number} of {} has the diff_id {diff_id}, and its config states {stated}",
                        manifest.digest()
                    ),
                ));
            }
            diff_ids.push(diff_id.clone());
        }
        let mut entries = vec![Entry::File(config_name(config.digest()), bytes.clone())];
        let top = first_format(bytes, &diff_ids, &mut entries)?;
        entries.retain(|entry| !self.written.contains(entry.name()));
        let saved = Saved {
            config: config.digest().clone(),
            diff_ids,
            top,
        };
        Ok((entries, saved))
    }

    /// `manifest.json` and `repositories`.
    pub(super) fn documents(&self, content: &Content) -> Result<Docker, Error> {
        let mut items: Vec<DockerItem> = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
        for digest in &content.order {
            let Some(image) = self.images.get(digest) else {
                continue;
            };
            let config = config_name(&image.config);
            let at = items.iter().position(|item| item.config == config);
            let at = at.unwrap_or_else(|| {
                items.push(DockerItem {
                    config,
                    repo_tags: Vec::new(),
                    layers: image.diff_ids.iter().map(layer_name).collect(),
                });
                items.len() - 1
            });
            for name in content.names_of(digest) {
                let reference = full_name(name)?;
                if let Some(item) = items.get_mut(at)
                    && !item.repo_tags.iter().any(|known| known == reference.as_str())
                {
                    item.repo_tags.push(reference.as_str().to_owned());
                }
                if let (Some(top), Some(tag)) = (&image.top, reference.tag()) {
                    let tags = repositories
                        .entry(reference.repository().to_string())
                        .or_default();
                    tags.insert(tag.to_string(), top);
                }
            }
        }
        Ok(Docker {
            manifest: text(&items)?,
            repositories: text(&repositories)?,
            oci_only: Vec::new(),
        })
    }
}

impl Entry {
    fn name(&self) -> &str {
        let (Self::File(name, _) | Self::Link(name, _)) = self;
        name
    }
}

/// Refuses what an archive of this form cannot have.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] for an index, and for a blob that is neither a config nor a layer.
pub(super) fn accepts(descriptor: &Descriptor) -> Result<(), Error> {
    let media_type = descriptor.media_type();
    let reason = if media_type.is_index() {
        "an index; select the image for one platform".to_owned()
    } else if media_type.is_manifest() || is_config(descriptor) || Codec::of_type(media_type).is_some() {
        return Ok(());
    } else {
        format!("content of the type {media_type}")
    };
    Err(error(
        ErrorKind::Unsupported,
        format_args!("a docker-archive of the old form cannot hold {reason}"),
    ))
}

/// Writes the tar of a layer, or keeps a config until its image is written. The first bytes of a layer tell its codec,
/// whatever its type, as in all readers of this form; the config tells whether its tar is the right one.
pub(super) async fn push_blob(inner: &Arc<Inner>, blob: Blob) -> Result<(), Error> {
    let descriptor = blob.descriptor().clone();
    accepts(&descriptor)?;
    let digest = descriptor.digest();
    if inner.open_state()?.legacy.contains(digest) {
        return Ok(());
    }
    if is_config(&descriptor) {
        let bytes = blob.read_to_end(MAX_CONFIG_SIZE).await?;
        inner.open_state()?.legacy.configs.insert(digest.clone(), bytes);
        return Ok(());
    }
    let (codec, bytes) = sniff(Box::pin(blob)).await?;
    let is_known = codec == Codec::Plain && digest.algorithm() == Algorithm::Sha256;
    let diff_id = if is_known {
        inner.append(digest, descriptor.size(), bytes).await?;
        digest.clone()
    } else if inner.is_stream() {
        return Err(error(
            ErrorKind::Unsupported,
            format_args!(
                "the size of the layer {digest} is known when it is decompressed, which a stream needs before; write \
                 the archive to a file"
            ),
        ));
    } else {
        let tar = decoded(codec, bytes)?;
        inner.ingest(Hashed::new(tar, Algorithm::Sha256)?).await?.0
    };
    inner
        .open_state()?
        .legacy
        .diff_ids
        .insert(digest.clone(), diff_id);
    Ok(())
}

/// Writes the config of an image, and the directories of its layers.
pub(super) async fn push_manifest(
    inner: &Arc<Inner>,
    manifest: &Manifest,
    name: Option<&Name>,
) -> Result<(), Error> {
    accepts(manifest.descriptor())?;
    name.map(full_name).transpose()?;
    let (entries, saved) = inner.open_state()?.legacy.image(manifest)?;
    let written: Vec<String> = entries.iter().map(|entry| entry.name().to_owned()).collect();
    inner.write_entries(entries).await?;
    let legacy = &mut inner.open_state()?.legacy;
    legacy.written.extend(written);
    legacy.images.insert(manifest.digest().clone(), saved);
    Ok(())
}

/// The full name with a tag that Docker takes a name for.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for a name that is no reference with a tag.
pub(super) fn full_name(name: &Name) -> Result<Reference, Error> {
    let reference = Reference::parse(name.as_str()).ok().map(Reference::or_latest);
    let tagged = reference.filter(|reference| reference.has_tag() && reference.digest().is_none());
    tagged.ok_or_else(|| {
        error(
            ErrorKind::Invalid,
            format_args!(
                "{name} is no name of an image in a docker-archive, such as docker.io/library/app:1"
            ),
        )
    })
}

/// The member of a layer's tar.
pub(super) fn layer_name(diff_id: &Digest) -> String {
    format!("{}.tar", diff_id.encoded())
}

fn config_name(digest: &Digest) -> String {
    format!("{}.json", digest.encoded())
}

fn is_config(descriptor: &Descriptor) -> bool {
    [MediaType::OCI_CONFIG, MediaType::DOCKER_CONFIG].contains(descriptor.media_type())
}

fn refused(manifest: &Manifest, reason: impl std::fmt::Display) -> Error {
    error(
        ErrorKind::Unsupported,
        format_args!(
            "{} cannot be in a docker-archive of the old form: {reason}",
            manifest.digest()
        ),
    )
}

/// Adds an image of Docker's first format for each layer, which is the parent of the next, and returns the ID of the
/// last. An ID is the digest of the image's document with the chain ID of its layer, so that images share those of
/// equal layers.
fn first_format(
    config: &[u8],
    diff_ids: &[Digest],
    entries: &mut Vec<Entry>,
) -> Result<Option<String>, Error> {
    let members: HashMap<String, Option<Box<RawValue>>> =
        serde_json::from_slice(config).map_err(|cause| {
            error(
                ErrorKind::Invalid,
                format_args!("the config cannot be read: {cause}"),
            )
        })?;
    let mut chain: Option<Digest> = None;
    let mut parent: Option<String> = None;
    for (number, diff_id) in diff_ids.iter().enumerate() {
        let chain_id = match chain {
            None => diff_id.clone(),
            Some(below) => Hasher::sha256(format!("{below} {diff_id}").as_bytes()),
        };
        let mut document: BTreeMap<&str, String> = BTreeMap::new();
        if let Some(parent) = parent {
            document.insert("parent", format!("\"{parent}\""));
        }
        if number + 1 == diff_ids.len() {
            for key in FIRST_FORMAT {
                let value = members.get(key).and_then(Option::as_ref);
                document.insert(
                    key,
                    value.map_or_else(|| "null".to_owned(), |value| compact(value.get())),
                );
            }
        }
        document.insert("layer_id", format!("\"{chain_id}\""));
        let id = Hasher::sha256(object(&document).as_bytes()).encoded().to_owned();
        document.remove("layer_id");
        document.insert("id", format!("\"{id}\""));
        entries.extend([
            Entry::Link(format!("{id}/layer.tar"), format!("../{}", layer_name(diff_id))),
            Entry::File(format!("{id}/VERSION"), Bytes::from_static(VERSION.as_bytes())),
            Entry::File(format!("{id}/json"), object(&document).into()),
        ]);
        chain = Some(chain_id);
        parent = Some(id);
    }
    Ok(parent)
}

/// An object whose values are JSON.
fn object(members: &BTreeMap<&str, String>) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// JSON as Go writes a value that it has not decoded: without white space, and with the characters escaped that HTML
/// or JavaScript would read.
fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut is_string, mut is_escaped) = (false, false);
    for character in json.chars() {
        let escape = match character {
            '<' => "\\u003c",
            '>' => "\\u003e",
            '&' => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            _ => "",
        };
        if !escape.is_empty() {
            text.push_str(escape);
            is_escaped = false;
            continue;
        }
        match character {
            ' ' | '\t' | '\n' | '\r' if !is_string => continue,
            '"' if !is_escaped => is_string = !is_string,
            _ => {}
        }
        is_escaped = character == '\\' && !is_escaped;
        text.push(character);
    }
    text
}

/// The member of an entry.
pub(super) fn member(entry: &Entry) -> Result<(Member, Bytes), Error> {
    match entry {
        Entry::File(name, content) => Ok((
            Member::file(name, content.len() as u64)?.with_mode(0o444),
            content.clone(),
        )),
        Entry::Link(name, target) => Ok((Member::symlink(name, target.as_str())?.with_mode(0), Bytes::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_compact_and_escaped_as_go_does() {
        for (json, expected) in [
            (" { \"a b\" :\t[ 1 , \"x y\" ]\n} ", r#"{"a b":[1,"x y"]}"#),
            (r#"" \" < ""#, r#"" \" \u003c ""#),
            (r#""\\" "#, r#""\\""#),
            (
                "\"<&>\u{2028}\u{2029}é\"",
                "\"\\u003c\\u0026\\u003e\\u2028\\u2029é\"",
            ),
            ("1.50", "1.50"),
        ] {
            assert_eq!(compact(json), expected);
        }
    }

    #[test]
    fn a_name_is_expanded_as_docker_does() {
        for (name, expected) in [
            ("app", Some("docker.io/library/app:latest")),
            ("app:1", Some("docker.io/library/app:1")),
            ("quay.io/a/b:2", Some("quay.io/a/b:2")),
            ("localhost:5000/a", Some("localhost:5000/a:latest")),
            ("A", None),
            (
                "a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                None,
            ),
        ] {
            let found = Name::parse(name).ok().and_then(|name| full_name(&name).ok());
            assert_eq!(found.as_ref().map(Reference::as_str), expected, "{name}");
        }
    }
}
