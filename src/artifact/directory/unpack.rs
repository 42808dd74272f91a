//! Unpacks a directory of an artifact in a directory of its own, where it is checked.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use wharf_content::{Descriptor, Error, ErrorKind};
use wharf_layer::{ApplyOptions, Decoder, Limits, Ownership, Root, apply};
use wharf_reference::Digest;

use super::{TAR_DIGEST, stays_inside};

/// Unpacks an archive, which was verified, to a directory that is empty. The members are below `directories` and `name`,
/// the components of the title. Blocks.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for members elsewhere, and symbolic links that lead out of the directory;
/// [`ErrorKind::Mismatch`] for a tar that does not have the digest that the annotations state; and those of the tar.
pub(in crate::artifact) fn unpack(
    archive: &fs::File,
    content: &Descriptor,
    scratch: &Path,
    directories: &[String],
    name: &str,
) -> Result<(), Error> {
    let root = Root::create(scratch)?;
    let mut decoder = Decoder::by_magic(Limits::default());
    if let Some(digest) = content.annotations().get(TAR_DIGEST) {
        let digest = Digest::parse(digest).map_err(|error| Error::wrap(ErrorKind::Invalid, error))?;
        decoder = decoder.with_diff_id(digest)?;
    }
    let mut tar = decoder.reader(archive);
    let options = ApplyOptions::default()
        .with_ownership(Ownership::Current)
        .with_plain_tar(true);
    apply(&root, &mut tar, &options)?;
    if tar.decoded().is_none() {
        return Err(invalid(content, "its tar has no end"));
    }
    let mut top = scratch.to_owned();
    for component in directories.iter().map(String::as_str).chain([name]) {
        let mut entries = fs::read_dir(&top).map_err(|error| failed(&top, error))?;
        let only = match (entries.next(), entries.next()) {
            (Some(entry), None) => entry.map_err(|error| failed(&top, error))?,
            _ => {
                return Err(invalid(
                    content,
                    "it has members beside the directory of its title",
                ));
            }
        };
        let is_directory = only.file_type().is_ok_and(|kind| kind.is_dir());
        if only.file_name() != OsStr::new(component) || !is_directory {
            return Err(invalid(
                content,
                "it has members beside the directory of its title",
            ));
        }
        top.push(component);
    }
    check_links(content, top)
}

/// Checks the symbolic links of a tree that nobody else writes to.
fn check_links(content: &Descriptor, top: PathBuf) -> Result<(), Error> {
    let mut pending = vec![(top, 0)];
    while let Some((directory, depth)) = pending.pop() {
        for entry in fs::read_dir(&directory).map_err(|error| failed(&directory, error))? {
            let entry = entry.map_err(|error| failed(&directory, error))?;
            let kind = entry.file_type().map_err(|error| failed(&directory, error))?;
            if kind.is_dir() {
                pending.push((entry.path(), depth + 1));
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(|error| failed(&directory, error))?;
                if !target.to_str().is_some_and(|target| stays_inside(depth, target)) {
                    return Err(invalid(
                        content,
                        "one of its symbolic links leads out of its directory",
                    ));
                }
            }
        }
    }
    Ok(())
}

fn invalid(content: &Descriptor, why: &str) -> Error {
    let message = format!("the directory {} cannot be unpacked: {why}", content.digest());
    Error::new(ErrorKind::Invalid, message)
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot read {}", path.display())).with_source(error)
}
