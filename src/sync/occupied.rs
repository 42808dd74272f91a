//! Paths of a destination at which there is something else already are refused before anything is copied.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use wharf_content::{Error, ErrorKind};

use super::Destination;
use crate::{ImageLocation, concurrency::blocking};

/// Refuses an archive that exists, and a directory of an image inside that of another image: writing the outer image again
/// would remove the inner one.
pub(super) async fn check(
    destination: &Destination,
    located: &[(ImageLocation, ImageLocation)],
) -> Result<(), Error> {
    match destination {
        Destination::Archive { path, .. } => {
            let path = path.clone();
            blocking(move || absent(&path)).await?
        }
        Destination::Directory(base) => {
            let directories = located.iter().filter_map(|(from, to)| match to {
                ImageLocation::Directory(path) => Some((path.clone(), from.to_string())),
                _ => None,
            });
            let (base, directories) = (base.clone(), directories.collect());
            blocking(move || apart(&base, &directories)).await?
        }
        Destination::Registry(_) | Destination::Layout(_) => Ok(()),
    }
}

fn absent(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() || metadata.len() > 0 => {
            let message = format!(
                "{} exists, and an archive is not added to; remove it, or write another one",
                path.display()
            );
            Err(Error::new(ErrorKind::Conflict, message))
        }
        _ => Ok(()),
    }
}

/// `directories` has the image for each.
fn apart(base: &Path, directories: &HashMap<PathBuf, String>) -> Result<(), Error> {
    let mut without_image = HashSet::new();
    for (directory, image) in directories {
        let outer = directory
            .ancestors()
            .skip(1)
            .take_while(|outer| outer.starts_with(base));
        for outer in outer {
            let of = if let Some(other) = directories.get(outer) {
                format!("the directory of {other}")
            } else if without_image.insert(outer) && has_image(outer) {
                "the directory of another image".to_owned()
            } else {
                continue;
            };
            let message = format!(
                "{image} would be copied to {}, inside {}, {of}: give it another name, or copy it elsewhere",
                directory.display(),
                outer.display()
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
    }
    Ok(())
}

/// True for the directory of an image, as Skopeo finds it.
pub(super) fn has_image(directory: &Path) -> bool {
    directory.join("manifest.json").is_file()
}
