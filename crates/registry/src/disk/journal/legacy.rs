//! The forms of journals before the present one, whose changes are JSON: arrays of a key and a value, which is null if
//! the key is removed. They are read once, and written anew.
//!
//! | begins with | form |
//! |---|---|
//! | `wharf journal 2 ` | groups as now, of a JSON array of changes |
//! | anything else | a line for each batch of changes: the first 16 hexadecimal digits of the sha256 of the rest, a space, and a JSON array. Only the last line may be corrupt, unless it is the first: then nothing shows that the file is a journal |

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use wharf_content::{Error, Hasher};
use wharf_reference::Algorithm;

use super::{Each, corrupt};
use crate::disk::{files::At as _, records};

type Batch = Vec<(String, Option<String>)>;

/// Passes the changes of a journal of lines to `each`, in order. The bytes up to the end of the last whole line.
pub(super) fn read(path: &Path, each: &mut Each<'_>) -> Result<u64, Error> {
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
        pass(batch, each)?;
        offset += read as u64;
    }
}

fn decode(line: &[u8]) -> Option<Batch> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = (line.get(..16)?, line.get(17..)?);
    let digest = Hasher::digest(Algorithm::Sha256, json).ok()?;
    (digest.encoded().as_bytes().get(..16)? == sum).then_some(())?;
    serde_json::from_slice(json).ok()
}

/// Passes the changes of a group to `each`. False if they are not what a group has.
pub(super) fn group(json: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
    let Ok(batch) = serde_json::from_slice::<Batch>(json) else {
        return Ok(false);
    };
    pass(batch, each)?;
    Ok(true)
}

fn pass(batch: Batch, each: &mut Each<'_>) -> Result<(), Error> {
    for (key, value) in batch {
        let (key, value) = records::from_text(&key, value.as_deref())?;
        each(&key, value.as_deref())?;
    }
    Ok(())
}
