//! The removal of names from a registry or layout.

use std::collections::{BTreeMap, HashMap, HashSet};

use wharf_content::{Descriptor, Error, ErrorKind, Target};
use wharf_distribution::Remote;
use wharf_reference::{Digest, Reference, Repository, Tag};
use wharf_store::Layout;

use crate::{
    Client, ImageLocation, StoreImage,
    sync::{Report, report::Failure},
};

/// Removes names, and reports them.
pub(in crate::sync) async fn remove(writer: &Client, removals: Vec<ImageLocation>, report: &mut Report) {
    let mut tags: BTreeMap<Repository, Vec<Tag>> = BTreeMap::new();
    for location in removals {
        match &location {
            ImageLocation::Registry(reference) => {
                tags.entry(reference.repository())
                    .or_default()
                    .extend(reference.tag());
            }
            ImageLocation::Store {
                directory,
                image: StoreImage::Name(name),
            } => {
                let removed = async { Layout::open(directory).await?.untag(name).await }.await;
                note(report, location.clone(), removed.map(drop));
            }
            _ => {}
        }
    }
    for (repository, unwanted) in tags {
        let remote = writer.inner.client.remote(&repository).without_mirrors();
        remove_tags(&remote, unwanted, report).await;
    }
}

fn note(report: &mut Report, location: ImageLocation, removed: Result<(), Error>) {
    match removed {
        Ok(()) => report.removed.push(location),
        Err(error) => {
            let failure = Failure::of_removal(location.to_string(), error);
            report.failures.push(failure);
        }
    }
}

/// Removes tags; from a registry that removes manifests alone, those that nothing else needs.
async fn remove_tags(remote: &Remote, unwanted: Vec<Tag>, report: &mut Report) {
    let location = |tag: &Tag| ImageLocation::Registry(Reference::new(remote.repository()).with_tag(tag));
    let mut left = unwanted.into_iter();
    while let Some(tag) = left.next() {
        match remote.delete_tag(&tag).await {
            Ok(()) => note(report, location(&tag), Ok(())),
            Err(error) if error.kind() == ErrorKind::NotFound => note(report, location(&tag), Ok(())),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let unwanted: Vec<Tag> = std::iter::once(tag).chain(left).collect();
                let results = remove_manifests(remote, &unwanted, &digests_of_set(remote, report)).await;
                for (tag, result) in unwanted.iter().zip(results) {
                    note(report, location(tag), result);
                }
                return;
            }
            Err(error) => note(report, location(&tag), Err(error.into())),
        }
    }
}

/// The digests that the images of a set have in a repository.
fn digests_of_set(remote: &Remote, report: &Report) -> HashSet<Digest> {
    let images = report.images.iter().filter(|image| {
        let reference = image.to.reference();
        reference.is_some_and(|reference| reference.repository() == *remote.repository())
    });
    images.filter_map(|image| image.digest.clone()).collect()
}

/// Removes the manifests of tags, unless an image that stays needs one of them too; a result for each tag.
async fn remove_manifests(
    remote: &Remote,
    unwanted: &[Tag],
    of_set: &HashSet<Digest>,
) -> Vec<Result<(), Error>> {
    let (mut tagged, needed) = match inspect(remote, unwanted, of_set).await {
        Ok(found) => found,
        Err(error) => {
            let again = |_: &Tag| Err(Error::new(error.kind(), error.to_string()));
            return unwanted.iter().map(again).collect();
        }
    };
    let mut removed = HashSet::new();
    let mut results = Vec::with_capacity(unwanted.len());
    for tag in unwanted {
        let Some(descriptor) = tagged.remove(tag) else {
            results.push(Ok(())); // it is gone
            continue;
        };
        let digest = descriptor.digest();
        results.push(if let Some(image) = needed.get(digest) {
            let message = format!(
                "the registry removes no tags, and the manifest {digest} of {tag} is needed by {image}, too"
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        } else if removed.insert(digest.clone()) {
            remote.delete_manifest(digest).await.map_err(Error::from)
        } else {
            Ok(())
        });
    }
    results
}

/// The manifests that the tags of a repository have; and the digests that must stay, each with an image that needs it.
async fn inspect(
    remote: &Remote,
    unwanted: &[Tag],
    of_set: &HashSet<Digest>,
) -> Result<(BTreeMap<Tag, Descriptor>, HashMap<Digest, String>), Error> {
    let unwanted: HashSet<&Tag> = unwanted.iter().collect();
    let (mut tagged, mut staying) = (BTreeMap::new(), Vec::new());
    for tag in remote.tags().collect().await? {
        let Some(descriptor) = present(remote, &tag.clone().into()).await? else {
            continue;
        };
        if !unwanted.contains(&tag) {
            staying.push((descriptor.clone(), tag.to_string()));
        }
        tagged.insert(tag, descriptor);
    }
    for digest in of_set {
        if let Some(descriptor) = present(remote, &digest.into()).await? {
            staying.push((descriptor, digest.to_string()));
        }
    }
    Ok((tagged, with_members(remote, staying).await?))
}

async fn present(remote: &Remote, target: &Target) -> Result<Option<Descriptor>, Error> {
    match remote.resolve(target).await {
        Ok(descriptor) => Ok(Some(descriptor)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The digests of images and, of indexes, also those of all images in them; each with the name of an image that was given.
async fn with_members(
    remote: &Remote,
    images: Vec<(Descriptor, String)>,
) -> Result<HashMap<Digest, String>, Error> {
    let (mut digests, mut pending) = (HashMap::new(), images);
    while let Some((descriptor, image)) = pending.pop() {
        let digest = descriptor.digest();
        if digests.insert(digest.clone(), image.clone()).is_some() || !descriptor.media_type().is_index() {
            continue;
        }
        let index = match remote.manifest(&digest.into()).await {
            Ok(index) => index,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let members = index.manifests().iter().cloned();
        pending.extend(members.map(|member| (member, image.clone())));
    }
    Ok(digests)
}
