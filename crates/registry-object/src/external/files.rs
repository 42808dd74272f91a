//! Files of this machine as external objects. No symbolic link on the way is followed: whoever may write where the other
//! registry keeps its files does not choose which files of this machine are served.

use std::{fs::File, io, ops::Range};

use wharf_content::{Error, ErrorKind};
use wharf_fs::{Directory, WrongKind};

use crate::{
    objects::{OpenObject, file},
    store_error,
    text::bounded,
};

/// The size of the file at an absolute path. [`ErrorKind::NotFound`] if no regular file is there.
pub(super) async fn size(path: &str) -> Result<u64, Error> {
    find(path).await.map(|(_, size)| size)
}

/// Opens bytes of the file at an absolute path.
pub(super) async fn open(path: &str, range: Range<u64>) -> Result<OpenObject, Error> {
    let (file, size) = find(path).await?;
    let bytes = file::read(file, range.start..range.end.min(size));
    Ok(OpenObject { size, bytes })
}

async fn find(path: &str) -> Result<(File, u64), Error> {
    let path = path.to_owned();
    file::blocking(move || {
        let found = file_at(&path).and_then(|file| {
            let size = file.metadata()?.len();
            Ok((file, size))
        });
        found.map_err(|error| failed(&path, error))
    })
    .await
}

fn file_at(path: &str) -> io::Result<File> {
    let mut rest = path.strip_prefix('/').ok_or(io::ErrorKind::NotFound)?;
    let mut directory = Directory::open("/")?;
    while let Some((name, below)) = rest.split_once('/') {
        directory = directory.directory(name)?;
        rest = below;
    }
    directory.open_file(rest)
}

fn failed(path: &str, error: io::Error) -> Error {
    let is_absent = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    let kind = if is_absent || WrongKind::of(&error).is_some() {
        ErrorKind::NotFound
    } else {
        store_error::io_kind(error.kind())
    };
    Error::new(kind, format!("cannot read {}: {error}", bounded(path))).with_source(error)
}
