//! Extended attributes of a tree's files. They are read by name relative to the descriptor of their directory; the last
//! component is not followed.

use std::os::fd::AsFd;

use rustix::{
    fs,
    io::{Errno, Result},
};

use crate::apply::attributes;

/// Those of an entry that a layer may have, sorted by name. `directory` is the name of a descriptor in procfs.
pub(super) fn of_entry(directory: &str, leaf: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let path = [directory.as_bytes(), b"/", leaf].concat();
    let path = path.as_slice();
    collected(
        grown(
            || fs::llistxattr_query(path),
            |buffer| fs::llistxattr(path, buffer),
        ),
        |name| {
            grown(
                || fs::lgetxattr_query(path, name),
                |buffer| fs::lgetxattr(path, name, buffer),
            )
        },
    )
}

/// Those of an open file that a layer may have, sorted by name.
pub(super) fn of_open(file: impl AsFd) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let file = file.as_fd();
    collected(
        grown(
            || fs::flistxattr_query(file),
            |buffer| fs::flistxattr(file, buffer),
        ),
        |name| {
            grown(
                || fs::fgetxattr_query(file, name),
                |buffer| fs::fgetxattr(file, name, buffer),
            )
        },
    )
}

fn collected(
    names: Result<Vec<u8>>,
    value: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let names = match names {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if !attributes::takes(name, true) && name != attributes::RECORD {
            continue;
        }
        match value(name) {
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
