//! The programs that are compared, and what they are asked to do.

use std::path::Path;

/// A program that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    Wharf,
    Crane,
    Skopeo,
    Regctl,
    Oras,
    OciClient,
    Umoci,
    Tar,
    Podman,
    Buildah,
}

impl Tool {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wharf => "wharf",
            Self::Crane => "crane",
            Self::Skopeo => "skopeo",
            Self::Regctl => "regctl",
            Self::Oras => "oras",
            Self::OciClient => "oci-client",
            Self::Umoci => "umoci",
            Self::Tar => "tar",
            Self::Podman => "podman",
            Self::Buildah => "buildah",
        }
    }
}

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Pulls, pushes and copies with a registry.
    Transfers,
    /// Changes of images on a disk.
    Images,
    /// Root file systems.
    Trees,
    /// Registries.
    Registries,
}

impl Mode {
    /// The examples of wharf that do this.
    pub(super) const fn examples(self) -> &'static [&'static str] {
        match self {
            Self::Transfers => &["pull", "push", "copy"],
            Self::Images => &["copy"],
            Self::Trees => &["unpack", "push", "append"],
            Self::Registries => &["serve"],
        }
    }

    /// The programs that can do this.
    pub(super) const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Transfers => &[
                Tool::Wharf,
                Tool::Crane,
                Tool::Skopeo,
                Tool::Regctl,
                Tool::Oras,
                Tool::OciClient,
            ],
            Self::Images => &[Tool::Wharf, Tool::Skopeo],
            Self::Trees => &[
                Tool::Wharf,
                Tool::Umoci,
                Tool::Tar,
                Tool::Podman,
                Tool::Crane,
                Tool::Skopeo,
                Tool::Buildah,
            ],
            Self::Registries => &[Tool::Wharf],
        }
    }
}

/// The work of one run of a program. Images in registries are written `HOST/NAME:TAG`.
#[derive(Debug, Clone, Copy)]
pub enum Job<'a> {
    Pull {
        from: &'a str,
        layout: &'a Path,
        tag: &'a str,
    },
    Push {
        layout: &'a Path,
        tag: &'a str,
        to: &'a str,
    },
    Copy {
        from: &'a str,
        to: &'a str,
    },
    /// A copy with Skopeo's flags for changes, from and to places as Skopeo writes them.
    Change {
        from: &'a str,
        to: &'a str,
        flags: &'a [&'a str],
    },
    /// An image of a layout becomes a root file system; its only layer, if it has one, is this file.
    Unpack {
        layout: &'a Path,
        tag: &'a str,
        layer: Option<&'a Path>,
        to: &'a Path,
    },
    /// An image of a registry becomes a root file system. Where that takes two programs, crane's tar goes to GNU tar, and
    /// Skopeo's layout to umoci; the latter and Podman's store are in the directory `scratch`.
    PullTree {
        from: &'a str,
        scratch: &'a Path,
        to: &'a Path,
    },
    /// The content of a directory becomes a layer of a new image, compressed with gzip at level 1. GNU tar gives crane the layer; Buildah
    /// has its store in the directory `scratch`.
    PushTree {
        tree: &'a Path,
        scratch: &'a Path,
        to: &'a str,
    },
    /// The changes of what was unpacked before, at `tree`, become a layer of an image of this name.
    Repack {
        layout: &'a Path,
        tag: &'a str,
        tree: &'a Path,
        name: &'a str,
        round: usize,
    },
}
