//! Removes names that a set does not have from its destination.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use wharf_content::{Error, ErrorKind, Name};
use wharf_distribution::Remote;
use wharf_reference::{Digest, Reference, Repository, Tag};
use wharf_store::Layout;

use super::{Action, Destination, Options, Plan, Report, report::Failure};
use crate::{Client, ImageLocation, StoreImage};

/// Refuses to prune what has no names.
pub(super) fn check(destination: &Destination, options: &Options) -> Result<(), Error> {
    match destination {
        Destination::Directory(_) | Destination::Archive { .. } if options.prune => {
            let message = format!(
                "{destination} is not pruned: only names in a registry or an OCI image layout are removed"
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        _ => Ok(()),
    }
}

/// The images at the destination whose names the set does not have. None, if a part of the set is not known.
pub(super) async fn removals(plan: &Plan) -> Result<Vec<ImageLocation>, Error> {
    let has_failed = plan
        .images
        .iter()
        .any(|image| matches!(image.action, Action::Fail(_)));
    if has_failed || !plan.failures.is_empty() {
        return Ok(Vec::new());
    }
    match &plan.destination {
        Destination::Layout(directory) => in_layout(plan, directory).await,
        _ => in_registry(plan).await,
    }
}

async fn in_registry(plan: &Plan) -> Result<Vec<ImageLocation>, Error> {
    let references = |location: &ImageLocation| location.reference().cloned();
    let repositories: BTreeSet<Repository> = plan
        .images
        .iter()
        .filter_map(|image| references(&image.to))
        .map(|reference| reference.repository())
        .collect();
    // An image of the set is not removed, even if the set copies within one repository.
    let ends = plan.images.iter().flat_map(|image| [&image.from, &image.to]);
    let wanted: HashSet<Reference> = ends.filter_map(references).collect();
    let mut removals = Vec::new();
    for repository in repositories {
        let remote = plan.writer.inner.client.remote(&repository).without_mirrors();
        let tags = match remote.tags().collect().await {
            Ok(tags) => tags,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let tags = tags
            .iter()
            .filter(|tag| tag.as_str().ends_with(&plan.options.suffix));
        let references = tags.map(|tag| Reference::new(&repository).with_tag(tag));
        let unwanted = references.filter(|reference| !wanted.contains(reference));
        removals.extend(unwanted.map(ImageLocation::Registry));
    }
    Ok(removals)
}

async fn in_layout(plan: &Plan, directory: &std::path::Path) -> Result<Vec<ImageLocation>, Error> {
    let names: HashSet<&Name> = plan.images.iter().filter_map(|image| name(&image.to)).collect();
    let prefixes: HashSet<&str> = names.iter().map(|name| prefix(name)).collect();
    let layout = match Layout::open(directory).await {
        Ok(layout) => layout,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let images = layout.images().await?;
    let present: BTreeSet<&Name> = images.iter().filter_map(wharf_store::Image::name).collect();
    let unwanted = present.into_iter().filter(|name| {
        !names.contains(name)
            && prefixes.contains(prefix(name))
            && name.as_str().ends_with(&plan.options.suffix)
    });
    let location = |name: &Name| ImageLocation::Store {
        directory: directory.to_owned(),
        image: StoreImage::Name(name.clone()),
    };
    Ok(unwanted.map(location).collect())
}

const fn name(location: &ImageLocation) -> Option<&Name> {
    match location {
        ImageLocation::Store {
            image: StoreImage::Name(name),
            ..
        } => Some(name),
        _ => None,
    }
}

/// A name without its tag.
fn prefix(name: &Name) -> &str {
    let text = name.as_str();
    match text.rsplit_once(':') {
        Some((prefix, tag)) if !tag.contains('/') => prefix,
        _ => text,
    }
}

/// Removes names, and reports them.
pub(super) async fn remove(writer: &Client, removals: Vec<ImageLocation>, report: &mut Report) {
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
        Err(error) => report.failures.push(Failure::new(location.to_string(), error)),
    }
}

/// Removes tags; from a registry that removes manifests alone, those that no other tag means.
async fn remove_tags(remote: &Remote, unwanted: Vec<Tag>, report: &mut Report) {
    let location = |tag: &Tag| ImageLocation::Registry(Reference::new(remote.repository()).with_tag(tag));
    let mut left = unwanted.into_iter();
    while let Some(tag) = left.next() {
        match remote.delete_tag(&tag).await {
            Ok(()) => note(report, location(&tag), Ok(())),
            Err(error) if error.kind() == ErrorKind::NotFound => note(report, location(&tag), Ok(())),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let unwanted: Vec<Tag> = std::iter::once(tag).chain(left).collect();
                let results = remove_manifests(remote, &unwanted).await;
                for (tag, result) in unwanted.iter().zip(results) {
                    note(report, location(tag), result);
                }
                return;
            }
            Err(error) => note(report, location(&tag), Err(error.into())),
        }
    }
}

/// Removes the manifests of tags, unless another tag means one of them too; a result for each tag.
async fn remove_manifests(remote: &Remote, unwanted: &[Tag]) -> Vec<Result<(), Error>> {
    let digests = match digests(remote).await {
        Ok(digests) => digests,
        Err(error) => {
            let again = |_: &Tag| Err(Error::new(error.kind(), error.to_string()));
            return unwanted.iter().map(again).collect();
        }
    };
    let kept: HashMap<&Digest, &Tag> = digests
        .iter()
        .filter(|(tag, _)| !unwanted.contains(tag))
        .map(|(tag, digest)| (digest, tag))
        .collect();
    let mut removed = HashSet::new();
    let mut results = Vec::with_capacity(unwanted.len());
    for tag in unwanted {
        let Some(digest) = digests.get(tag) else {
            results.push(Ok(())); // it is gone
            continue;
        };
        results.push(if let Some(other) = kept.get(digest) {
            let message = format!(
                "the registry removes no tags, and the manifest {digest} of {tag} is that of {other}, too"
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        } else if removed.insert(digest) {
            remote.delete_manifest(digest).await.map_err(Error::from)
        } else {
            Ok(())
        });
    }
    results
}

/// The digests of all tags of a repository.
async fn digests(remote: &Remote) -> Result<BTreeMap<Tag, Digest>, Error> {
    let mut digests = BTreeMap::new();
    for tag in remote.tags().collect().await? {
        match remote.resolve(&tag.clone().into()).await {
            Ok(descriptor) => {
                digests.insert(tag, descriptor.digest().clone());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(digests)
}
