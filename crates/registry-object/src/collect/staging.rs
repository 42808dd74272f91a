//! Partial files of an object store that is a directory.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use wharf_content::{Error, ErrorKind};

/// The age at which nobody writes a partial file any more.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes the partial files of processes that died, which `object_store::local` names as their object with `#` and a
/// number, and which its listings hide.
pub(super) fn remove_old(root: &Path) -> Result<(), Error> {
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let failed = |error: &io::Error| {
            let message = format!(
                "cannot look for partial files in {}: {error}",
                directory.display()
            );
            Error::new(ErrorKind::Storage, message)
        };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed(&error))?;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() && is_partial(&entry) && is_old(&entry) {
                let _ = fs::remove_file(entry.path()); // another process may be faster, or the next collection
            }
        }
    }
    Ok(())
}

fn is_partial(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let number = name.to_str().and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// By the clock of this machine: if it is wrong, at worst a writer fails, which writes again.
fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| {
        SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age >= OLD)
    })
}
