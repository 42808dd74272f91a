//! Directories of the root, by name: symbolic links are followed inside the root, which is their `/`.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    fs::{self, FileType, Mode, OFlags, ResolveFlags},
    io::{Errno, Result},
};

use super::handle::{self, Identity};

/// The most symbolic links of one name, as the kernel has it.
const MAX_LINKS: u32 = 40;

/// The way in which names are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// By the kernel, with openat2(2); by component where that is refused (an old kernel, a seccomp filter).
    #[default]
    Kernel,
    /// By component.
    Walk,
}

/// Resolves names of directories below a root.
#[derive(Debug)]
pub(crate) struct Resolver {
    root: OwnedFd,
    way: Way,
}

/// Is told of the directories that are made because they are missing.
pub(crate) trait OnMissing {
    /// An entry `leaf` of the directory `above`, which has this name, will be made.
    fn before(&mut self, above: &OwnedFd, above_name: &[u8], leaf: &[u8]) -> Result<()>;
    /// The directory of this name was made.
    fn made(&mut self, directory: &OwnedFd, name: &[u8]) -> Result<()>;
}

impl Resolver {
    pub(crate) const fn new(root: OwnedFd, way: Way) -> Self {
        Self { root, way }
    }

    pub(crate) const fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The directory of this name, empty for the root. Its last component may be a symbolic link, too.
    ///
    /// Fails with [`Errno::NOENT`], [`Errno::NOTDIR`], [`Errno::LOOP`] after more than 40 symbolic links, and
    /// [`Errno::XDEV`] for a mount point and what is below it.
    pub(crate) fn directory(&mut self, name: &[u8]) -> Result<OwnedFd> {
        match self.by_kernel(name) {
            Some(found) => found,
            None => self.walk(name, None),
        }
    }

    /// As [`Resolver::directory`]; directories that are missing are made with the permissions 0700, also those that a
    /// symbolic link leads to.
    pub(crate) fn make_directory(&mut self, name: &[u8], on_missing: &mut dyn OnMissing) -> Result<OwnedFd> {
        match self.by_kernel(name) {
            None | Some(Err(Errno::NOENT)) => self.walk(name, Some(on_missing)),
            Some(found) => found,
        }
    }

    /// `None` if the kernel cannot.
    fn by_kernel(&mut self, name: &[u8]) -> Option<Result<OwnedFd>> {
        /// The kernel gives up where the tree is changed meanwhile.
        const ATTEMPTS: u32 = 128;
        if self.way == Way::Walk {
            return None;
        }
        let name = if name.is_empty() { b"." } else { name };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        for _ in 0..ATTEMPTS {
            match fs::openat2(&self.root, name, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS | Errno::PERM) => break,
                found => return Some(found),
            }
        }
        self.way = Way::Walk;
        None
    }

    fn walk(&self, name: &[u8], mut on_missing: Option<&mut dyn OnMissing>) -> Result<OwnedFd> {
        let mut at = Position::new(&self.root)?;
        let mut pending = reversed(name);
        let mut links = 0;
        while let Some(component) = pending.pop() {
            if component == b".." {
                at.up()?;
                continue;
            }
            let found = match (handle::path_of(&at.directory, &component), &mut on_missing) {
                (Err(Errno::NOENT), Some(on_missing)) => {
                    on_missing.before(&at.directory, &at.path, &component)?;
                    at.down(make(&at.directory, &component)?, &component)?;
                    on_missing.made(&at.directory, &at.path)?;
                    continue;
                }
                (found, _) => found?,
            };
            match handle::file_type(&fs::fstat(&found)?) {
                FileType::Directory => {
                    handle::same_mount(&self.root, &found)?;
                    at.down(found, &component)?;
                }
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = fs::readlinkat(&found, "", Vec::new())?;
                    if target.to_bytes().starts_with(b"/") {
                        at = Position::new(&self.root)?;
                    }
                    pending.extend(reversed(target.to_bytes()));
                }
                _ => return Err(Errno::NOTDIR),
            }
        }
        Ok(at.directory)
    }
}

/// A directory that a walk has come to, and the way there, on which is no symbolic link.
struct Position {
    directory: OwnedFd,
    /// From the root, empty for the root itself. It is text, for one that is 2,000 directories deep costs as much as a
    /// shallow one then.
    path: Vec<u8>,
    /// The directories above, the root first.
    above: Vec<Identity>,
}

impl Position {
    /// At the root.
    fn new(root: &OwnedFd) -> Result<Self> {
        Ok(Self {
            directory: root.try_clone().map_err(|_| Errno::MFILE)?,
            path: Vec::new(),
            above: Vec::new(),
        })
    }

    fn down(&mut self, directory: OwnedFd, component: &[u8]) -> Result<()> {
        self.above.push(Identity::of(&fs::fstat(&self.directory)?));
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(component);
        self.directory = directory;
        Ok(())
    }

    /// To the directory above, which is the root for the root itself.
    fn up(&mut self) -> Result<()> {
        if let Some(above) = self.above.pop() {
            let parent = handle::path_of(&self.directory, b"..")?;
            self.directory = handle::still(parent, above)?;
            let end = self.path.iter().rposition(|byte| *byte == b'/');
            self.path.truncate(end.unwrap_or(0));
        }
        Ok(())
    }
}

/// The components of a name, the first one last.
fn reversed(name: &[u8]) -> Vec<Vec<u8>> {
    let components = name.split(|byte| *byte == b'/');
    let components = components.filter(|component| !component.is_empty() && *component != b".");
    let mut components: Vec<_> = components.map(<[u8]>::to_vec).collect();
    components.reverse();
    components
}

fn make(directory: impl AsFd, leaf: &[u8]) -> Result<OwnedFd> {
    match fs::mkdirat(&directory, leaf, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => handle::path_of(&directory, leaf),
        Err(error) => Err(error),
    }
}
