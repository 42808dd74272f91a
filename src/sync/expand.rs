//! Lists the images of a set.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::{Reference, Repository};
use wharf_store::Layout;

use super::{
    Options, SyncSet, bounded, occupied,
    reader::Reader,
    report::Failure,
    set::{SetSource, TagFilter},
};
use crate::{ArchiveForm, ImageLocation, StoreImage, concurrency::blocking, files};

/// The most images of a set.
const MAX_IMAGES: usize = 100_000;
/// The most directories in each other below a directory of images.
const MAX_DEPTH: usize = 64;
/// The most files and directories below a directory of images, beside those of the images.
const MAX_FILES: usize = 1_000_000;

/// An image of a set.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) from: ImageLocation,
    /// Its whole name, from which the one at the destination is made.
    pub(super) full: String,
}

/// The images of a set, in its order, and the parts that could not be listed.
pub(super) async fn list(
    reader: &Reader,
    set: &SyncSet,
    options: &Options,
) -> Result<(Vec<Found>, Vec<Failure>), Error> {
    let count = Arc::new(AtomicUsize::new(0));
    let work = |source: SetSource| {
        let (reader, count) = (reader.clone(), Arc::clone(&count));
        async move {
            let listed = one(&reader, &source, &count).await;
            listed.map_err(|error| Failure::new(source.to_string(), error))
        }
    };
    let keep_going = options.keep_going;
    let fine = |listed: &Result<_, Failure>| listed.is_ok() || keep_going;
    let lists = bounded::each(set.sources.clone(), options.at_once, work, fine).await;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for list in lists.into_iter().flatten() {
        match list {
            Ok(found) => images.extend(found),
            Err(failure) if keep_going => failures.push(failure),
            Err(failure) => return Err(failure.into_error()),
        }
    }
    if images.len() > MAX_IMAGES {
        return Err(too_many());
    }
    images.retain(|found| options.admits(&found.from.to_string()));
    Ok((images, failures))
}

fn too_many() -> Error {
    let message = format!("the set has more than {MAX_IMAGES} images");
    Error::new(ErrorKind::TooLarge, message)
}

async fn one(reader: &Reader, source: &SetSource, count: &AtomicUsize) -> Result<Vec<Found>, Error> {
    match source {
        SetSource::Image(reference) => Ok(vec![in_registry(reference.clone())]),
        SetSource::Repository { repository, tags } => tagged(reader, repository, tags, count).await,
        SetSource::Directory(path) => directories(path.clone()).await,
        SetSource::Layout(path) => named_in_layout(path).await,
        SetSource::Archive { path, form } => named_in_archive(path, *form).await,
    }
}

fn in_registry(reference: Reference) -> Found {
    Found {
        full: reference.to_string(),
        from: ImageLocation::Registry(reference),
    }
}

/// The tags of a repository; `count` has those of the whole set.
async fn tagged(
    reader: &Reader,
    repository: &Repository,
    wanted: &TagFilter,
    count: &AtomicUsize,
) -> Result<Vec<Found>, Error> {
    let mut tags = reader.registries.remote(repository).tags();
    let mut found = Vec::new();
    while let Some(tag) = tags.next().await? {
        if wanted.selects(&tag) {
            if count.fetch_add(1, Ordering::Relaxed) >= MAX_IMAGES {
                return Err(too_many());
            }
            found.push(in_registry(Reference::new(repository).with_tag(&tag)));
        }
    }
    Ok(found)
}

async fn named_in_layout(path: &Path) -> Result<Vec<Found>, Error> {
    let images = Layout::open(path).await?.images().await?;
    let images = images
        .iter()
        .filter(|image| image.descriptor().media_type().is_manifest());
    let names = images.filter_map(|image| image.name().cloned());
    let found = |name: Name| Found {
        full: name.to_string(),
        from: ImageLocation::Store {
            directory: path.to_owned(),
            image: StoreImage::Name(name),
        },
    };
    Ok(names.map(found).collect())
}

async fn named_in_archive(path: &Path, form: ArchiveForm) -> Result<Vec<Found>, Error> {
    let (_, entries) = files::list_archive(path, form).await?;
    let names = entries.into_iter().flat_map(|entry| entry.names);
    let names = names.filter_map(|name| Name::parse(&name).ok());
    let found = |name: Name| Found {
        full: name.to_string(),
        from: ImageLocation::Archive {
            path: path.to_owned(),
            form,
            image: StoreImage::Name(name),
        },
    };
    Ok(names.map(found).collect())
}

async fn directories(base: PathBuf) -> Result<Vec<Found>, Error> {
    blocking(move || walk(&base)).await?
}

/// The directories with a manifest, in the order of their names. What is below one of them is part of its image.
fn walk(base: &Path) -> Result<Vec<Found>, Error> {
    let (mut found, mut seen) = (Vec::new(), 0_usize);
    let mut pending = vec![(base.to_owned(), 0)];
    while let Some((directory, depth)) = pending.pop() {
        if occupied::has_image(&directory) {
            let full = name_below(base, &directory)?;
            found.push(Found {
                from: ImageLocation::Directory(directory),
                full,
            });
            continue;
        }
        if depth == MAX_DEPTH {
            let message = format!(
                "{} is more than {MAX_DEPTH} directories deep",
                directory.display()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut below = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(|error| unreadable(&directory, error))? {
            let entry = entry.map_err(|error| unreadable(&directory, error))?;
            seen += 1;
            if seen > MAX_FILES {
                let message = format!("{} has more than {MAX_FILES} files", base.display());
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            let kind = entry.file_type().map_err(|error| unreadable(&directory, error))?;
            if kind.is_dir() {
                below.push((entry.path(), depth + 1));
            }
        }
        below.sort_by(|a, b| b.0.cmp(&a.0));
        pending.extend(below);
    }
    Ok(found)
}

/// The path below the base, with `/` between its components; the name of the base if the base is the image.
fn name_below(base: &Path, directory: &Path) -> Result<String, Error> {
    let unnamed = || {
        let message = format!("{} has a name that is no text", directory.display());
        Error::new(ErrorKind::Invalid, message)
    };
    let below = directory.strip_prefix(base).unwrap_or(directory);
    if below.as_os_str().is_empty() {
        let absolute = base.canonicalize().map_err(|error| unreadable(base, error))?;
        let name = absolute.file_name().and_then(|name| name.to_str());
        return name.map(str::to_owned).ok_or_else(unnamed);
    }
    let parts = below.iter().map(|part| part.to_str());
    let parts: Option<Vec<&str>> = parts.collect();
    parts.map(|parts| parts.join("/")).ok_or_else(unnamed)
}

fn unreadable(directory: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot read the directory {}", directory.display())).with_source(error)
}
