//! Compares an image of a set with what the destination has.

use wharf_content::{Error, ErrorKind, Source, SourceExt as _, Target};
use wharf_copy::Selection;
use wharf_reference::Digest;
use wharf_store::Layout;

use super::{Action, reader::Reader};
use crate::{Client, ImageLocation, StoreImage, files};

/// The digest that an image will have at the destination, and the work that remains.
pub(super) async fn compare(
    reader: &Reader,
    writer: &Client,
    from: &ImageLocation,
    to: &ImageLocation,
    copy: &wharf_copy::Options,
) -> Result<(Digest, Action), Error> {
    let opened = reader.open(from).await?;
    let admission = reader.client.inner.guard.admit(&opened.source, &opened.target)?;
    let top = opened.source.resolve(&opened.target).await?;
    let digest = match copy.selection() {
        Selection::Platform(_) if top.media_type().is_index() => {
            let index = opened.source.manifest_of(&top).await?;
            let image = wharf_copy::select(&*opened.source, index, copy.selection()).await?;
            image.digest().clone()
        }
        _ => top.digest().clone(),
    };
    let is_judged = admission.judges();
    if copy.is_fulfilled_by_root() && !is_judged && digest_at(writer, to).await?.as_ref() == Some(&digest) {
        return Ok((digest, Action::Skip));
    }
    Ok((digest, Action::Copy))
}

/// The digest that the destination has; `None` if it has nothing there, or nothing that can be read.
async fn digest_at(writer: &Client, to: &ImageLocation) -> Result<Option<Digest>, Error> {
    let resolved = match to {
        ImageLocation::Registry(reference) => {
            let remote = writer
                .inner
                .client
                .remote(&reference.repository())
                .without_mirrors();
            remote.resolve(&Target::of(reference)).await.map_err(Error::from)
        }
        ImageLocation::Store {
            directory,
            image: StoreImage::Name(name),
        } => match Layout::open(directory).await {
            Ok(layout) => layout.resolve(&name.into()).await,
            Err(error) => Err(error),
        },
        ImageLocation::Directory(path) => match files::open_directory(path).await {
            Ok((source, target)) => source.resolve(&target).await,
            Err(error) => Err(error),
        },
        _ => return Ok(None),
    };
    match resolved {
        Ok(descriptor) => Ok(Some(descriptor.digest().clone())),
        Err(error) => match error.kind() {
            // A registry may deny reading what may be written. Of what cannot be read, the copy says why it cannot be written.
            ErrorKind::NotFound
            | ErrorKind::Denied
            | ErrorKind::Unauthorized
            | ErrorKind::Corrupt
            | ErrorKind::Invalid => Ok(None),
            _ => Err(error),
        },
    }
}
