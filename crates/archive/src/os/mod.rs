//! Everything that differs between operating systems: directories by handle, locks, renames of directories,
//! reads and writes at an offset.

#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{
    Directory, exchange, is_mount_point, open_regular, open_regular_itself, rename_new,
};
#[cfg(unix)]
pub(crate) use unix::{Directory, exchange, is_mount_point, open_regular, open_regular_itself, rename_new};

use std::{fs::File, io};

/// The outcome of [`exchange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchanged {
    Yes,
    /// The system or the file system has no such operation.
    Unsupported,
}

/// The text of an error for a symbolic link, device, pipe or directory where a file belongs.
const NOT_A_FILE: &str = "it is not a regular file; symbolic links are not followed";

/// The error of a pipe, device or directory where a file must be that can be sought.
fn not_seekable() -> io::Error {
    let message = "it is not a regular file and cannot be read in place; read a pipe as a stream";
    io::Error::new(io::ErrorKind::Unsupported, message)
}

/// Reads at an offset until the buffer is full or the file ends. Returns the number of bytes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match read_some(file, free, offset) {
            Ok(0) => break,
            Ok(read) => {
                length += read;
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Writes at an offset.
#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Writes at an offset.
#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}
