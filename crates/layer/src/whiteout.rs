//! Names that image-spec gives a meaning: whiteouts (layer.md, "Whiteouts").

/// The prefix of the last component of a whiteout.
const WHITEOUT: &[u8] = b".wh.";
/// The prefix of names that aufs keeps for itself.
const RESERVED: &[u8] = b".wh..wh.";
/// The last component of the whiteout of all that lower layers have in a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The meaning of a member's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// The root of the image.
    Root,
    /// An entry of the directory `parent`.
    Entry { parent: &'a [u8], leaf: &'a [u8] },
    /// Hides the entry `leaf` of `parent` that lower layers have.
    Whiteout { parent: &'a [u8], leaf: &'a [u8] },
    /// All that lower layers have in `parent` is hidden.
    Opaque { parent: &'a [u8] },
    /// Without meaning in an image.
    Reserved,
}

impl<'a> Name<'a> {
    /// The meaning of a name in a tar that is no layer.
    pub(crate) fn of_plain(name: &'a [u8]) -> Self {
        if name == b"." {
            return Self::Root;
        }
        let (parent, leaf) = split(name);
        Self::Entry { parent, leaf }
    }

    /// The meaning of a name, cleaned as [`Member::name`](crate::tar::Member::name) is; otherwise what is wrong with
    /// it.
    pub(crate) fn of(name: &'a [u8]) -> Result<Self, &'static str> {
        let (parent, leaf) = match Self::of_plain(name) {
            Self::Entry { parent, leaf } => (parent, leaf),
            root => return Ok(root),
        };
        let mut components = name.split(|byte| *byte == b'/');
        if leaf == OPAQUE && !parent.split(|byte| *byte == b'/').any(is_whiteout) {
            return Ok(Self::Opaque { parent });
        }
        if components.any(|component| component.starts_with(RESERVED)) {
            return Ok(Self::Reserved);
        }
        if parent.split(|byte| *byte == b'/').any(is_whiteout) {
            return Err("a directory of its name begins with .wh., which only a whiteout may");
        }
        match leaf.strip_prefix(WHITEOUT) {
            None => Ok(Self::Entry { parent, leaf }),
            Some(b"" | b"." | b"..") => Err("a whiteout must name a file beside it"),
            Some(leaf) => Ok(Self::Whiteout { parent, leaf }),
        }
    }
}

/// True for a component that stands for something else than a file of its name.
pub(crate) fn is_whiteout(component: &[u8]) -> bool {
    component.starts_with(WHITEOUT)
}

/// A component without the prefix of a whiteout, which does not count for the limits of a name: the file that is hidden may
/// have as many bytes as any.
pub(crate) fn hidden(component: &[u8]) -> &[u8] {
    component.strip_prefix(WHITEOUT).unwrap_or(component)
}

/// The bytes of a path, likewise without the prefix of a whiteout.
pub(crate) fn hidden_path_size(path: &[u8]) -> usize {
    let (_, leaf) = split(path);
    path.len() - (leaf.len() - hidden(leaf).len())
}

/// The last component of the whiteout of this one.
pub(crate) fn of(leaf: &[u8]) -> Vec<u8> {
    [WHITEOUT, leaf].concat()
}

/// The directory, empty for the root, and the last component.
pub(crate) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (
            name.get(..slash).unwrap_or_default(),
            name.get(slash + 1..).unwrap_or_default(),
        ),
        None => (&[], name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_meaning_that_image_spec_gives_them() {
        let entry = |parent, leaf| Ok(Name::Entry { parent, leaf });
        let whiteout = |parent, leaf| Ok(Name::Whiteout { parent, leaf });
        assert_eq!(Name::of(b"."), Ok(Name::Root));
        assert_eq!(Name::of(b"a"), entry(b"", b"a"));
        assert_eq!(Name::of(b"a/b/c"), entry(b"a/b", b"c"));
        assert_eq!(Name::of(b"a/.wh.b"), whiteout(b"a", b"b"));
        assert_eq!(Name::of(b".wh.b"), whiteout(b"", b"b"));
        assert_eq!(Name::of(b".wh.b."), whiteout(b"", b"b."));
        assert!(Name::of(b".wh.../x").is_err());
        assert_eq!(Name::of(b"a.wh.b"), entry(b"", b"a.wh.b"));
        assert_eq!(Name::of(b".whb"), entry(b"", b".whb"));
        assert_eq!(Name::of(b"a/.wh..wh..opq"), Ok(Name::Opaque { parent: b"a" }));
        assert_eq!(Name::of(b".wh..wh..opq"), Ok(Name::Opaque { parent: b"" }));
        assert_eq!(Name::of(b".wh..wh..opqx"), Ok(Name::Reserved));
        assert_eq!(Name::of(b".wh..wh.plnk"), Ok(Name::Reserved));
        assert_eq!(Name::of(b".wh..wh.plnk/1.2"), Ok(Name::Reserved));
        assert_eq!(Name::of(b".wh..wh.plnk/.wh..wh..opq"), Ok(Name::Reserved));
        for wrong in [
            ".wh.",
            "a/.wh.",
            ".wh..",
            ".wh...",
            "a/.wh..",
            ".wh.a/b",
            ".wh.a/.wh.b",
        ] {
            assert!(Name::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
