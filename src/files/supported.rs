use std::{path::Path, sync::Arc};

use wharf_archive::{Archive, ArchivedImage, Dir, DirWriter, Form, Writer, WriterForm, WriterOptions};
use wharf_content::{Error, ErrorKind, Location, Name, Sink, Source, Target};

use super::streamed::{Streamed, Streams, is_stream};
use crate::{ArchiveForm, StoreImage, listing::Entry};

type Opened = (Arc<dyn Source>, Target);

/// Opens the image of a directory.
pub(crate) async fn open_directory(path: &Path) -> Result<Opened, Error> {
    let dir = Dir::open(path).await?;
    let target = Target::from(dir.root().digest());
    Ok((Arc::new(dir), target))
}

/// Opens an image of an archive.
pub(crate) async fn open_archive(
    streams: &Streams,
    path: &Path,
    form: ArchiveForm,
    image: &StoreImage,
) -> Result<Opened, Error> {
    if is_stream(path).await? {
        let streamed = Streamed::new(streams, path, form, image);
        let target = streamed.target()?;
        return Ok((Arc::new(streamed), target));
    }
    let archive = Archive::open(path, read_as(form)).await?;
    let target = match image {
        StoreImage::Only => archive.only()?.target(),
        StoreImage::Name(name) => archive.named(name)?.target(),
        StoreImage::Position(position) => archive.at(*position)?.target(),
        StoreImage::Digest(digest) => {
            let mut images = archive.images().iter();
            let by_id = images.find(|image| image.image_id() == Some(digest));
            by_id.map_or_else(|| Target::from(digest), ArchivedImage::target)
        }
    };
    Ok((Arc::new(archive), target))
}

/// Opens an archive, also one that comes as a stream, and lists its images.
pub(crate) async fn list_archive_or_stream(
    streams: &Streams,
    path: &Path,
    form: ArchiveForm,
) -> Result<(Arc<dyn Source>, Vec<Entry>), Error> {
    if is_stream(path).await? {
        let streamed = Streamed::new(streams, path, form, &StoreImage::Only);
        let entries = streamed.entries().await?;
        return Ok((Arc::new(streamed), entries));
    }
    list_archive(path, form).await
}

/// Opens an archive that can be read in place, and lists its images.
pub(crate) async fn list_archive(
    path: &Path,
    form: ArchiveForm,
) -> Result<(Arc<dyn Source>, Vec<Entry>), Error> {
    let archive = Archive::open(path, read_as(form)).await?;
    let entries = archive.images().iter().map(|image| Entry {
        names: image
            .names()
            .filter(|name| Name::parse(name).is_ok()) // an archive may say anything
            .map(str::to_owned)
            .collect(),
        position: image.position(),
        target: image.target(),
    });
    let entries = entries.collect();
    Ok((Arc::new(archive), entries))
}

const fn read_as(form: ArchiveForm) -> Form {
    match form {
        ArchiveForm::Oci => Form::Oci,
        ArchiveForm::Docker => Form::Docker,
    }
}

/// A file or directory that is written, and appears at its path when it is finished.
pub(crate) enum Created {
    Directory(Arc<DirWriter>),
    Archive(Arc<Writer>),
}

impl Created {
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match self {
            Self::Directory(writer) => Arc::clone(writer) as _,
            Self::Archive(writer) => Arc::clone(writer) as _,
        }
    }

    pub(crate) async fn finish(self) -> Result<(), Error> {
        match self {
            Self::Directory(writer) => writer.finish().await.map(drop),
            Self::Archive(writer) => writer.finish().await.map(drop),
        }
    }
}

/// Begins a directory, which must not be the one that is read.
pub(crate) async fn create_directory(path: &Path, from: &Location) -> Result<Created, Error> {
    if let Location::ImageDirectory(source) | Location::Directory(source) = from
        && let (Ok(source), Ok(destination)) = (source.canonicalize(), path.canonicalize())
        && source == destination
    {
        let message = format!(
            "cannot copy an image to {}: it is read from there",
            path.display()
        );
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(Created::Directory(Arc::new(Dir::create(path).await?)))
}

/// Begins an archive.
pub(crate) async fn create_archive(path: &Path, form: ArchiveForm) -> Result<Created, Error> {
    let form = match form {
        ArchiveForm::Oci => WriterForm::Oci,
        ArchiveForm::Docker => WriterForm::Hybrid,
    };
    let writer = Writer::create_with(path, WriterOptions::default().with_form(form)).await?;
    Ok(Created::Archive(Arc::new(writer)))
}
