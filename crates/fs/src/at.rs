//! Reads and writes at an offset. On Unix, they do not move the position of the file.

use std::{fs::File, io};

/// Reads at an offset until the buffer is full or the file ends. Returns the number of bytes.
///
/// # Errors
///
/// As `pread`. A call that a signal has interrupted is repeated.
pub fn fill_at(file: &File, buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match read_at(file, free, offset) {
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
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Writes all bytes at an offset.
///
/// # Errors
///
/// As `pwrite`, and [`io::ErrorKind::WriteZero`] if nothing more is taken. A call that a signal has interrupted is
/// repeated.
#[cfg(unix)]
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Writes all bytes at an offset.
///
/// # Errors
///
/// As `WriteFile`, and [`io::ErrorKind::WriteZero`] if nothing more is taken.
#[cfg(windows)]
pub fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
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
