//! Hashes files.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use wharf_content::{Error, Hasher};
use wharf_reference::Digest;

use crate::error::At as _;

const CHUNK: usize = 256 * 1024;

/// Hashes a file from its start to its end.
pub(crate) fn hash_into(file: &mut File, hasher: &mut Hasher) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// True if a file has this digest.
pub(crate) fn file_has(file: &mut File, digest: &Digest, path: &std::path::Path) -> Result<bool, Error> {
    let mut hasher = Hasher::new(digest.algorithm())?;
    hash_into(file, &mut hasher).at("read", path)?;
    Ok(hasher.finish()? == *digest)
}
