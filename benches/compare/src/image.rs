//! What is pulled and pushed.

use wharf_testkit::RealImage;

/// An image of this machine's own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Image {
    /// Eight layers of unlike lengths, 196 MB together, the longest 93 MB.
    Real,
    /// One layer of 1 GB.
    Large,
    /// One layer of 100 MB.
    Middle,
    /// One layer of 10 GB.
    Huge,
    /// One layer of 1 MB.
    Single,
    /// A hundred layers of 100 kB.
    Small,
    /// One layer of so many files of 1 KiB.
    Files(u32),
    /// One layer of 196 MB.
    One,
}

impl Image {
    /// Its repository in the registry, and the name of its cache.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "eight",
            Self::Large => "large",
            Self::Middle => "middle",
            Self::Huge => "huge",
            Self::Single => "single",
            Self::Small => "hundred",
            Self::Files(_) => "many",
            Self::One => "one",
        }
    }

    /// Makes it, or finds it made.
    pub fn make(self) -> RealImage {
        const MB: u64 = 1_000_000;
        let lengths = match self {
            Self::Real => vec![93 * MB, 42 * MB, 28 * MB, 15 * MB, 9 * MB, 5 * MB, 3 * MB, MB],
            Self::Large => vec![1_000 * MB],
            Self::Middle => vec![100 * MB],
            Self::Huge => vec![10_000 * MB],
            Self::Single => vec![MB],
            Self::Small => vec![100_000; 100],
            Self::One => vec![196 * MB],
            Self::Files(files) => return RealImage::of_small_files(files),
        };
        RealImage::of_layers(self.name(), &lengths)
    }
}
