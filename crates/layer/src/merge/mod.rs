//! Layers merged to one, without a file system.

mod addition;
mod entries;
mod limits;
mod node;
mod nodes;
mod resolve;
mod write;

use std::io::{Read, Write};

pub use entries::{Difference, DifferenceKind, MergedEntry};
pub use limits::MergeLimits;

use self::{addition::Addition, entries::Entries, nodes::Nodes};
use crate::{
    Error, ErrorKind,
    compare::{Empty, Plan, ROOT},
    members, tar,
};

/// The tree that a stack of layers makes, without the contents of its files: names, attributes, links.
///
/// Layers are added from the lowest up and understood as `apply` understands them: whiteouts hide what lower
/// layers have, symbolic links on the way are followed inside the root, a hard link is another name of one file, of
/// which a higher layer replaces only the name that it states. Owners, times and extended attributes stay as the layers
/// have them; names of users and groups are left out. Memory grows with the names, not with the contents, within
/// [`MergeLimits`].
///
/// The tree is written as one layer, or image's root file system, by [`Merged::write`]. As contents are not kept, every
/// layer is read twice: first when it is added, and a second time for the contents that are still in the tree.
///
/// ```
/// use wharf_layer::Merged;
/// use wharf_layer::tar::{Member, Writer};
///
/// let layer = |members: &[Member]| -> Result<Vec<u8>, wharf_layer::Error> {
///     let (mut writer, mut tar) = (Writer::new(), Vec::new());
///     for member in members {
///         tar.extend(writer.member(member)?);
///         tar.extend_from_slice(writer.end_member()?);
///     }
///     tar.extend_from_slice(writer.finish()?);
///     Ok(tar)
/// };
/// let layers = [
///     layer(&[Member::directory("etc")?, Member::file("etc/motd", 0)?, Member::file("old", 0)?])?,
///     layer(&[Member::file(".wh.old", 0)?, Member::symlink("motd", "etc/motd")?])?,
/// ];
///
/// let mut merged = Merged::new();
/// for layer in &layers {
///     merged.add(layer.as_slice())?;
/// }
/// let names: Vec<_> = merged.entries().map(|entry| entry.name().to_vec()).collect();
/// assert_eq!(names, [&b"."[..], b"etc", b"etc/motd", b"motd"]);
///
/// let mut flat = Vec::new();
/// merged.write(&mut flat, |layer| Ok(layers[layer].as_slice()))?;
/// # let mut again = Merged::new();
/// # again.add(flat.as_slice())?;
/// # assert_eq!(again.differences_from(&merged).count(), 0);
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// Some layers alone, such as those above an image's base, become one by a copy that has those below:
///
/// ```
/// # use wharf_layer::{Error, Merged};
/// # fn squash(layers: &[Vec<u8>], kept: usize, out: &mut Vec<u8>) -> Result<(), Error> {
/// let mut merged = Merged::new();
/// let mut base = merged.clone();
/// for (index, layer) in layers.iter().enumerate() {
///     merged.add(layer.as_slice())?;
///     if index + 1 == kept {
///         base = merged.clone();
///     }
/// }
/// merged.write_onto(&base, out, |layer| Ok(layers[layer].as_slice()))?;
/// # Ok(())
/// # }
/// # squash(&[vec![0; 1024], vec![0; 1024]], 1, &mut Vec::new()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Merged {
    nodes: Nodes,
    tar_limits: tar::Limits,
    lenient_names: bool,
    digests: bool,
    layers: u32,
    /// True after an error: the tree has a part of a layer.
    failed: bool,
}

impl Default for Merged {
    fn default() -> Self {
        Self::new()
    }
}

impl Merged {
    /// The tree of no layer: a root with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: Nodes::new(MergeLimits::default()),
            tar_limits: tar::Limits::default(),
            lenient_names: false,
            digests: false,
            layers: 0,
            failed: false,
        }
    }

    /// Sets the limits for the tree.
    #[must_use]
    pub fn with_limits(mut self, limits: MergeLimits) -> Self {
        self.nodes.limits = limits;
        self
    }

    /// Sets the limits for the tar of each layer.
    #[must_use]
    pub fn with_tar_limits(mut self, limits: tar::Limits) -> Self {
        self.tar_limits = limits;
        self
    }

    /// With `true`, a name with `..` is resolved within the root by its text, as umoci and Podman do. By default it
    /// is an error.
    #[must_use]
    pub const fn with_lenient_names(mut self, lenient: bool) -> Self {
        self.lenient_names = lenient;
        self
    }

    /// With `true`, the content of each file is hashed when its layer is added, so that
    /// [`Merged::differences_from`] sees other content of the same size and time. By default it is not.
    #[must_use]
    pub const fn with_digests(mut self, digests: bool) -> Self {
        self.digests = digests;
        self
    }

    /// Adds a layer, the bytes of its tar, on top of those that were added before. It is read to its end.
    ///
    /// # Errors
    ///
    /// Each names the layer by its number, counted from one, and the member. Those of
    /// [`tar::Reader::next_event`](crate::tar::Reader::next_event); [`ErrorKind::Corrupt`] also for a name that leads
    /// through a file, or more than 40 symbolic links, and for a hard link to a file that is not there, a directory
    /// or itself; [`ErrorKind::Invalid`] also for a whiteout of `.` or `..`, and for the whiteout device of overlay file
    /// systems; [`ErrorKind::TooLarge`] for a limit; an error of `layer` with its own kind, if it wraps one of this
    /// crate, and as [`ErrorKind::Storage`] otherwise. After an error, the tree has a part of the layer and cannot be used.
    pub fn add(&mut self, layer: impl Read) -> Result<(), Error> {
        self.check()?;
        let index = self.layers;
        self.failed = true;
        let reader = self.reader();
        let locate = |error| of_layer(index, error);
        let mut addition = Addition::new(&mut self.nodes, index, self.digests);
        members::read(layer, reader, locate, |event| {
            addition.event(event).map_err(locate)
        })?;
        self.layers = self.layers.saturating_add(1);
        self.failed = false;
        Ok(())
    }

    /// The number of layers that were added.
    #[must_use]
    pub fn layers(&self) -> usize {
        usize::try_from(self.layers).unwrap_or(usize::MAX)
    }

    /// All names, the root first: a directory before what is in it, siblings sorted by the bytes of their names.
    pub fn entries(&self) -> impl Iterator<Item = MergedEntry<'_>> {
        Entries::new(&self.nodes)
    }

    /// The entry of this name, cleaned as [`Member::name`](tar::Member::name) is. Symbolic links are not followed.
    #[must_use]
    pub fn entry(&self, name: &[u8]) -> Option<MergedEntry<'_>> {
        let mut node = ROOT;
        for component in name.split(|byte| *byte == b'/').filter(|part| *part != b".") {
            node = self.nodes.child(node, component)?.node;
        }
        Some(MergedEntry::new(name.to_vec(), self.nodes.get(node)))
    }

    /// The names in which this tree differs from another, in the order of [`Merged::entries`]. A name is the same if
    /// kind, size, target, owner, permissions, time and extended attributes are, and the digest if both have it.
    pub fn differences_from<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Difference> + 'a {
        entries::differences(Entries::new(&before.nodes), Entries::new(&self.nodes))
    }

    /// Writes the tree as the tar of one layer, without whiteouts. Returns the tar's length in bytes.
    ///
    /// `open` gives the bytes of a layer once more, by its number from 0. It is called at most once for each, the lowest
    /// first, and not for layers of which no content is left. What it gives is read to its end.
    ///
    /// Equal layers give equal bytes. Directories, links, devices and FIFOs come first, a directory before what
    /// is in it and siblings sorted by the bytes of their names; then the files in the order in which the layers have
    /// them, the further names of each right behind it. Times have the precision that the layers have. The root is
    /// written if a layer states it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if `open` gives another layer than the one that was added; errors of `open`, and of
    /// reading as [`Merged::add`] has them; [`ErrorKind::NoSpace`] and [`ErrorKind::Storage`] if `out` fails, and its own
    /// error if that wraps one of this crate; those of [`tar::Writer::member`](crate::tar::Writer::member).
    pub fn write<R: Read>(
        &self,
        out: impl Write,
        open: impl FnMut(usize) -> Result<R, Error>,
    ) -> Result<u64, Error> {
        self.check()?;
        let plan = Plan::new(&Empty, &self.nodes, |_, _| Ok(true))?;
        write::write(self, &plan, out, open)
    }

    /// Writes the tar of the layer that makes this tree of another, with whiteouts. Returns its length in bytes.
    ///
    /// `base` is a clone of this tree from before its highest layers were added. The order is that of [`Merged::write`],
    /// with the whiteouts of a directory before its other entries; the directories that lead to a member are
    /// members. A layer of the base is opened only for the content of a file that has new names.
    ///
    /// # Errors
    ///
    /// Those of [`Merged::write`]; [`ErrorKind::Invalid`] if `base` has more layers.
    pub fn write_onto<R: Read>(
        &self,
        base: &Self,
        out: impl Write,
        open: impl FnMut(usize) -> Result<R, Error>,
    ) -> Result<u64, Error> {
        self.check()?;
        base.check()?;
        if base.layers > self.layers {
            let message = format!(
                "the base has {} layers, and the tree that is built on it {}",
                base.layers, self.layers
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let plan = Plan::new(&base.nodes, &self.nodes, |before, after| {
            Ok(base.nodes.get(before).origin == self.nodes.get(after).origin)
        })?;
        write::write(self, &plan, out, open)
    }

    fn reader(&self) -> tar::Reader {
        tar::Reader::new(self.tar_limits.clone()).with_lenient_names(self.lenient_names)
    }

    fn check(&self) -> Result<(), Error> {
        if self.failed {
            let message = "a layer could not be added to the tree before; begin with a new one";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(())
    }
}

/// An error of a layer, with its number. Layers are counted from one in errors.
fn of_layer(index: u32, error: Error) -> Error {
    let message = format!("layer {}: {error}", u64::from(index) + 1);
    Error::new(error.kind(), message).with_source(error)
}
