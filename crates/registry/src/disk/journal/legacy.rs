//! The old format of journals, without groups: a line is one batch of changes, as the first 16 hexadecimal
//! digits of the sha256 of the rest, a space, and a JSON array. Only the last line may be corrupt, unless it
//! is the first: then nothing shows that the file is a journal.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use wharf_content::{Error, Hasher};
use wharf_reference::Algorithm;

use super::corrupt;
use crate::disk::files::At as _;

type Batch = Vec<(String, Option<String>)>;

/// Passes all changes to `each`, in order. The bytes up to the end of the last whole line.
pub(super) fn read(path: &Path, mut each: impl FnMut(Batch) -> Result<(), Error>) -> Result<u64, Error> {
    let mut file = BufReader::new(File::open(path).at("open", path)?);
    let (mut line, mut offset) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line).at("read", path)?;
        let Some(batch) = decode(&line) else {
            let ends = file.fill_buf().at("read", path)?.is_empty();
            if ends && (read == 0 || offset > 0) {
                return Ok(offset);
            }
            return Err(corrupt(path, offset));
        };
        offset += read as u64;
        each(batch)?;
    }
}

fn decode(line: &[u8]) -> Option<Batch> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = (line.get(..16)?, line.get(17..)?);
    let digest = Hasher::digest(Algorithm::Sha256, json).ok()?;
    (digest.encoded().as_bytes().get(..16)? == sum).then_some(())?;
    serde_json::from_slice(json).ok()
}
