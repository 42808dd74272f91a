use std::{fmt, str::FromStr};

use wharf_content::{Error, ErrorKind, Name, Target};
use wharf_reference::Digest;
use wharf_store::Layout;

/// The greatest number of names that a message lists.
const SHOWN: usize = 5;

/// Selects one image of a store: by name, position or digest, or the only one.
///
/// As text it is a name, `@N`, or a digest, alone or after `@`.
///
/// ```
/// use wharf::StoreImage;
///
/// assert_eq!("@0".parse::<StoreImage>()?, StoreImage::Position(0));
/// assert_eq!("app:1".parse::<StoreImage>()?.to_string(), "app:1");
/// # Ok::<(), wharf::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreImage {
    /// The only image of the store; an error if there are several.
    Only,
    /// The image of this name. Docker's full names, their short forms and their tags are understood as
    /// [`wharf_store`] describes.
    Name(Name),
    /// The image after this many entries of index.json, as Skopeo's `oci:DIRECTORY:@N` counts.
    Position(usize),
    /// The image of this digest, whether index.json lists it or not.
    Digest(Digest),
}

impl StoreImage {
    /// The name or digest by which to read this image from the store.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{StoreImage, store::Layout};
    ///
    /// let store = Layout::open("images").await?;
    /// let image = StoreImage::Position(0).target(&store).await?;
    /// client.push(&store, image, "registry.example.com/team/app:1.0").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the store has no image, or none at this position, [`ErrorKind::Invalid`] if
    /// it has several and none is chosen, or the entry at the position cannot be read, and the failures of
    /// the store. A name or digest that the store does not have is no error here: reading the image fails
    /// with it.
    pub async fn target(&self, store: &Layout) -> Result<Target, Error> {
        match self {
            Self::Only => only(store).await,
            Self::Name(name) => Ok(Target::Name(name.clone())),
            Self::Position(position) => {
                let image = store.image_at(*position).await?;
                Ok(Target::Digest(image.descriptor().digest().clone()))
            }
            Self::Digest(digest) => Ok(Target::Digest(digest.clone())),
        }
    }
}

/// The only image of a store; several names for it are no error. Entries of other content do not count.
async fn only(store: &Layout) -> Result<Target, Error> {
    let mut images = store.images().await?;
    images.retain(|image| image.descriptor().media_type().is_manifest());
    let directory = store.path().display();
    let Some(first) = images.first() else {
        let message = format!("{directory} lists no image");
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    let digest = first.descriptor().digest();
    if images.iter().all(|image| image.descriptor().digest() == digest) {
        return Ok(Target::Digest(digest.clone()));
    }
    let shown = images.iter().take(SHOWN).map(|image| match image.name() {
        Some(name) => name.to_string(),
        None => format!("@{}", image.position()),
    });
    let shown: Vec<String> = shown.collect();
    let more = if images.len() > shown.len() { ", ..." } else { "" };
    let message = format!(
        "{directory} has several images: write which one by name, by number (@0 is the first) or by digest; it has {}{more}",
        shown.join(", ")
    );
    Err(Error::new(ErrorKind::Invalid, message))
}

impl FromStr for StoreImage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let after_at = text.strip_prefix('@');
        if let Some(digest) = digest(after_at.unwrap_or(text)) {
            return Ok(Self::Digest(digest));
        }
        match after_at {
            None => Name::parse(text).map(Self::Name),
            Some(number) => number.parse().map(Self::Position).map_err(|_| {
                let shown: String = text.chars().take(80).collect();
                let message = format!("invalid image {shown:?}: a number or a digest is expected after @");
                Error::new(ErrorKind::Invalid, message)
            }),
        }
    }
}

/// A digest that a store can have; `app:1` has the grammar of one too.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    let digest = Digest::parse(text).ok()?;
    digest.algorithm().is_supported().then_some(digest)
}

impl From<Name> for StoreImage {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

impl fmt::Display for StoreImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => Ok(()),
            Self::Name(name) => fmt::Display::fmt(name, f),
            Self::Position(position) => write!(f, "@{position}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}
