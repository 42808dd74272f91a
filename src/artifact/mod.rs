//! Artifacts: anything that is not an image, such as files, Helm charts and WASM components, in repositories of
//! registries (image-spec, *Guidelines for Artifact Usage*).
//!
//! [`Client::push_artifact`](crate::Client::push_artifact) pushes an [`Artifact`], and
//! [`Client::pull_artifact`](crate::Client::pull_artifact) pulls one to a directory. The documents are those that ORAS
//! writes, without the time of creation, so that the same content gives the same digest; set it with
//! `Artifact::with_annotation("org.opencontainers.image.created", ..)`.

mod attach;
mod builder;
mod chunks;
mod content;
mod destination;
mod directory;
mod hashed_file;
mod prepared;
mod pull;
mod push;
mod title;

pub use self::{
    builder::Artifact,
    content::ArtifactContent,
    pull::{ArtifactPullOptions, PulledArtifact, PulledFile},
};

/// The annotation with the name of a file (image-spec, *Pre-Defined Annotation Keys*).
const TITLE: &str = "org.opencontainers.image.title";
