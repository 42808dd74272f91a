use std::collections::BTreeMap;

use super::{
    limits::Limits,
    name::{self, Parents},
    problem::Problem,
    time::Time,
};
use crate::{Error, ErrorKind};

/// One file, directory, link, device or FIFO of an archive, without its content.
///
/// Names are bytes: they need not be UTF-8. A name is relative to the root of the image and cleaned: `a`,
/// `./a`, `/a` and `a/` are all `a`, and the root itself is `.`.
///
/// ```
/// use wharf_layer::tar::{Kind, Member, Time};
///
/// let member = Member::file("/usr/bin/hello", 5)?
///     .with_mode(0o755)
///     .with_owner(1000, 1000)
///     .with_modified(Time::new(1_700_000_000, 0));
/// assert_eq!(member.name(), b"usr/bin/hello");
/// assert_eq!(*member.kind(), Kind::File { size: 5 });
/// # Ok::<(), wharf_layer::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    name: Vec<u8>,
    kind: Kind,
    mode: u32,
    uid: u64,
    gid: u64,
    user: Vec<u8>,
    group: Vec<u8>,
    modified: Time,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The kinds of [`Member`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A regular file.
    File {
        /// Bytes of its content.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link. The target is as the archive has it: it may be empty, absolute or lead upwards.
    Symlink {
        /// Where it leads.
        target: Vec<u8>,
    },
    /// Another name of a file of this archive or of the image below.
    HardLink {
        /// The name of that file, cleaned as a member's name is.
        target: Vec<u8>,
    },
    /// A character device.
    CharacterDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A FIFO.
    Fifo,
}

impl Kind {
    /// The permissions that a new member of this kind has.
    const fn mode(&self) -> u32 {
        match self {
            Self::Directory => 0o755,
            Self::Symlink { .. } => 0o777,
            _ => 0o644,
        }
    }
}

impl Member {
    /// A member of user and group 0 and the time 0, with the permissions 0755 if it is a directory, 0777 if it
    /// is a symbolic link, and 0644 otherwise.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Invalid`] for `..` in a name, and for a root that is no directory;
    /// - [`ErrorKind::Corrupt`] for a name or target that is empty or has NUL bytes (the target of a symbolic
    ///   link may be empty);
    /// - [`ErrorKind::TooLarge`] for one that is longer than the default [`Limits`] allow.
    pub fn new(name: impl AsRef<[u8]>, kind: Kind) -> Result<Self, Error> {
        let name = name.as_ref();
        Self::parse(name, kind, &Limits::default(), Parents::Refuse).map_err(|problem| problem.of(name))
    }

    /// A regular file with this many bytes of content.
    ///
    /// # Errors
    ///
    /// As [`Member::new`].
    pub fn file(name: impl AsRef<[u8]>, size: u64) -> Result<Self, Error> {
        Self::new(name, Kind::File { size })
    }

    /// A directory.
    ///
    /// # Errors
    ///
    /// As [`Member::new`].
    pub fn directory(name: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::new(name, Kind::Directory)
    }

    /// A symbolic link.
    ///
    /// # Errors
    ///
    /// As [`Member::new`].
    pub fn symlink(name: impl AsRef<[u8]>, target: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let target = target.into();
        Self::new(name, Kind::Symlink { target })
    }

    /// Another name of a file.
    ///
    /// # Errors
    ///
    /// As [`Member::new`].
    pub fn hard_link(name: impl AsRef<[u8]>, target: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let target = target.into();
        Self::new(name, Kind::HardLink { target })
    }

    pub(super) fn parse(raw: &[u8], kind: Kind, limits: &Limits, parents: Parents) -> Result<Self, Problem> {
        let name = name::clean(raw, limits, parents)?;
        if name == name::ROOT && kind != Kind::Directory {
            return Err(Problem::new(
                ErrorKind::Invalid,
                "the name is that of the root, which must be a directory",
            ));
        }
        let mode = kind.mode();
        let kind = match kind {
            Kind::HardLink { target } => Kind::HardLink {
                target: name::clean(&target, limits, parents)
                    .map_err(|problem| problem.about("target of the link: "))?,
            },
            Kind::Symlink { target } => {
                if !target.is_empty() {
                    name::check(&target, limits, "the target of the link")?;
                }
                Kind::Symlink { target }
            }
            other => other,
        };
        Ok(Self {
            name,
            kind,
            mode,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            modified: Time::EPOCH,
            xattrs: BTreeMap::new(),
        })
    }

    /// The member as a file of this size, if it is one.
    pub(super) fn with_size(&self, size: u64) -> Self {
        let mut member = self.clone();
        if let Kind::File { size: known } = &mut member.kind {
            *known = size;
        }
        member
    }

    /// Sets the permissions. Of `mode`, the bits 07777 count.
    #[must_use]
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o7777;
        self
    }

    /// Sets the numbers of user and group.
    #[must_use]
    pub fn with_owner(mut self, uid: u64, gid: u64) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }

    /// Sets the names of user and group. Empty: none, which is the default.
    #[must_use]
    pub fn with_owner_names(mut self, user: impl Into<Vec<u8>>, group: impl Into<Vec<u8>>) -> Self {
        self.user = user.into();
        self.group = group.into();
        self
    }

    /// Sets the time of the last modification.
    #[must_use]
    pub fn with_modified(mut self, time: Time) -> Self {
        self.modified = time;
        self
    }

    /// Adds an extended attribute, such as `security.capability`, or replaces it.
    #[must_use]
    pub fn with_xattr(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.xattrs.insert(name.into(), value.into());
        self
    }

    /// Removes an extended attribute, if it is there.
    #[must_use]
    pub fn without_xattr(mut self, name: impl AsRef<[u8]>) -> Self {
        self.xattrs.remove(name.as_ref());
        self
    }

    /// The name, cleaned.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// True for the root directory, whose name is `.`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.name == name::ROOT
    }

    /// The kind of the member.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Bytes of content: those of a regular file, 0 for all else.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size } => size,
            _ => 0,
        }
    }

    /// The permissions, with the bits for setuid, setgid and sticky: at most 07777.
    #[must_use]
    pub const fn mode(&self) -> u32 {
        self.mode
    }

    /// The number of the user. It may be larger than any that Linux has.
    #[must_use]
    pub const fn uid(&self) -> u64 {
        self.uid
    }

    /// The number of the group. It may be larger than any that Linux has.
    #[must_use]
    pub const fn gid(&self) -> u64 {
        self.gid
    }

    /// The name of the user, empty if there is none.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The name of the group, empty if there is none.
    #[must_use]
    pub fn group(&self) -> &[u8] {
        &self.group
    }

    /// The time of the last modification.
    #[must_use]
    pub const fn modified(&self) -> Time {
        self.modified
    }

    /// The extended attributes, by name, sorted by it.
    pub fn xattrs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.xattrs
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}
