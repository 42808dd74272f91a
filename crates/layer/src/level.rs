use std::fmt;

use crate::{Error, ErrorKind, codec::Codec};

/// A codec, and how hard it compresses.
///
/// Layers of programs and libraries, encoded on one thread of a current server, beside what Skopeo 1.22 (pgzip) and GNU
/// gzip make of them at the same level:
///
/// | level | MB of tar a second | size / Skopeo's | size / GNU gzip's |
/// |---|---|---|---|
/// | gzip-1 | 267 | 1.11 | 1.19 |
/// | gzip-4 | 130 | 0.98 | 1.03 |
/// | gzip-6 | 100 | 0.98 | 1.03 |
/// | gzip-9 | 26 | 0.97 | 1.00 |
///
/// ```
/// use wharf_layer::{Codec, Level};
/// assert_eq!(Level::default_of(Codec::Zstd), Level::new(Codec::Zstd, 3)?);
/// assert!(Level::new(Codec::Gzip, 10).is_err());
/// # Ok::<(), wharf_layer::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level {
    codec: Codec,
    number: u8,
}

impl Level {
    /// The level of this number: 1 to 9 for gzip, 1 to 20 for zstd, 0 for plain.
    ///
    /// Memory of one encoder: below 3 MiB for gzip, and as much for each thread if there are several; below 48 MiB for
    /// zstd up to 9; above, zstd's window alone may need more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for another number.
    pub fn new(codec: Codec, number: u8) -> Result<Self, Error> {
        let levels = match codec {
            Codec::Plain => 0..=0,
            Codec::Gzip => 1..=9,
            Codec::Zstd => 1..=20,
        };
        if levels.contains(&number) {
            return Ok(Self { codec, number });
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "{codec} has no level {number}; use {} to {}",
                levels.start(),
                levels.end()
            ),
        ))
    }

    /// The level that others use where none is stated: gzip 6, zstd 3.
    #[must_use]
    pub const fn default_of(codec: Codec) -> Self {
        let number = match codec {
            Codec::Plain => 0,
            Codec::Gzip => 6,
            Codec::Zstd => 3,
        };
        Self { codec, number }
    }

    /// The codec.
    #[must_use]
    pub const fn codec(self) -> Codec {
        self.codec
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }
}

/// `gzip-6`, `zstd-3`, `plain`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            Codec::Plain => f.write_str("plain"),
            codec => write!(f, "{codec}-{}", self.number),
        }
    }
}

/// The exact form of what an encoder writes.
///
/// Within one profile, equal content and an equal [`Level`] give equal bytes, on every processor, with any number
/// of threads and whatever the pieces that the content was given in. A later version of this crate that would write
/// others has another profile. For zstd the version of its library, which may be the system's, belongs to that:
/// [`Profile::id`] has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// gzip: one member without time, name and system, deflated by zlib-rs in blocks of 1 MiB, each with the 32
    /// KiB before it as its dictionary; levels 3 to 8 are those of zlib-rs of one number less. zstd: one frame with a
    /// checksum, by one thread.
    #[default]
    V1,
}

impl Profile {
    /// A text that differs wherever encoded bytes may differ, to be kept beside the digest of what was encoded.
    ///
    /// ```
    /// use wharf_layer::{Codec, Level, Profile};
    /// assert_eq!(Profile::V1.id(Level::default_of(Codec::Gzip)), "v1/gzip-6");
    /// ```
    #[must_use]
    pub fn id(self, level: Level) -> String {
        let Self::V1 = self;
        #[cfg(feature = "zstd")]
        if level.codec() == Codec::Zstd {
            return format!("v1/{level}/{}", ::zstd::zstd_safe::version_string());
        }
        format!("v1/{level}")
    }
}
