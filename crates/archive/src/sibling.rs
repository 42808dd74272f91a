//! The names of temporary files and directories beside what they replace.

use std::ffi::{OsStr, OsString};

use wharf_content::Hasher;

/// The most bytes of a file's name.
const MAX_NAME: usize = 255;

/// The name beside another: hidden, with `.wharf-` and the suffix at its end. A name that would be too long is
/// replaced by its digest.
pub(crate) fn sibling(name: &OsStr, suffix: &str) -> OsString {
    let suffix = format!(".wharf-{suffix}");
    let mut sibling = OsString::from(".");
    if name.len() + suffix.len() < MAX_NAME {
        sibling.push(name);
    } else {
        sibling.push(Hasher::sha256(name.as_encoded_bytes()).encoded());
    }
    sibling.push(suffix);
    sibling
}
