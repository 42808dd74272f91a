//! Reading and replacing configuration files.

use std::{fs::File, io::Read, path::Path};

use crate::{ConfigError, ConfigErrorKind};

/// The largest configuration file that is read, in bytes. Real ones have a few kilobytes.
const MAX_SIZE: u64 = 16 << 20;

/// The whole file, or `None` if it does not exist.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ConfigErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole file, which must exist.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|error| ConfigError::reading(path, error))?;
    if bytes.len() as u64 > MAX_SIZE {
        let message = format!("the file is larger than {} MiB", MAX_SIZE >> 20);
        return Err(ConfigError::new(ConfigErrorKind::TooLarge, message).with_file(path));
    }
    Ok(bytes)
}

/// The bytes as text; an error for other than UTF-8, with its position.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        let message = "the file is UTF-16; save it as UTF-8";
        return Err(ConfigError::new(ConfigErrorKind::Syntax, message).with_file(path));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        ConfigError::new(ConfigErrorKind::Syntax, "the file is not UTF-8")
            .with_file(path)
            .at(before.split('\n').count(), last_line.chars().count() + 1)
    })
}
