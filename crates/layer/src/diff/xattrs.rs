//! Extended attributes of a tree's files. They are read by name relative to the descriptor of their directory; the last
//! component is not followed.

use rustix::{
    fs,
    io::{Errno, Result},
};

use crate::apply::attributes;

/// Those of an entry that a layer may have, sorted by name. `directory` is the name of a descriptor in procfs.
pub(super) fn of_entry(directory: &str, leaf: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let path = [directory.as_bytes(), b"/", leaf].concat();
    let names = match grown(
        || fs::llistxattr_query(path.as_slice()),
        |buffer| fs::llistxattr(path.as_slice(), buffer),
    ) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if !attributes::takes(name, true) && name != attributes::RECORD {
            continue;
        }
        match grown(
            || fs::lgetxattr_query(path.as_slice(), name),
            |buffer| fs::lgetxattr(path.as_slice(), name, buffer),
        ) {
            Ok(value) => found.push((name.to_vec(), value)),
            Err(Errno::NODATA) => {} // it was removed meanwhile
            Err(error) => return Err(error),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Asks for the size and then reads the bytes, until they fit.
fn grown(
    size: impl Fn() -> Result<usize>,
    mut read: impl FnMut(&mut [u8]) -> Result<usize>,
) -> Result<Vec<u8>> {
    loop {
        let mut buffer = vec![0; size()?];
        if buffer.is_empty() {
            return Ok(buffer);
        }
        match read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Ok(buffer);
            }
            Err(Errno::RANGE) => {} // it has grown
            Err(error) => return Err(error),
        }
    }
}
