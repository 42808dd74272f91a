//! Random numbers of the operating system.

use wharf_content::{Error, ErrorKind};

/// 128 unguessable bits.
pub(crate) fn bits() -> Result<u128, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            ErrorKind::Other,
            format!("the operating system returned no random bytes: {error}"),
        )
    })?;
    Ok(u128::from_be_bytes(bytes))
}

/// 128 unguessable bits in hexadecimal.
pub(crate) fn id() -> Result<String, Error> {
    bits().map(|bits| format!("{bits:032x}"))
}
