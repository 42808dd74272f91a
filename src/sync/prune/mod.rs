//! Names that a set does not have are found at its destination, and removed.

mod removal;

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};

use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::{Reference, Repository};
use wharf_store::Layout;

pub(super) use self::removal::remove;
use super::{Action, Destination, Options, Plan, SyncSet, set::SetSource};
use crate::{ImageLocation, StoreImage};

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

/// The images at the destination whose names the set does not have. None, if a part of the set is not known. Repositories
/// and layouts that the set is read from lose nothing: the set may be a part of them.
pub(super) async fn removals(plan: &Plan, set: &SyncSet) -> Result<Vec<ImageLocation>, Error> {
    let has_failed = plan
        .images
        .iter()
        .any(|image| matches!(image.action, Action::Fail(_)));
    if has_failed || !plan.failures.is_empty() {
        return Ok(Vec::new());
    }
    match &plan.destination {
        Destination::Layout(directory) if reads_layout(set, directory) => Ok(Vec::new()),
        Destination::Layout(directory) => in_layout(plan, directory).await,
        _ => in_registry(plan, set).await,
    }
}

fn reads_layout(set: &SyncSet, directory: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = real(directory);
    set.sources
        .iter()
        .any(|source| matches!(source, SetSource::Layout(path) if real(path) == directory))
}

async fn in_registry(plan: &Plan, set: &SyncSet) -> Result<Vec<ImageLocation>, Error> {
    let read: HashSet<Repository> = set.sources.iter().filter_map(SetSource::repository).collect();
    let written = plan.images.iter().filter_map(|image| image.to.reference());
    let wanted: HashSet<&Reference> = written.clone().collect();
    let repositories: BTreeSet<Repository> = written
        .map(Reference::repository)
        .filter(|repository| !read.contains(repository))
        .collect();
    let mut removals = Vec::new();
    for repository in repositories {
        let remote = plan.writer.inner.client.remote(&repository).without_mirrors();
        let tags = match remote.tags().collect().await {
            Ok(tags) => tags,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let tags = tags.iter().filter(|tag| is_of_plan(tag.as_str(), &plan.options));
        let references = tags.map(|tag| Reference::new(&repository).with_tag(tag));
        let unwanted = references.filter(|reference| !wanted.contains(reference));
        removals.extend(unwanted.map(ImageLocation::Registry));
    }
    Ok(removals)
}

async fn in_layout(plan: &Plan, directory: &Path) -> Result<Vec<ImageLocation>, Error> {
    let names: HashSet<&Name> = plan.images.iter().filter_map(|image| name(&image.to)).collect();
    let prefixes: HashSet<&str> = names.iter().map(|name| split(name).0).collect();
    let layout = match Layout::open(directory).await {
        Ok(layout) => layout,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let images = layout.images().await?;
    let present: BTreeSet<&Name> = images.iter().filter_map(wharf_store::Image::name).collect();
    let unwanted = present.into_iter().filter(|name| {
        let (prefix, tag) = split(name);
        !names.contains(name) && prefixes.contains(prefix) && is_of_plan(tag, &plan.options)
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

/// A name without its tag, and the tag; the name alone if it has none.
fn split(name: &Name) -> (&str, &str) {
    let text = name.as_str();
    match text.rsplit_once(':') {
        Some((prefix, tag)) if !tag.contains('/') => (prefix, tag),
        _ => (text, text),
    }
}

/// True for a tag that a plan with these options may have made.
fn is_of_plan(tag: &str, options: &Options) -> bool {
    tag.ends_with(&options.suffix) && !is_of_digest(tag)
}

/// True for a tag of the signatures or referrers of a manifest, such as `sha256-HEX.sig`. It comes and goes with the
/// manifest, which may be an image of the set.
fn is_of_digest(tag: &str) -> bool {
    let Some(encoded) = ["sha256-", "sha384-", "sha512-"]
        .iter()
        .find_map(|algorithm| tag.strip_prefix(algorithm))
    else {
        return false;
    };
    let rest = encoded.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    encoded.len() - rest.len() >= 64 && (rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_signatures_and_referrers_are_known() {
        let (short, long) = ("0a".repeat(32), "0a".repeat(64));
        for (tag, expected) in [
            (format!("sha256-{short}"), true),
            (format!("sha256-{short}.sig"), true),
            (format!("sha256-{short}.att"), true),
            (format!("sha256-{short}.sbom-copy"), true),
            (format!("sha512-{short}"), true),
            (format!("sha512-{long}.sig"), true),
            (format!("sha256-{short}-old"), false),
            (format!("sha256-{}", "0a".repeat(31)), false),
            (format!("v-{short}"), false),
            (short, false),
            ("sha256-".to_owned(), false),
            ("1".to_owned(), false),
        ] {
            assert_eq!(is_of_digest(&tag), expected, "{tag}");
        }
    }
}
