//! Indexes.

use std::collections::BTreeMap;

use wharf_content::{Descriptor, Error, ErrorKind, Manifest, Platform};
use wharf_reference::Digest;

use super::{
    Rewriter,
    edit::{attested, parse, rename_attested, replace},
};
use crate::{
    Format, Scope,
    edit::put_platform,
    json::{Json, Object},
};

impl Rewriter<'_> {
    pub(super) fn index(&mut self, index: &Manifest, is_root: bool) -> Result<Option<Manifest>, Error> {
        let mut document = parse(index)?;
        let format = self.change_of_format(index.media_type());
        let kept = self.graph.kept(index);
        let mut changed = kept.len() < index.manifests().len();
        let mut entries = Vec::with_capacity(kept.len());
        let mut renamed: BTreeMap<Digest, Digest> = BTreeMap::new();
        let items = document
            .get("manifests")
            .and_then(Json::as_list)
            .unwrap_or_default();
        for (position, entry) in kept
            .iter()
            .filter_map(|at| Some((*at, index.manifests().get(*at)?)))
        {
            let mut item = items
                .get(position)
                .and_then(Json::as_object)
                .cloned()
                .unwrap_or_default();
            if let Some(child) = self.graph.manifest(entry.digest()) {
                let Some(new) = self.visit(child, Some(entry))? else {
                    changed = true;
                    continue;
                };
                if new.digest() != child.digest() {
                    changed = true;
                    renamed.insert(child.digest().clone(), new.digest().clone());
                    replace(&mut item, new.descriptor());
                    let composition = self.compositions.of(child.digest());
                    if let Some(platform) = composition.and_then(|image| image.platform.as_ref()) {
                        put_platform(item.descend("platform")?, platform);
                    }
                }
            } else if format == Some(Format::Docker) {
                let message = format!(
                    "entry {} of the index {} is of type {}, which Docker's manifest list cannot have",
                    position + 1,
                    index.digest(),
                    entry.media_type()
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            if format == Some(Format::Docker) && entry.platform().is_none() {
                item.set("platform", self.platform_of(index, position, entry)?);
                changed = true;
            }
            entries.push(item);
        }
        if entries.is_empty() && !index.manifests().is_empty() && !is_root {
            return Ok(None);
        }
        entries.retain(|entry| !self.is_outdated(entry, &renamed));
        for entry in &mut entries {
            rename_attested(entry, &renamed);
        }
        if changed {
            let entries = entries.into_iter().map(Json::Object).collect();
            document.set("manifests", Json::List(entries));
        }
        let scopes = if is_root { &[Scope::Root][..] } else { &[] };
        let annotations = self.annotations(|scope| scopes.contains(scope));
        self.finish(index, document, format, changed, &annotations)
            .map(Some)
    }

    /// The platform of an entry that states none, from the config of the image.
    fn platform_of(&self, index: &Manifest, position: usize, entry: &Descriptor) -> Result<Json, Error> {
        let platform = self
            .graph
            .config(entry.digest())
            .and_then(|config| config.platform());
        let Some(Platform {
            os,
            architecture,
            variant,
            ..
        }) = platform
        else {
            let message = format!(
                "entry {} of the index {} states no platform, nor does its config, and Docker's manifest list needs one",
                position + 1,
                index.digest()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let mut object = Object::default();
        object.set("architecture", Json::string(architecture));
        object.set("os", Json::string(os));
        if let Some(variant) = variant {
            object.set("variant", Json::string(variant));
        }
        Ok(Json::Object(object))
    }

    /// True for an attestation to an image that has other content now.
    fn is_outdated(&mut self, entry: &Object, renamed: &BTreeMap<Digest, Digest>) -> bool {
        let Some(image) = attested(entry) else {
            return false;
        };
        let outdated = renamed.contains_key(&image) && self.compositions.of(&image).is_some();
        if outdated && let Some(digest) = entry.text("digest").and_then(|text| Digest::parse(&text).ok()) {
            self.result.dropped_attestations.push(digest);
        }
        outdated
    }
}
