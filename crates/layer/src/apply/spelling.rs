//! File systems that take `A` for `a`: a second spelling of a name is another file in the image, and would replace the
//! first one there.

use std::{collections::HashMap, os::fd::AsFd};

use rustix::io::{Errno, Result};

use super::handle::{self, Identity};

/// Tells names from their other spellings.
#[derive(Debug, Default)]
pub(super) struct Spelling {
    /// Directories in which two spellings have led to one file, and whether they take one for the other. It is asked
    /// once, as two hard links are such names as well.
    folding: HashMap<Identity, bool>,
}

impl Spelling {
    /// True if the entry that a directory has by a name is spelled otherwise there.
    pub(super) fn is_other(&mut self, directory: impl AsFd, at: Identity, leaf: &[u8]) -> Result<bool> {
        if self.folding.get(&at) == Some(&false) {
            return Ok(false);
        }
        let Some(other) = swapped(leaf) else {
            return Ok(false);
        };
        let of_other = match handle::entry(&directory, &other) {
            Err(Errno::NAMETOOLONG) => return Ok(false), // upper case can be longer
            found => found?,
        };
        let of_name = handle::entry(&directory, leaf)?;
        match (of_name, of_other) {
            (Some(one), Some(other)) if Identity::of(&one) == Identity::of(&other) => {}
            _ => return Ok(false),
        }
        let (mut has_name, mut has_other) = (false, false);
        for name in handle::names(handle::listed(&directory, b".")?)? {
            let name = name?;
            has_name |= name == leaf;
            has_other |= name == other;
        }
        self.folding.insert(at, !(has_name && has_other));
        Ok(!has_name)
    }
}

/// The name with upper case for lower case and the reverse. `None` if it has no letters with a case.
fn swapped(name: &[u8]) -> Option<Vec<u8>> {
    let mut swapped = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let other: String = if letter.is_lowercase() {
                letter.to_uppercase().collect()
            } else {
                letter.to_lowercase().collect()
            };
            swapped.extend_from_slice(other.as_bytes());
        }
        swapped.extend_from_slice(chunk.invalid());
    }
    (swapped != name).then_some(swapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_has_the_other_case() {
        for (name, expected) in [
            ("Makefile", Some("mAKEFILE")),
            ("README.md", Some("readme.MD")),
            ("ärger", Some("ÄRGER")),
            ("ÑandÚ", Some("ñANDú")),
            ("1.2-3", None),
            ("日本", None),
            ("", None),
        ] {
            let found = swapped(name.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name}");
        }
        assert_eq!(swapped(b"a\xff1").as_deref(), Some(&b"A\xff1"[..]));
    }
}
