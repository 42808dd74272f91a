//! The names of an archive's members, and the names that state a digest.

use std::collections::HashMap;

use wharf_content::{Error, ErrorKind, Hasher};
use wharf_layer::tar::{Kind, Member};
use wharf_reference::Digest;

use crate::error::{error, shown};

/// The names of an archive's members and what they are.
#[derive(Debug)]
pub(crate) struct Names<T>(HashMap<Vec<u8>, Named<T>>);

#[derive(Debug)]
enum Named<T> {
    File(T),
    Link(Vec<u8>),
    Directory,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Names<T> {
    /// Adds a member; `file` makes what a file's name stands for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ambiguous`] if there is a member of this name already, unless both are directories;
    /// [`ErrorKind::Unsupported`] for a hard link, device or FIFO.
    pub(crate) fn add(&mut self, member: &Member, file: impl FnOnce(u64) -> T) -> Result<(), Error> {
        let named = match member.kind() {
            Kind::File { size } => Named::File(file(*size)),
            Kind::Symlink { target } => Named::Link(target.clone()),
            Kind::Directory => Named::Directory,
            Kind::HardLink { .. } => return Err(unsupported(member, "a hard link")),
            Kind::Fifo => return Err(unsupported(member, "a FIFO")),
            _ => return Err(unsupported(member, "a device")),
        };
        let is_directory = matches!(named, Named::Directory);
        match self.0.insert(member.name().to_vec(), named) {
            None => Ok(()),
            Some(Named::Directory) if is_directory => Ok(()),
            Some(_) => Err(error(
                ErrorKind::Ambiguous,
                format_args!("two members are called {}", shown(member.name())),
            )),
        }
    }

    /// The member that a name stands for; a symbolic link is followed once, to a file of this archive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such member, [`ErrorKind::Invalid`] for a link that leads out of
    /// the archive, to another link or to nothing, and for a directory.
    pub(crate) fn file(&self, name: &str) -> Result<&T, Error> {
        let cleaned = clean(name.as_bytes()).ok_or_else(|| outside(name.as_bytes(), "its path"))?;
        match self.0.get(&cleaned) {
            Some(Named::File(file)) => Ok(file),
            Some(Named::Directory) => Err(error(
                ErrorKind::Invalid,
                format_args!(
                    "the member {} is a directory where a file belongs",
                    shown(&cleaned)
                ),
            )),
            Some(Named::Link(target)) => self.linked(&cleaned, target),
            None => Err(error(
                ErrorKind::NotFound,
                format_args!("there is no member {}", shown(&cleaned)),
            )),
        }
    }

    fn linked(&self, link: &[u8], target: &[u8]) -> Result<&T, Error> {
        if target.starts_with(b"/") {
            return Err(outside(link, "its target"));
        }
        let parent = link.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
        let joined = [parent, b"/", target].concat();
        let cleaned = clean(&joined).ok_or_else(|| outside(link, "its target"))?;
        match self.0.get(&cleaned) {
            Some(Named::File(file)) => Ok(file),
            Some(Named::Link(_)) => Err(error(
                ErrorKind::Invalid,
                format_args!("the member {} is a link to a link", shown(link)),
            )),
            _ => Err(error(
                ErrorKind::Invalid,
                format_args!(
                    "the member {} is a link to {}, which is no file of the archive",
                    shown(link),
                    shown(&cleaned)
                ),
            )),
        }
    }

    /// True if a file or link has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(self.0.get(name.as_bytes()), Some(Named::File(_) | Named::Link(_)))
    }

    /// The files and links whose name is that of a blob, with its digest.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = (Digest, &T)> {
        self.0.keys().filter_map(|name| {
            let name = str::from_utf8(name).ok()?;
            let digest = digest_of(name)?;
            Some((digest, self.file(name).ok()?))
        })
    }
}

/// The digest that the name `blobs/ALGORITHM/ENCODED` states.
pub(crate) fn digest_of(name: &str) -> Option<Digest> {
    let (algorithm, encoded) = name.strip_prefix("blobs/")?.split_once('/')?;
    Digest::parse(&format!("{algorithm}:{encoded}")).ok()
}

/// Checks the content of a member against the digest that its name states, if it states one.
pub(crate) fn verify(name: &str, content: &[u8]) -> Result<(), Error> {
    let Some(stated) = digest_of(name) else {
        return Ok(());
    };
    let found = Hasher::digest(stated.algorithm(), content)?;
    if found == stated {
        return Ok(());
    }
    Err(error(
        ErrorKind::Mismatch,
        format_args!("the member {} has the digest {found}", shown(name.as_bytes())),
    ))
}

/// The name of a blob's member.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm_name(), digest.encoded())
}

/// The components of a path joined by `/`, with `.` and `..` resolved by the text; `None` if it leads out.
fn clean(path: &[u8]) -> Option<Vec<u8>> {
    let mut components: Vec<&[u8]> = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()?),
            _ => components.push(component),
        }
    }
    Some(components.join(&b'/'))
}

fn outside(name: &[u8], what: &str) -> Error {
    error(
        ErrorKind::Invalid,
        format_args!(
            "the member {} is refused: {what} leads out of the archive",
            shown(name)
        ),
    )
}

fn unsupported(member: &Member, what: &str) -> Error {
    error(
        ErrorKind::Unsupported,
        format_args!(
            "the member {} is {what}, which no image archive has",
            shown(member.name())
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(links: &[(&str, &str)]) -> Names<u64> {
        let mut names = Names::default();
        for file in ["file", "d/file", "a/b/file"] {
            names.add(&Member::file(file, 7).unwrap(), |size| size).unwrap();
        }
        names.add(&Member::directory("d").unwrap(), |size| size).unwrap();
        for (name, target) in links {
            names
                .add(&Member::symlink(name, *target).unwrap(), |size| size)
                .unwrap();
        }
        names
    }

    #[test]
    fn a_link_is_followed_once_within_the_archive() {
        for (name, target) in [
            ("l", "file"),
            ("l", "./d/../file"),
            ("d/l", "file"),
            ("d/l", "../file"),
            ("a/b/l", "../../d/file"),
        ] {
            assert_eq!(
                *names(&[(name, target)]).file(name).unwrap(),
                7,
                "{name} -> {target}"
            );
        }
        for (name, target) in [
            ("l", "/file"),
            ("l", "../file"),
            ("d/l", "../../file"),
            ("d/l", "../../../etc/passwd"),
            ("l", "l"),
            ("l", "nothing"),
            ("l", "d"),
            ("l", ""),
        ] {
            let refused = names(&[(name, target)]).file(name).unwrap_err();
            assert_eq!(
                refused.kind(),
                ErrorKind::Invalid,
                "{name} -> {target}: {refused}"
            );
        }
        let chain = names(&[("l", "m"), ("m", "file"), ("x", "y"), ("y", "x")]);
        assert!(chain.file("m").is_ok());
        for name in ["l", "x", "y"] {
            assert_eq!(chain.file(name).unwrap_err().kind(), ErrorKind::Invalid, "{name}");
        }
    }

    #[test]
    fn names_are_looked_up_cleaned() {
        let names = names(&[]);
        for name in ["file", "./file", "/file", "d/../file", "a//../file"] {
            assert!(names.file(name).is_ok(), "{name}");
        }
        for (name, kind) in [
            ("absent", ErrorKind::NotFound),
            ("d", ErrorKind::Invalid),
            ("../file", ErrorKind::Invalid),
            ("", ErrorKind::NotFound),
        ] {
            assert_eq!(names.file(name).unwrap_err().kind(), kind, "{name}");
        }
    }

    #[test]
    fn a_name_has_one_meaning() {
        let file = || Member::file("a", 0).unwrap();
        let directory = || Member::directory("a").unwrap();
        let link = || Member::symlink("a", "b").unwrap();
        for (first, second) in [
            (file(), file()),
            (file(), directory()),
            (directory(), file()),
            (link(), file()),
            (link(), link()),
        ] {
            let mut names = Names::default();
            names.add(&first, |size| size).unwrap();
            assert_eq!(
                names.add(&second, |size| size).unwrap_err().kind(),
                ErrorKind::Ambiguous
            );
        }
        let mut names = Names::default();
        for _ in 0..2 {
            names.add(&directory(), |size| size).unwrap();
        }
        let hard = Member::hard_link("h", "a").unwrap();
        for member in [
            hard,
            Member::new("f", Kind::Fifo).unwrap(),
            Member::new("c", Kind::CharacterDevice { major: 1, minor: 3 }).unwrap(),
        ] {
            assert_eq!(
                names.add(&member, |size| size).unwrap_err().kind(),
                ErrorKind::Unsupported
            );
        }
    }

    #[test]
    fn the_name_of_a_blob_states_its_digest() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = digest_of(&format!("blobs/sha256/{hex}")).unwrap();
        assert_eq!(blob_name(&digest), format!("blobs/sha256/{hex}"));
        for name in [
            "blobs/sha256/e3b0",
            "blobs/sha256",
            "sha256/x",
            &format!("blobs/{hex}"),
            &format!("x/blobs/sha256/{hex}"),
        ] {
            assert_eq!(digest_of(name), None, "{name}");
        }
    }
}
