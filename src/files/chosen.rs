//! The image that is chosen of an archive that was loaded.

use wharf_archive::Loaded;
use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::{Digest, Reference};

use crate::StoreImage;

/// The most names that a message lists.
const SHOWN: usize = 5;

/// Finds the manifest of an image, as [`Archive`](wharf_archive::Archive) finds it in an archive that is read in place.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is no such image, [`ErrorKind::Ambiguous`] if there are several.
pub(super) fn chosen(loaded: &[Loaded], image: &StoreImage) -> Result<Digest, Error> {
    let missing = |what: String| {
        let message = format!("it has no image {what}; it has {}", names(loaded));
        Error::new(ErrorKind::NotFound, message)
    };
    match image {
        StoreImage::Name(name) => named(loaded, name)?.ok_or_else(|| missing(name.to_string())),
        StoreImage::Position(position) => match loaded.get(*position) {
            Some(image) => Ok(image.descriptor.digest().clone()),
            None => Err(missing(format!("@{position}"))),
        },
        StoreImage::Digest(digest) => {
            let by_id = |image: &&Loaded| image.image_id.as_ref() == Some(digest);
            let found = loaded.iter().find(by_id).map(|image| image.descriptor.digest());
            Ok(found.unwrap_or(digest).clone())
        }
        StoreImage::Only => match loaded {
            [] => Err(Error::new(ErrorKind::NotFound, "it has no image")),
            [only] => Ok(only.descriptor.digest().clone()),
            _ => {
                let message = format!("it has several images: write which one; it has {}", names(loaded));
                Err(Error::new(ErrorKind::Ambiguous, message))
            }
        },
    }
}

/// By a name of the image, by what is short for it, or by its tag: the first of these that an image has.
fn named(loaded: &[Loaded], name: &Name) -> Result<Option<Digest>, Error> {
    let parsed = Reference::parse(name.as_str()).ok();
    let full = parsed.map(|reference| Name::from(&reference.or_latest()));
    let tag = format!(":{name}");
    let fits: [&dyn Fn(&Name) -> bool; 3] = [&|own| own == name, &|own| Some(own) == full.as_ref(), &|own| {
        own.as_str().ends_with(&tag)
    }];
    for fit in fits {
        let mut fitting = loaded.iter().filter(|image| image.names.iter().any(fit));
        let Some(first) = fitting.next() else { continue };
        let digest = first.descriptor.digest();
        if fitting.any(|other| other.descriptor.digest() != digest) {
            let message = format!("{name} means several images; it has {}", names(loaded));
            return Err(Error::new(ErrorKind::Ambiguous, message));
        }
        return Ok(Some(digest.clone()));
    }
    Ok(None)
}

fn names(loaded: &[Loaded]) -> String {
    let all = loaded.iter().enumerate();
    let shown = all.map(|(position, image)| match image.names.first() {
        Some(name) => name.to_string(),
        None => format!("@{position}"),
    });
    shown.take(SHOWN).collect::<Vec<_>>().join(", ")
}
