//! The works with root file systems, their bars, and the programs.

use crate::{image::Image, tools::Tool};

/// One line of the table.
pub struct Work {
    pub name: &'static str,
    pub title: String,
    pub image: Image,
    pub kind: Kind,
    /// The largest parts of the time of others.
    pub bars: &'static [(Tool, f64)],
}

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Unpack,
    Repack,
    Pull,
    Push,
}

pub fn works(files: u32) -> [Work; 8] {
    [
        Work {
            name: "unpack-eight",
            title: "unpack 8 layers, 196 MB".to_owned(),
            image: Image::Real,
            kind: Kind::Unpack,
            bars: &[(Tool::Umoci, 0.5)],
        },
        Work {
            name: "unpack-one",
            title: "unpack one layer of 196 MB".to_owned(),
            image: Image::One,
            kind: Kind::Unpack,
            bars: &[(Tool::Umoci, 0.5), (Tool::Tar, 1.3)],
        },
        Work {
            name: "unpack-many",
            title: format!("unpack one layer of {files} small files"),
            image: Image::Files(files),
            kind: Kind::Unpack,
            bars: &[(Tool::Umoci, 0.5), (Tool::Tar, 1.3)],
        },
        Work {
            name: "diff",
            title: format!("a layer of what changed in a tree of {files} files"),
            image: Image::Files(files),
            kind: Kind::Repack,
            bars: &[(Tool::Umoci, 0.5)],
        },
        Work {
            name: "pull-eight",
            title: "pull 8 layers, 196 MB, to a root file system".to_owned(),
            image: Image::Real,
            kind: Kind::Pull,
            bars: PULLED,
        },
        Work {
            name: "pull-many",
            title: format!("pull one layer of {files} small files to a root file system"),
            image: Image::Files(files),
            kind: Kind::Pull,
            bars: PULLED,
        },
        Work {
            name: "push-eight",
            title: "push a directory of 392 MB, gzip 1".to_owned(),
            image: Image::Real,
            kind: Kind::Push,
            bars: PUSHED,
        },
        Work {
            name: "push-many",
            title: format!("push a directory of {files} small files, gzip 1"),
            image: Image::Files(files),
            kind: Kind::Push,
            bars: PUSHED,
        },
    ]
}

/// Bars of a pull to a root file system.
const PULLED: &[(Tool, f64)] = &[(Tool::Podman, 0.5), (Tool::Crane, 0.6), (Tool::Skopeo, 0.5)];

/// Bars of a push of a directory.
const PUSHED: &[(Tool, f64)] = &[(Tool::Crane, 0.6), (Tool::Buildah, 0.6)];

/// The programs beside wharf, with the names of their columns.
pub const OTHERS: [(Tool, &str); 6] = [
    (Tool::Umoci, "umoci"),
    (Tool::Tar, "tar"),
    (Tool::Podman, "podman pull"),
    (Tool::Crane, "crane, tar"),
    (Tool::Skopeo, "skopeo copy, umoci unpack"),
    (Tool::Buildah, "buildah"),
];
