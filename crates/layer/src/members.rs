//! The members of a layer, read from the bytes of its tar, and the rules that every user of a layer has for them.

use std::io::{self, Read};

use crate::{
    Error, ErrorKind,
    tar::{self, Event, Member, Reader, Summary},
};

/// The most bytes of one extended attribute of a member.
const XATTR_BYTES: usize = 64 << 10;
/// The most extended attributes of one member.
const XATTRS: usize = 64;

/// Reads a layer to its end. `locate` completes the errors of reading it. An error of `layer` that wraps one of this crate
/// is taken as that.
pub(crate) fn read(
    mut layer: impl Read,
    mut reader: Reader,
    locate: impl Fn(Error) -> Error,
    mut on_event: impl FnMut(Event<'_>) -> Result<(), Error>,
) -> Result<Summary, Error> {
    /// Bytes that are read at a time.
    const BUFFER: usize = 256 << 10;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match layer.read(&mut buffer) {
            Ok(0) => return reader.finish().map_err(locate),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(locate(of_input(error))),
        };
        let mut input = buffer.get(..count).unwrap_or_default();
        while let Some(event) = reader.next_event(&mut input).map_err(&locate)? {
            on_event(event)?;
        }
    }
}

fn of_input(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => {
            let message = format!("the layer cannot be read: {error}");
            Error::new(ErrorKind::Storage, message).with_source(error)
        }
    }
}

/// The error of a member that no root takes.
pub(crate) fn refused(kind: ErrorKind, member: &[u8], why: &str) -> Error {
    Error::new(kind, format!("tar member {}: {why}", tar::shown(member)))
}

/// Refuses a member with more, or larger, extended attributes than are taken.
pub(crate) fn check_xattrs(member: &Member) -> Result<(), Error> {
    let too_large = |why: String| Err(refused(ErrorKind::TooLarge, member.name(), &why));
    if member.xattrs().count() > XATTRS {
        return too_large(format!("it has more than {XATTRS} extended attributes"));
    }
    match member.xattrs().find(|(_, value)| value.len() > XATTR_BYTES) {
        Some((name, value)) => too_large(format!(
            "its extended attribute {} has {} bytes; at most {XATTR_BYTES} are taken",
            tar::shown(name),
            value.len()
        )),
        None => Ok(()),
    }
}

/// Refuses the character device that hides files in overlay file systems.
pub(crate) fn check_device(member: &[u8], major: u32, minor: u32) -> Result<(), Error> {
    if (major, minor) != (0, 0) {
        return Ok(());
    }
    let why = "the character device 0:0 hides files in overlay file systems, and is not for layers";
    Err(refused(ErrorKind::Invalid, member, why))
}
