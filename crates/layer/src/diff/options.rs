use crate::{
    Ownership,
    tar::{Time, Writer},
};

/// The settings of [`diff`](crate::diff()).
///
/// ```
/// use wharf_layer::{DiffOptions, Ownership, tar::Time};
/// let options = DiffOptions::default().with_ownership(Ownership::Current).with_latest_time(Time::new(1_700_000_000, 0));
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    pub(super) ownership: Ownership,
    pub(super) latest: Option<Time>,
    pub(super) nanoseconds: bool,
}

impl DiffOptions {
    /// Sets how owners of files become those of the layer. It is what the tree was unpacked with. Default:
    /// [`Ownership::Keep`].
    ///
    /// | ownership | owner in the layer |
    /// |---|---|
    /// | [`Ownership::Keep`] | that of the file |
    /// | [`Ownership::Map`] | the id inside the range that has the file's; in no range: an error |
    /// | [`Ownership::Current`] | user and group 0 |
    /// | [`Ownership::Record`] | that recorded in `user.rootlesscontainers`, and 0 where nothing is |
    #[must_use]
    pub fn with_ownership(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    /// Writes later times of modification as this one, as builds do that are given `SOURCE_DATE_EPOCH`. By default they
    /// are written as they are.
    #[must_use]
    pub const fn with_latest_time(mut self, time: Time) -> Self {
        self.latest = Some(time);
        self
    }

    /// With `true`, times have the precision of the file system, at the price of a PAX header for each member. By
    /// default they are cut to whole seconds, as other builders write them, and times that differ by less are equal.
    #[must_use]
    pub const fn with_nanoseconds(mut self, nanoseconds: bool) -> Self {
        self.nanoseconds = nanoseconds;
        self
    }

    /// A writer of tars with these options.
    pub(super) fn writer(&self) -> Writer {
        match self.latest {
            Some(latest) => Writer::new().with_latest_time(latest),
            None => Writer::new(),
        }
    }

    /// A time as it is written, but for [`DiffOptions::with_latest_time`].
    pub(super) const fn written(&self, time: Time) -> Time {
        if self.nanoseconds {
            time
        } else {
            Time::new(time.seconds(), 0)
        }
    }
}
