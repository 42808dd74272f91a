//! Images to write, and directories to look at.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tempfile::TempDir;
use wharf_archive::{Dir, DirWriter};
use wharf_content::{Blob, Descriptor, Error, Sink};
use wharf_testkit::{Image, Index};

pub(crate) fn blob((descriptor, bytes): &(Descriptor, Bytes)) -> Blob {
    Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap()
}

/// Pushes an image without a name.
pub(crate) async fn push(image: &Image, sink: &dyn Sink) {
    for content in image.blobs() {
        sink.push_blob(blob(content)).await.unwrap();
    }
    sink.push_manifest(image.manifest(), None).await.unwrap();
}

/// Pushes an index with its images, without a name.
pub(crate) async fn push_index(index: &Index, sink: &dyn Sink) {
    for image in index.images() {
        push(image, sink).await;
    }
    sink.push_manifest(index.manifest(), None).await.unwrap();
}

/// Writes an image directory.
pub(crate) async fn write_dir(path: &Path, image: &Image) -> Dir {
    let writer = Dir::create(path).await.unwrap();
    push(image, &writer).await;
    writer.finish().await.unwrap()
}

/// The names and bytes of all files of a directory.
pub(crate) fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let listed = std::fs::read_dir(directory).unwrap();
    let files = listed.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let bytes = std::fs::read(entry.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, bytes)
    });
    files.collect()
}

/// The names in a directory.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = listed
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A temporary directory.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The error of what must fail.
pub(crate) fn refused<T>(result: Result<T, Error>) -> Error {
    match result {
        Err(error) => error,
        Ok(_) => panic!("it must fail"),
    }
}

/// The error of a directory that must not be written.
pub(crate) async fn refused_to_write(path: &Path) -> Error {
    let result: Result<DirWriter, Error> = Dir::create(path).await;
    refused(result)
}
