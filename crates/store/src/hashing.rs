//! Hashes files.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Digest;

use crate::error::At as _;

const CHUNK: usize = 256 * 1024;

/// Hashes a file from its start to its end.
pub(crate) fn hash_into(file: &mut File, hasher: &mut Hasher) -> io::Result<()> {
    hash_while(file, hasher, &|| true).map(drop)
}

/// Hashes a file from its start to its end, as long as the result is wanted, which is asked before each
/// chunk. False if it was not wanted any more.
fn hash_while(file: &mut File, hasher: &mut Hasher, is_wanted: &dyn Fn() -> bool) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; CHUNK];
    while is_wanted() {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// True if a file has this digest.
pub(crate) fn file_has(file: &mut File, digest: &Digest, path: &Path) -> Result<bool, Error> {
    file_has_while(file, digest, path, &|| true)
}

/// True if a file has this digest.
///
/// Fails with [`ErrorKind::Cancelled`] once the result is not wanted any more, which is asked before each
/// chunk of the file.
pub(crate) fn file_has_while(
    file: &mut File,
    digest: &Digest,
    path: &Path,
    is_wanted: &dyn Fn() -> bool,
) -> Result<bool, Error> {
    let mut hasher = Hasher::new(digest.algorithm())?;
    if !hash_while(file, &mut hasher, is_wanted).at("read", path)? {
        let message = format!("the verification of {digest} was cancelled");
        return Err(Error::new(ErrorKind::Cancelled, message));
    }
    Ok(hasher.finish()? == *digest)
}
