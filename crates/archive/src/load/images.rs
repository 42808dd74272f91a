//! Pushes the images of an archive whose blobs are in the sink or in memory.

use std::collections::HashSet;

use bytes::Bytes;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Hasher, MAX_CONFIG_SIZE, MAX_DEPTH, MAX_MANIFEST_SIZE, Manifest,
    MediaType, Name, Sink, Visits,
};
use wharf_layer::Codec;
use wharf_reference::Digest;

use super::{Loaded, Stored};
use crate::{
    error::{error, shown},
    tar::{
        docker::{self, Item, Layer},
        image::ArchivedImage,
        members::too_large,
        names::{Names, blob_name, digest_of},
        oci,
    },
};

/// Pushes all images: those of the OCI layout if it is complete, else those of `manifest.json`.
pub(super) async fn push(members: &Names<Stored>, sink: &(impl Sink + ?Sized)) -> Result<Vec<Loaded>, Error> {
    let (has_index, has_docker) = (members.has(oci::INDEX), members.has(docker::MANIFEST));
    if !has_index && !has_docker {
        return Err(error(
            ErrorKind::Invalid,
            format_args!(
                "it is no image archive: it has neither {} nor {}",
                oci::INDEX,
                docker::MANIFEST
            ),
        ));
    }
    if has_index && (!has_docker || members.has(oci::LAYOUT)) {
        oci::check_layout(&document(members, oci::LAYOUT, oci::MAX_LAYOUT_SIZE)?)?;
        let images = oci::images(document(members, oci::INDEX, MAX_MANIFEST_SIZE)?)?;
        match listed(members, &images) {
            Ok(manifests) if !has_docker || has_all(members, &manifests) => {
                return push_listed(members, &images, &manifests, sink).await;
            }
            Ok(_) => {}
            Err(missing) if missing.kind() == ErrorKind::NotFound && has_docker => {}
            Err(other) => return Err(other),
        }
    }
    push_saved(members, sink).await
}

/// True if these are the manifests of all images of `manifest.json`.
fn has_all(members: &Names<Stored>, manifests: &[Manifest]) -> bool {
    let configs = manifests.iter().filter_map(Manifest::config);
    let configs = configs.map(|config| config.digest().clone()).collect();
    let text = document(members, docker::MANIFEST, docker::MAX_DOCKER_MANIFEST_SIZE);
    let Ok(items) = text.and_then(|text| docker::items(&text)) else {
        return true; // no other reader gets an image of it
    };
    docker::are_among(&items, &configs)
}

/// A document, which must be in memory.
fn document(members: &Names<Stored>, name: &str, limit: u64) -> Result<Bytes, Error> {
    match members.file(name)? {
        Stored::Kept(bytes) if bytes.len() as u64 <= limit => Ok(bytes.clone()),
        Stored::Kept(bytes) => Err(too_large(name, bytes.len() as u64, limit)),
        Stored::Pushed { size, .. } if *size > limit => Err(too_large(name, *size, limit)),
        Stored::Pushed { .. } => Err(error(
            ErrorKind::Invalid,
            format_args!("the member {} is no JSON", shown(name.as_bytes())),
        )),
    }
}

/// The manifests of all images that an index lists, parents before children. Images of an index may be absent.
fn listed(members: &Names<Stored>, images: &[ArchivedImage]) -> Result<Vec<Manifest>, Error> {
    let mut visits = Visits::new();
    let mut manifests: Vec<Manifest> = Vec::new();
    let mut level: Vec<(Descriptor, bool)> = images
        .iter()
        .map(|image| (image.descriptor().clone(), true))
        .collect();
    for _ in 0..MAX_DEPTH {
        let mut below = Vec::new();
        for (descriptor, is_root) in level {
            let name = blob_name(descriptor.digest());
            if (!is_root && !members.has(&name)) || !visits.add(&descriptor)? {
                continue;
            }
            let bytes = document(members, &name, MAX_MANIFEST_SIZE)?;
            let manifest = Manifest::parse_pinned(bytes, Some(descriptor.media_type()), descriptor.digest())?;
            for blob in manifest.blobs().filter(|blob| !blob.is_nondistributable()) {
                members.file(&blob_name(blob.digest()))?;
            }
            below.extend(manifest.manifests().iter().map(|child| (child.clone(), false)));
            manifests.push(manifest);
        }
        level = below;
    }
    if level
        .iter()
        .any(|(descriptor, _)| members.has(&blob_name(descriptor.digest())))
    {
        return Err(error(
            ErrorKind::TooLarge,
            format_args!("its indexes are nested more than {MAX_DEPTH} levels deep"),
        ));
    }
    Ok(manifests)
}

async fn push_listed(
    members: &Names<Stored>,
    images: &[ArchivedImage],
    manifests: &[Manifest],
    sink: &(impl Sink + ?Sized),
) -> Result<Vec<Loaded>, Error> {
    let mut named: Vec<(Digest, Vec<Name>)> = Vec::new();
    for image in images {
        let digest = image.descriptor().digest();
        let names = image.names().map(Name::parse).collect::<Result<Vec<_>, _>>()?;
        match named.iter_mut().find(|(known, _)| known == digest) {
            Some((_, known)) => known.extend(names),
            None => named.push((digest.clone(), names)),
        }
    }
    for manifest in manifests {
        for blob in manifest.blobs().filter(|blob| !blob.is_nondistributable()) {
            if let Stored::Kept(bytes) = members.file(&blob_name(blob.digest()))? {
                push_kept(blob, bytes, sink).await?;
            }
        }
    }
    let roots: HashSet<&Digest> = named.iter().map(|(digest, _)| digest).collect();
    for manifest in manifests
        .iter()
        .rev()
        .filter(|manifest| !roots.contains(manifest.digest()))
    {
        sink.push_manifest(manifest, None).await?;
    }
    let mut loaded = Vec::with_capacity(named.len());
    for (digest, names) in &named {
        let found = manifests.iter().find(|manifest| manifest.digest() == digest);
        let manifest =
            found.ok_or_else(|| error(ErrorKind::NotFound, format_args!("it has no manifest {digest}")))?;
        let image_id = manifest.config().map(|config| config.digest().clone());
        loaded.push(push_root(manifest, names.clone(), image_id, sink).await?);
    }
    Ok(loaded)
}

async fn push_root(
    manifest: &Manifest,
    mut names: Vec<Name>,
    image_id: Option<Digest>,
    sink: &(impl Sink + ?Sized),
) -> Result<Loaded, Error> {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    if names.is_empty() {
        sink.push_manifest(manifest, None).await?;
        sink.list_unnamed(manifest.descriptor()).await?;
    }
    for name in &names {
        sink.push_manifest(manifest, Some(name)).await?;
    }
    Ok(Loaded {
        names,
        descriptor: manifest.descriptor().clone(),
        image_id,
    })
}

async fn push_kept(descriptor: &Descriptor, bytes: &Bytes, sink: &(impl Sink + ?Sized)) -> Result<(), Error> {
    if sink.contains(descriptor).await? {
        return Ok(());
    }
    sink.push_blob(Blob::from_bytes(descriptor.as_blob(), bytes.clone())?)
        .await
}

async fn push_saved(members: &Names<Stored>, sink: &(impl Sink + ?Sized)) -> Result<Vec<Loaded>, Error> {
    let items = docker::items(&document(
        members,
        docker::MANIFEST,
        docker::MAX_DOCKER_MANIFEST_SIZE,
    )?)?;
    let mut images: Vec<(Manifest, Vec<Name>, Digest)> = Vec::with_capacity(items.len());
    for item in items {
        let names = item
            .names
            .iter()
            .map(|name| Name::parse(name))
            .collect::<Result<Vec<_>, _>>()?;
        let config = document(members, &item.config, MAX_CONFIG_SIZE)?;
        let (_, diff_ids) = docker::config(&item, &config)?;
        let manifest = docker::manifest(&config, &layers(members, &item, &diff_ids, sink).await?)?;
        push_kept(&Descriptor::of(MediaType::DOCKER_CONFIG, &config), &config, sink).await?;
        images.push((manifest, names, Hasher::sha256(&config)));
    }
    let mut loaded = Vec::with_capacity(images.len());
    for (manifest, names, image_id) in images {
        loaded.push(push_root(&manifest, names, Some(image_id), sink).await?);
    }
    Ok(loaded)
}

/// The layers of an image, in the sink.
async fn layers(
    members: &Names<Stored>,
    item: &Item,
    diff_ids: &[Digest],
    sink: &(impl Sink + ?Sized),
) -> Result<Vec<Layer>, Error> {
    let mut layers = Vec::with_capacity(item.layers.len());
    for (name, diff_id) in item.layers.iter().zip(diff_ids) {
        let layer = match members.file(name)? {
            Stored::Pushed { digest, size, codec } => Layer {
                digest: digest.clone(),
                size: *size,
                codec: *codec,
            },
            Stored::Kept(bytes) => {
                let digest = digest_of(name).unwrap_or_else(|| Hasher::sha256(bytes));
                let descriptor = Descriptor::new(MediaType::DOCKER_LAYER, digest, bytes.len() as u64)?;
                push_kept(&descriptor, bytes, sink).await?;
                Layer {
                    digest: descriptor.digest().clone(),
                    size: descriptor.size(),
                    codec: Codec::Plain,
                }
            }
        };
        if layer.codec == Codec::Plain
            && layer.digest.algorithm() == diff_id.algorithm()
            && layer.digest != *diff_id
        {
            return Err(error(
                ErrorKind::Mismatch,
                format_args!(
                    "the layer {} has the digest {} instead of {diff_id}",
                    shown(name.as_bytes()),
                    layer.digest
                ),
            ));
        }
        layers.push(layer);
    }
    Ok(layers)
}
