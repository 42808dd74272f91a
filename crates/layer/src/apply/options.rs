use super::attributes;
use crate::{Error, ErrorKind, tar};

/// The settings of [`apply`](crate::apply()).
///
/// ```
/// use wharf_layer::{ApplyOptions, Devices, Ownership};
/// let options = ApplyOptions::default().with_ownership(Ownership::Current).with_devices(Devices::Placeholder);
/// # let _ = options;
/// ```
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    pub(super) ownership: Ownership,
    pub(super) devices: Devices,
    pub(super) limits: tar::Limits,
    pub(super) strict: bool,
    pub(super) keep_directory_links: bool,
    pub(super) lenient_names: bool,
    pub(super) plain: bool,
}

impl ApplyOptions {
    /// Sets who owns what is unpacked. Default: [`Ownership::Keep`].
    #[must_use]
    pub fn with_ownership(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    /// Sets the treatment of devices. Default: [`Devices::Skip`].
    #[must_use]
    pub const fn with_devices(mut self, devices: Devices) -> Self {
        self.devices = devices;
        self
    }

    /// Sets the limits for the tar. The content of files is not bounded here but by the limits of the decoder.
    #[must_use]
    pub fn with_limits(mut self, limits: tar::Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With `true`, an extended attribute that the file system refuses is an error. By default it is dropped and
    /// listed.
    #[must_use]
    pub const fn with_strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// With `true`, a directory of the layer does not replace a symbolic link that leads to a directory of the root,
    /// such as `lib` to `usr/lib`, but merges with what the link leads to; umoci's `--keep-dirlinks`. By default the
    /// link is replaced, as image-spec says.
    #[must_use]
    pub const fn with_keep_directory_links(mut self, keep: bool) -> Self {
        self.keep_directory_links = keep;
        self
    }

    /// With `true`, a name with `..` is resolved within the root by its text, as umoci and Podman do. By default it
    /// is an error.
    #[must_use]
    pub const fn with_lenient_names(mut self, lenient: bool) -> Self {
        self.lenient_names = lenient;
        self
    }

    /// With `true`, the tar is no layer but any archive: a name that begins with `.wh.` is that of a file, and hides
    /// nothing. By default it is a whiteout.
    #[must_use]
    pub const fn with_plain_tar(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }
}

/// The treatment of the owners that a layer states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ownership {
    /// Users and groups are those of the layer. It needs the right to change owners: root, or a user namespace that
    /// maps the ids, as `podman unshare` makes one.
    #[default]
    Keep,
    /// Users and groups of the layer are looked up in ranges. An id in no range is an error.
    Map {
        /// Ranges of users.
        users: Vec<IdRange>,
        /// Ranges of groups.
        groups: Vec<IdRange>,
    },
    /// Everything belongs to the user and group of the process. Bits for setuid and setgid are dropped.
    Current,
    /// As [`Ownership::Current`], and the owner of the layer, unless it is 0:0, is recorded in the extended attribute
    /// `user.rootlesscontainers`, as `umoci unpack --rootless` does.
    Record,
}

/// A range of ids, as a line of `/proc/PID/uid_map`: `count` ids from `inside` on, in the layer, are those from
/// `outside` on, on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    inside: u32,
    outside: u32,
    count: u32,
}

impl IdRange {
    /// A range.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it has no ids, or ids of 2³² - 1 or more, of which the first means "no id".
    pub fn new(inside: u32, outside: u32, count: u32) -> Result<Self, Error> {
        let ends = |first: u32| first.checked_add(count).is_some();
        if count == 0 || !ends(inside) || !ends(outside) {
            let message = format!(
                "range of {count} ids from {inside} to {outside}: it is empty, or ends above 2^32 - 2"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(Self {
            inside,
            outside,
            count,
        })
    }

    fn map(self, id: u32) -> Option<u32> {
        let offset = id
            .checked_sub(self.inside)
            .filter(|offset| *offset < self.count)?;
        self.outside.checked_add(offset)
    }

    const fn reversed(self) -> Self {
        Self {
            inside: self.outside,
            outside: self.inside,
            count: self.count,
        }
    }
}

/// The owner that a file of a layer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// This user and group.
    Set(u32, u32),
    /// The owner of the process.
    Current,
    /// The owner of the process; these are recorded.
    Record(u32, u32),
}

/// The id that means "no change" to the system.
const NO_ID: u32 = u32::MAX;

impl Ownership {
    /// The owner for these ids of a layer; otherwise what is wrong with them.
    pub(super) fn owner(&self, uid: u64, gid: u64) -> Result<Owner, String> {
        match self {
            Self::Current => Ok(Owner::Current),
            Self::Keep => Ok(Owner::Set(id("user", uid)?, id("group", gid)?)),
            Self::Record => Ok(Owner::Record(id("user", uid)?, id("group", gid)?)),
            Self::Map { users, groups } => Ok(Owner::Set(
                mapped("user", users, uid)?,
                mapped("group", groups, gid)?,
            )),
        }
    }
}

impl Ownership {
    /// The owner in a layer of a file with this owner and record; otherwise what is wrong with them.
    pub(crate) fn stated(&self, uid: u32, gid: u32, record: Option<&[u8]>) -> Result<(u32, u32), String> {
        let reversed = |what, ranges: &[IdRange], id: u32| {
            let reversed: Vec<_> = ranges.iter().map(|range| range.reversed()).collect();
            mapped(what, &reversed, id.into())
        };
        match self {
            Self::Keep => Ok((uid, gid)),
            Self::Current => Ok((0, 0)),
            Self::Record => attributes::recorded(record.unwrap_or_default())
                .ok_or_else(|| "its record of an owner, user.rootlesscontainers, cannot be read".to_owned()),
            Self::Map { users, groups } => {
                Ok((reversed("user", users, uid)?, reversed("group", groups, gid)?))
            }
        }
    }

    /// True if files have the owner of the layer, or one that stands for it.
    pub(crate) const fn keeps_owner(&self) -> bool {
        matches!(self, Self::Keep | Self::Map { .. })
    }
}

fn id(what: &str, id: u64) -> Result<u32, String> {
    u32::try_from(id)
        .ok()
        .filter(|id| *id != NO_ID)
        .ok_or_else(|| format!("{what} {id} is larger than 2^32 - 2, the largest id of the system"))
}

fn mapped(what: &str, ranges: &[IdRange], wanted: u64) -> Result<u32, String> {
    let wanted = id(what, wanted)?;
    ranges
        .iter()
        .find_map(|range| range.map(wanted))
        .ok_or_else(|| format!("{what} {wanted} is in none of the ranges that were given"))
}

/// The treatment of character and block devices of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Devices {
    /// They are left out, and listed.
    ///
    /// # Deviation
    ///
    /// Podman and umoci make them as root. A runtime makes the devices of a container itself.
    #[default]
    Skip,
    /// An empty file is made in place of each, as `umoci unpack --rootless` does; they are listed.
    Placeholder,
    /// They are made. It needs the right to do so.
    Create,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_or_refused_and_never_wrapped() {
        let range = |inside, outside, count| IdRange::new(inside, outside, count).unwrap();
        let map = Ownership::Map {
            users: vec![range(0, 1000, 1), range(1, 100_000, 65_535)],
            groups: vec![range(0, 2000, 10)],
        };
        let set = |user, group| Ok(Owner::Set(user, group));
        assert_eq!(map.owner(0, 0), set(1000, 2000));
        assert_eq!(map.owner(1, 9), set(100_000, 2009));
        assert_eq!(map.owner(65_535, 1), set(165_534, 2001));
        assert!(map.owner(65_536, 1).unwrap_err().contains("user 65536"));
        assert!(map.owner(0, 10).unwrap_err().contains("group 10"));
        assert!(map.owner(1 << 32, 0).is_err(), "4294967296 is not 0");
        assert_eq!(Ownership::Keep.owner(0, 4_294_967_294), set(0, 4_294_967_294));
        for too_large in [u64::from(u32::MAX), 1 << 32, u64::MAX] {
            assert!(Ownership::Keep.owner(too_large, 0).is_err(), "{too_large}");
            assert!(Ownership::Record.owner(0, too_large).is_err(), "{too_large}");
            assert_eq!(Ownership::Current.owner(too_large, 0), Ok(Owner::Current));
        }
        assert_eq!(map.stated(1000, 2000, None), Ok((0, 0)));
        assert_eq!(map.stated(165_534, 2009, None), Ok((65_535, 9)));
        assert!(map.stated(0, 2000, None).unwrap_err().contains("user 0 "));
        assert!(map.stated(1000, 2010, None).unwrap_err().contains("group 2010 "));
        assert_eq!(Ownership::Current.stated(5, 6, Some(&[8, 7])), Ok((0, 0)));
        assert_eq!(Ownership::Keep.stated(5, 6, Some(&[8, 7])), Ok((5, 6)));
        assert_eq!(Ownership::Record.stated(5, 6, Some(&[8, 7])), Ok((7, 0)));
        assert!(Ownership::Record.stated(5, 6, Some(&[8])).is_err());
        assert!(IdRange::new(0, 0, 0).is_err());
        assert!(IdRange::new(u32::MAX, 0, 1).is_err());
        assert!(IdRange::new(0, 1, u32::MAX).is_err());
        assert!(IdRange::new(0, 0, u32::MAX).is_ok());
    }
}
