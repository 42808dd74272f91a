//! Layers unpacked to a root file system.

mod applied;
mod applier;
pub(crate) mod attributes;
mod directories;
mod entries;
pub(crate) mod handle;
mod hidden;
mod new_entry;
mod options;
mod parent;
mod problem;
mod remove;
pub(crate) mod resolve;
mod root;
mod spelling;
mod staged_root;

use std::{convert, io::Read};

pub use applied::{Applied, Dropped, DroppedPart, XattrProblem};
pub use options::{ApplyOptions, Devices, IdRange, Ownership};
pub use root::Root;
pub use staged_root::StagedRoot;

use self::applier::Applier;
use crate::{
    Error, members,
    tar::{Event, Reader},
};

/// Unpacks a layer, the bytes of its tar, onto what lower layers have left in a root file system. It is read to its
/// end.
///
/// Whiteouts hide what lower layers have, as image-spec's layer.md says, wherever in the layer they stand. Symbolic
/// links of the tree are followed inside the root, which is their `/`. After an error, the root has what was unpacked
/// before; the layer cannot be applied a second time to it without a trace, so start again with a new root.
///
/// ```
/// use wharf_layer::tar::{Member, Writer};
/// use wharf_layer::{ApplyOptions, Ownership, Root, apply};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("root");
/// let mut writer = Writer::new();
/// let mut tar = writer.member(&Member::file("etc/hello", 5)?)?;
/// tar.extend_from_slice(b"world");
/// writer.content(5)?;
/// tar.extend_from_slice(writer.end_member()?);
/// tar.extend_from_slice(writer.finish()?);
///
/// let options = ApplyOptions::default().with_ownership(Ownership::Current);
/// let applied = apply(&Root::create(&path)?, tar.as_slice(), &options)?;
/// assert_eq!(std::fs::read(path.join("etc/hello"))?, b"world");
/// assert_eq!((applied.members, applied.bytes), (1, 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | member | result |
/// |---|---|
/// | a directory where a directory is | its attributes become those of the member |
/// | anything else where something is | what is there is removed, a directory with all that is in it |
/// | in a directory that is not there | the directory is made, of user and group 0 of the layer, 0755, time 0 |
/// | a hard link | to a file of this layer or a lower one; its own attributes do not count |
/// | a device | by [`Devices`]; the whiteout device of overlay file systems, 0:0, is [`ErrorKind::Invalid`] |
/// | a name that the layer had before | the last one counts |
///
/// Permissions and times of directories are set at the end. A directory that the layer writes into and does not state
/// keeps its time.
///
/// # Deviation
///
/// umoci 0.4 makes the same trees, but for devices, `..` in names and sparse files, which are refused or left out here.
/// Podman 4.3 also
///
/// - refuses a layer with a name twice, with a member below a symbolic link or with a whiteout below a file;
/// - lets a whiteout hide what its own layer has made before it, and a `.wh..wh..opq` what is in directories that the
///   layer does not state: image-spec has whiteouts hide lower layers alone;
/// - makes the directory of a whiteout that hides nothing;
/// - sets the owner, permissions and time of a hard link on the file that it names: whoever writes layers states them alike.
///
/// # Errors
///
/// Each names the member. Those of [`Reader::next_event`]; [`ErrorKind::Corrupt`] also for a name that leads through
/// a file, or more than 40 symbolic links, and for a hard link to a file that is not there, a directory or itself;
/// [`ErrorKind::TooLarge`] for directories with more than 256 MiB of names and extended attributes;
/// [`ErrorKind::Invalid`] also for an owner that the system does not have or the ranges do not map, and for a
/// whiteout of `.` or `..`; [`ErrorKind::Conflict`] if two names of the layer are one in the file system, if another
/// process moved a directory, and for a member in a mount point of the tree, or one that would remove it; [`ErrorKind::NoSpace`] and [`ErrorKind::Storage`] from the file system; an error of
/// `layer` as it is, if it wraps one of this crate, and as [`ErrorKind::Storage`] otherwise.
///
/// [`ErrorKind::Conflict`]: crate::ErrorKind::Conflict
/// [`ErrorKind::Corrupt`]: crate::ErrorKind::Corrupt
/// [`ErrorKind::Invalid`]: crate::ErrorKind::Invalid
/// [`ErrorKind::NoSpace`]: crate::ErrorKind::NoSpace
/// [`ErrorKind::Storage`]: crate::ErrorKind::Storage
/// [`ErrorKind::TooLarge`]: crate::ErrorKind::TooLarge
pub fn apply(root: &Root, layer: impl Read, options: &ApplyOptions) -> Result<Applied, Error> {
    let reader = Reader::new(options.limits.clone()).with_lenient_names(options.lenient_names);
    let mut applier = Applier::new(root, options)?;
    let summary = members::read(layer, reader, convert::identity, |event| match event {
        Event::Member {
            member, duplicate, ..
        } => applier.member(member, duplicate),
        Event::Content(bytes) => applier.content(bytes),
        Event::MemberEnd => applier.end_member(),
        Event::End => Ok(()),
    })?;
    let mut applied = applier.finish()?;
    applied.trailing = summary.trailing;
    Ok(applied)
}
