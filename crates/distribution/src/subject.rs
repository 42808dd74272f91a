//! Pushing a manifest with a subject to a registry without the referrers API (distribution-spec, *Pushing
//! Manifests with Subject*).

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{Descriptor, ErrorKind, Hint, Manifest, MediaType, Target};
use wharf_reference::Digest;

use crate::{
    Remote,
    error::{Error, Operation},
    referrers::fallback_tag,
};

const OPERATION: Operation = Operation::PushManifest;
/// The most attempts to write a list of referrers that other processes overwrite.
const MAX_ROUNDS: u32 = 4;

impl Remote {
    /// Adds a manifest to the list at the fallback tag, and checks that it is still there afterwards: the
    /// protocol has no conditional write. Within this client, one task writes at a time.
    pub(crate) async fn add_referrer(&self, subject: &Digest, manifest: &Manifest) -> Result<(), Error> {
        let entry = entry_of(manifest);
        self.update_list(subject, |entries| {
            if entries
                .iter()
                .any(|held| held.get("digest") == entry.get("digest"))
            {
                return false;
            }
            entries.push(entry.clone());
            true
        })
        .await
    }

    /// Removes a manifest from the list at the fallback tag, if there is a list.
    pub(crate) async fn remove_referrer(&self, subject: &Digest, referrer: &Digest) -> Result<(), Error> {
        self.update_list(subject, |entries| {
            let before = entries.len();
            entries.retain(|held| held.get("digest").and_then(Value::as_str) != Some(referrer.as_str()));
            entries.len() != before
        })
        .await
    }

    /// Reads, changes and writes the list until the change is in it.
    async fn update_list(
        &self,
        subject: &Digest,
        change: impl Fn(&mut Vec<Value>) -> bool + Send + Sync,
    ) -> Result<(), Error> {
        let tag = fallback_tag(subject)?;
        let name = self.name_of(&Target::Name(tag.clone().into()));
        let _one_at_a_time = self.client().shared().locks.lock(&name).await;
        for _ in 0..MAX_ROUNDS {
            let current = self.list_to_change(subject, &name).await?;
            let mut document = match &current {
                Some(index) => serde_json::from_slice(index.bytes()).unwrap_or_else(|_| empty_list()),
                None => empty_list(),
            };
            let Some(entries) = document.get_mut("manifests").and_then(Value::as_array_mut) else {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    OPERATION,
                    name,
                    "the list has no entries to add to",
                ));
            };
            if !change(entries) {
                return Ok(());
            }
            let bytes = Bytes::from(document.to_string());
            let index = Manifest::parse(bytes, Some(&MediaType::OCI_INDEX))
                .map_err(|error| Error::from_content(OPERATION, &name, &error))?;
            self.put_manifest(&index, Some(&tag), &[]).await?;
        }
        let reason = "the list of referrers changes faster than it can be written";
        Err(Error::new(ErrorKind::Conflict, OPERATION, name, reason))
    }

    /// The current list. Other content at its tag is an image of a user, and is not overwritten.
    async fn list_to_change(&self, subject: &Digest, name: &str) -> Result<Option<Manifest>, Error> {
        let endpoint = self.primary(OPERATION)?;
        match self.at_fallback_tag(&endpoint, subject).await {
            // Some registries read such a tag as the digest: there is no list yet.
            Ok(manifest) if manifest.digest() == subject => Ok(None),
            Ok(manifest) if *manifest.media_type() == MediaType::OCI_INDEX => Ok(Some(manifest)),
            Ok(other) => {
                let reason = format!(
                    "the tag for the list of referrers holds something else, {}",
                    other.media_type()
                );
                Err(Error::new(ErrorKind::Conflict, OPERATION, name, reason).with_hint(Hint::FreeTag))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn empty_list() -> Value {
    json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX.as_str(), "manifests": [] })
}

/// The descriptor of a manifest in a list of referrers, with its artifact type, or the type of its config,
/// and all its annotations.
fn entry_of(manifest: &Manifest) -> Value {
    let descriptor: &Descriptor = manifest.descriptor();
    let mut entry = json!({
        "mediaType": descriptor.media_type().as_str(),
        "digest": descriptor.digest().as_str(),
        "size": descriptor.size(),
    });
    let artifact_type = manifest
        .artifact_type()
        .or_else(|| manifest.config().map(Descriptor::media_type));
    if let Some(object) = entry.as_object_mut() {
        if let Some(artifact_type) = artifact_type {
            object.insert("artifactType".to_owned(), artifact_type.as_str().into());
        }
        if !manifest.annotations().is_empty() {
            object.insert("annotations".to_owned(), json!(manifest.annotations()));
        }
    }
    entry
}
