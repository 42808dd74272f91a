//! The images that an archive lists, and the names by which they are found.

use wharf_content::{Descriptor, Error, ErrorKind, Name, Target};
use wharf_reference::{Digest, Reference};

use crate::error::{error, shown};

/// The annotation that holds an image's name, or its tag alone (image-spec, *Pre-Defined Annotation Keys*).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation that holds an image's full name, or several with commas between them, as Docker, BuildKit
/// and containerd write it; [`REF_NAME`] is its tag then.
pub(crate) const FULL_NAME: &str = "io.containerd.image.name";

/// The most names in a message.
const SHOWN: usize = 5;

/// An image or index that an archive lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedImage {
    position: usize,
    names: Vec<String>,
    /// The value of [`REF_NAME`], where the names are full names.
    tag: Option<String>,
    descriptor: Descriptor,
    image_id: Option<Digest>,
}

impl ArchivedImage {
    /// An entry of index.json.
    pub(super) fn listed(position: usize, descriptor: Descriptor) -> Self {
        let annotation = |key: &str| descriptor.annotations().get(key).cloned();
        let full = annotation(FULL_NAME).unwrap_or_default();
        let names: Vec<String> = full
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let ref_name = annotation(REF_NAME).filter(|name| !name.is_empty());
        let (names, tag) = if names.is_empty() {
            (ref_name.into_iter().collect(), None)
        } else {
            (names, ref_name)
        };
        Self {
            position,
            names,
            tag,
            descriptor,
            image_id: None,
        }
    }

    /// An item of manifest.json.
    pub(super) const fn tagged(
        position: usize,
        names: Vec<String>,
        descriptor: Descriptor,
        image_id: Digest,
    ) -> Self {
        Self {
            position,
            names,
            tag: None,
            descriptor,
            image_id: Some(image_id),
        }
    }

    /// The number of entries before this one.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The names as the archive states them, of any grammar: full names (`docker.io/library/app:1`) of
    /// `io.containerd.image.name` or `RepoTags`, or else the value of `org.opencontainers.image.ref.name`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The manifest or index. Of an image that was listed in `manifest.json` alone, it is a manifest of
    /// Docker's type that is made of what is there.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The digest of the config, for an image that was listed in `manifest.json` alone.
    #[must_use]
    pub const fn image_id(&self) -> Option<&Digest> {
        self.image_id.as_ref()
    }

    /// The target by which to read the manifest or index.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::from(self.descriptor.digest())
    }

    /// The way in which a name matches; `full` is Docker's expansion of it.
    fn fit(&self, name: &str, full: Option<&str>) -> Option<Fit> {
        if self.names().any(|own| own == name) {
            Some(Fit::Exact)
        } else if full.is_some_and(|full| self.names().any(|own| own == full)) {
            Some(Fit::Short)
        } else {
            (self.tag.as_deref() == Some(name)).then_some(Fit::Tag)
        }
    }

    fn shown(&self) -> String {
        match self.names.first() {
            Some(name) => shown(name.as_bytes()),
            None => format!("@{}", self.position),
        }
    }
}

/// The ways in which a name matches an image, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The image has this name.
    Exact,
    /// The name is short for the image's full name, as Docker shortens names.
    Short,
    /// The name is the tag of the image's full name.
    Tag,
}

/// Finds the image of a name.
///
/// | the name is | example |
/// |---|---|
/// | a name of the image | `docker.io/library/app:1` |
/// | short for a full name, as Docker shortens them | `app:1` |
/// | the tag of a full name | `1` |
///
/// The first row that matches decides.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if no image has it, [`ErrorKind::Ambiguous`] if several manifests have.
pub(super) fn named<'a>(images: &'a [ArchivedImage], name: &Name) -> Result<&'a ArchivedImage, Error> {
    let text = name.as_str();
    let full = Reference::parse(text).ok().map(Reference::or_latest);
    let full = full.as_ref().map(Reference::as_str);
    for wanted in [Fit::Exact, Fit::Short, Fit::Tag] {
        let fitting = || {
            images
                .iter()
                .filter(|image| image.fit(text, full) == Some(wanted))
        };
        let Some(first) = fitting().next() else {
            continue;
        };
        let other = |image: &&ArchivedImage| image.descriptor.digest() != first.descriptor.digest();
        if fitting().any(|image| other(&image)) {
            let which: Vec<String> = fitting()
                .take(SHOWN)
                .map(|image| match wanted {
                    Fit::Tag => image.shown(),
                    _ => format!("@{}", image.position),
                })
                .collect();
            return Err(error(
                ErrorKind::Ambiguous,
                format_args!("{name} means several images: {}", which.join(", ")),
            ));
        }
        return Ok(first);
    }
    Err(error(
        ErrorKind::NotFound,
        format_args!("it has no image {name}; {}", offer(images)),
    ))
}

/// The only image.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Ambiguous`] if there are several.
pub(super) fn only(images: &[ArchivedImage]) -> Result<&ArchivedImage, Error> {
    match images {
        [] => Err(error(ErrorKind::NotFound, offer(images))),
        [image] => Ok(image),
        _ => Err(error(
            ErrorKind::Ambiguous,
            format_args!("one of several images must be chosen; {}", offer(images)),
        )),
    }
}

/// The image after so many entries.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is no image at this position.
pub(super) fn at(images: &[ArchivedImage], position: usize) -> Result<&ArchivedImage, Error> {
    let found = images.iter().find(|image| image.position == position);
    found.ok_or_else(|| {
        error(
            ErrorKind::NotFound,
            format_args!("it has no image @{position}; {}", offer(images)),
        )
    })
}

/// A phrase that lists the images.
fn offer(images: &[ArchivedImage]) -> String {
    if images.is_empty() {
        return "it lists no image".to_owned();
    }
    let names: Vec<String> = images.iter().take(SHOWN).map(ArchivedImage::shown).collect();
    let more = images.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("it has {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use wharf_content::MediaType;

    use super::*;

    fn image(position: usize, full: &str, ref_name: &str) -> ArchivedImage {
        let mut descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &[u8::try_from(position).unwrap()]);
        for (key, value) in [(FULL_NAME, full), (REF_NAME, ref_name)] {
            if !value.is_empty() {
                descriptor = descriptor.with_annotation(key, value);
            }
        }
        ArchivedImage::listed(position, descriptor)
    }

    fn found(images: &[ArchivedImage], name: &str) -> Result<usize, ErrorKind> {
        let found = named(images, &Name::parse(name).unwrap());
        found.map(ArchivedImage::position).map_err(|error| error.kind())
    }

    #[test]
    fn a_name_means_an_image_by_its_full_name_a_short_one_or_its_tag() {
        let images = [
            image(0, "docker.io/library/app:1", "1"),
            image(1, "quay.io/team/app:2", "2"),
            image(2, "", "plain"),
            image(3, "", "docker.io/library/other:latest"),
            image(4, "docker.io/library/x:1, docker.io/library/y:1", ""),
        ];
        for (name, expected) in [
            ("docker.io/library/app:1", Ok(0)),
            ("app:1", Ok(0)),
            ("1", Ok(0)),
            ("quay.io/team/app:2", Ok(1)),
            ("2", Ok(1)),
            ("plain", Ok(2)),
            ("docker.io/library/other:latest", Ok(3)),
            ("other", Ok(3)),
            ("x:1", Ok(4)),
            ("docker.io/library/y:1", Ok(4)),
            ("app", Err(ErrorKind::NotFound)),
            ("team/app:2", Err(ErrorKind::NotFound)),
            ("3", Err(ErrorKind::NotFound)),
        ] {
            assert_eq!(found(&images, name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_of_several_images_is_ambiguous_and_says_which() {
        let images = [
            image(0, "docker.io/library/a:1", "1"),
            image(1, "docker.io/library/b:1", "1"),
            image(2, "", "twice"),
            image(3, "", "twice"),
        ];
        let by_tag = named(&images, &Name::parse("1").unwrap()).unwrap_err();
        assert_eq!(by_tag.kind(), ErrorKind::Ambiguous);
        for name in ["docker.io/library/a:1", "docker.io/library/b:1"] {
            assert!(by_tag.to_string().contains(name), "{by_tag}");
        }
        assert_eq!(found(&images, "twice"), Err(ErrorKind::Ambiguous));
        assert_eq!(found(&images, "a:1"), Ok(0));
        // Two names of one manifest are no contradiction.
        let same = [image(7, "", "v"), image(7, "", "v")];
        assert_eq!(found(&same, "v"), Ok(7));
    }

    #[test]
    fn without_a_name_there_must_be_one_image() {
        let images = [image(0, "", "a"), image(2, "", "b")];
        assert_eq!(only(&[]).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(only(&images[..1]).unwrap().position(), 0);
        assert_eq!(only(&images).unwrap_err().kind(), ErrorKind::Ambiguous);
        assert_eq!(at(&images, 2).unwrap().position(), 2);
        assert_eq!(at(&images, 1).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
