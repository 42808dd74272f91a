//! Changes of a root file system as a layer.

mod access;
mod batch;
mod content;
mod described;
mod options;
mod pack;
mod problem;
mod scan;
mod snapshot;
mod tree;
mod walk;
mod write;
mod xattrs;

use std::io::Write;

pub use options::DiffOptions;
use rustix::fs::FileType;
pub use snapshot::Snapshot;

use self::{
    access::Access,
    scan::Scan,
    tree::{File, Tree},
    write::Layer,
};
use crate::{
    Error, Root,
    compare::{Plan, ROOT},
};

/// The result of [`diff`](crate::diff()).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Diffed {
    /// Members of the layer, whiteouts included. With none, nothing has changed.
    pub members: u64,
    /// Whiteouts: names that were there and are not.
    pub whiteouts: u64,
    /// Bytes of content in the layer.
    pub bytes: u64,
    /// Bytes of the tar.
    pub size: u64,
    /// Sockets in the tree, which no layer can have. They count as if they were not there.
    pub sockets: u64,
}

/// Writes what has changed in a tree since a snapshot, as the tar of a layer. Applied to what the snapshot is of, the
/// layer gives the tree.
///
/// ```
/// use wharf_layer::{ApplyOptions, DiffOptions, Ownership, Root, Snapshot, apply, diff};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("root");
/// let root = Root::create(&path)?;
/// std::fs::create_dir(path.join("etc"))?;
/// std::fs::write(path.join("etc/old"), "1")?;
/// let before = Snapshot::of(&root)?;
///
/// std::fs::remove_file(path.join("etc/old"))?;
/// std::fs::write(path.join("etc/new"), "2")?;
/// let options = DiffOptions::default().with_ownership(Ownership::Current);
/// let mut layer = Vec::new();
/// let diffed = diff(&before, &root, &options, &mut layer)?;
/// assert_eq!((diffed.members, diffed.whiteouts), (3, 1)); // etc/, etc/.wh.old, etc/new
///
/// let mut whole = Vec::new();
/// diff(&Snapshot::empty(), &root, &options, &mut whole)?; // a directory as a layer
/// # let other = Root::create(directory.path().join("other"))?;
/// # apply(&other, whole.as_slice(), &ApplyOptions::default().with_ownership(Ownership::Current))?;
/// # assert_eq!(std::fs::read(directory.path().join("other/etc/new"))?, b"2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | in the tree | in the layer |
/// |---|---|
/// | a name that is new, or has another kind, content, owner, permissions, time, target or extended attributes | a member |
/// | a name that is gone | a whiteout of time 0 |
/// | a directory that leads to one of these, but for the root | a member |
/// | a file with several names, of which one is new or has changed, or that are another group of names than before | the file by its first name, hard links by the others |
/// | a socket | nothing |
///
/// Equal trees give equal bytes, in whatever order and on whatever file system they were made: a directory is before
/// what is in it, its whiteouts come first, siblings are sorted by the bytes of their names, owners have no names, and a
/// PAX header is written only for what a plain one has no room for. Of extended attributes, those are written that
/// [`apply`](crate::apply()) takes with these owners. Memory grows with the names, not with the contents; since
/// [`Snapshot::empty`] with those of the directories that lead to a file, and of files that have several.
///
/// The tree is read by descriptors as [`apply`](crate::apply()) writes it: no symbolic link is followed, and nothing
/// outside the root is read, whatever others do to the tree meanwhile. A file that the process owns and may not read, as
/// not root, gets the permission for as long as it is opened, and such a directory until the tree is read; a process that
/// is killed leaves it. Of a whole tree with more than 256 names, small files are read ahead by up to 8 threads, as there
/// are cores, in at most 5 MiB of memory.
///
/// # Deviation
///
/// Another file system that is mounted below the root is [`ErrorKind::Unsupported`]; others pack what is mounted.
/// The entries that the mount hides would be missing in the layer, and its own content is not the image's. A mount is known by the
/// device number of its directory, so that one of a directory of the same file system is not seen.
///
/// # Errors
///
/// Each names the file. After an error, what was written is no layer.
///
/// - [`ErrorKind::Conflict`]: a file changed or vanished while the tree was read, or a directory got or lost an entry;
/// - [`ErrorKind::Invalid`]: a name that begins with `.wh.`, the whiteout device of overlay file systems, an owner in
///   none of the ranges of [`Ownership::Map`](crate::Ownership::Map), or a record of an owner that cannot be read;
/// - [`ErrorKind::TooLarge`]: a path of 4,096 bytes or more, and extended attributes that [`apply`](crate::apply())
///   refuses: more than 64 of a file, or one of more than 64 KiB;
/// - [`ErrorKind::Storage`] and [`ErrorKind::NoSpace`] from the file system, and if `out` fails, or the error that `out`
///   wraps, if it is one of this crate.
///
/// [`ErrorKind::Conflict`]: crate::ErrorKind::Conflict
/// [`ErrorKind::Invalid`]: crate::ErrorKind::Invalid
/// [`ErrorKind::NoSpace`]: crate::ErrorKind::NoSpace
/// [`ErrorKind::Storage`]: crate::ErrorKind::Storage
/// [`ErrorKind::TooLarge`]: crate::ErrorKind::TooLarge
/// [`ErrorKind::Unsupported`]: crate::ErrorKind::Unsupported
pub fn diff(before: &Snapshot, root: &Root, options: &DiffOptions, out: impl Write) -> Result<Diffed, Error> {
    let Some(old) = &before.tree else {
        return pack::pack(root, options, out);
    };
    let mut access = Access::new(root)?;
    let tree = Scan::new(root, &mut access, false)?.tree()?;
    let mut comparison = Comparison {
        root,
        options,
        old,
        new: &tree,
    };
    let plan = Plan::new(old, &tree, |was, is| comparison.same(was, is))?;
    let states_root = !comparison.same(ROOT, ROOT)?;
    let mut layer = Layer::new(root, &tree, &plan, options, out)?;
    for (index, step) in plan.steps() {
        if states_root || step.node != Some(ROOT) {
            layer.step(index, step)?;
        }
    }
    layer.finish()
}

/// Two trees that are compared.
struct Comparison<'a> {
    root: &'a Root,
    options: &'a DiffOptions,
    old: &'a Tree,
    new: &'a Tree,
}

impl Comparison<'_> {
    /// True if a layer would state both alike. Contents are read only where the attributes do not tell.
    fn same(&mut self, was: u32, is: u32) -> Result<bool, Error> {
        let (Some(old), Some(new)) = (self.old.get(was), self.new.get(is)) else {
            return Ok(false);
        };
        if old.facts == new.facts && !old.fresh {
            return Ok(true);
        }
        if !self.stated_alike(old, new) {
            return Ok(false);
        }
        if new.facts.kind() != FileType::RegularFile || new.facts.size == 0 {
            return Ok(true);
        }
        let path = self.new.path(is);
        let Some(parent) = self.new.get(new.parent) else {
            return Ok(false);
        };
        let directory = self.new.path(new.parent);
        let directory = scan::open(&mut self.root.resolver()?, &directory, &parent.facts)
            .map_err(|errno| problem::of_file(self.root.path(), &path, "cannot open its directory", errno))?;
        let hash = scan::hash(self.root, &path, &directory, new)?;
        Ok(old.hash.as_ref() == Some(&hash))
    }

    fn stated_alike(&self, old: &File, new: &File) -> bool {
        let is_directory = new.facts.kind() == FileType::Directory;
        let stated = |file: &File| {
            let facts = file.facts;
            (
                (facts.mode, facts.uid, facts.gid, facts.device),
                self.options.written(facts.modified),
                (!is_directory).then_some(facts.size),
            )
        };
        stated(old) == stated(new) && old.extra == new.extra
    }
}
