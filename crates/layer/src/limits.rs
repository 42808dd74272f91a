/// The limits of a [`Decoder`](crate::Decoder). The defaults suit layers of strangers.
///
/// An error because of a limit is [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and names the field, so
/// that honest content that is beyond one can be read with another: a file of zeros compresses by more than
/// `ratio`.
///
/// ```
/// use wharf_layer::{Codec, Decoder, Limits};
/// let decoder = Decoder::new(Codec::Gzip, Limits::default().with_output(1 << 30));
/// # let _ = decoder;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of decoded content. Default 64 GiB.
    pub output: u64,
    /// How many times as large as the compressed content the decoded one may be, after its first 1 MiB. Default
    /// 1,000.
    pub ratio: u64,
    /// The window of a zstd frame, as an exponent of 2. Default 27: a decoder may need 128 MiB. At most 31.
    /// gzip's window is always 32 KiB.
    pub window_log: u32,
    /// gzip members or zstd frames. eStargz and zstd:chunked have one for each file. Default 500,000.
    pub members: u64,
    /// Bytes of the header of one gzip member, which can hold a name and a comment. Default 1 MiB.
    pub header: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output: 64 << 30,
            ratio: 1000,
            window_log: 27,
            members: 500_000,
            header: 1 << 20,
        }
    }
}

impl Limits {
    /// Sets [`Limits::output`].
    #[must_use]
    pub fn with_output(mut self, bytes: u64) -> Self {
        self.output = bytes;
        self
    }

    /// Sets [`Limits::ratio`].
    #[must_use]
    pub fn with_ratio(mut self, ratio: u64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Sets [`Limits::window_log`].
    #[must_use]
    pub fn with_window_log(mut self, window_log: u32) -> Self {
        self.window_log = window_log;
        self
    }

    /// Sets [`Limits::members`].
    #[must_use]
    pub fn with_members(mut self, members: u64) -> Self {
        self.members = members;
        self
    }

    /// Sets [`Limits::header`].
    #[must_use]
    pub fn with_header(mut self, bytes: u64) -> Self {
        self.header = bytes;
        self
    }
}
