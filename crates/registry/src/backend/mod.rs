//! The storage of a registry, as three traits: records, content and uploads.

mod content;
mod record;
mod records;
mod uploads;
mod verifying;

pub use self::{
    content::Content,
    record::{BlobRecord, Change, ManifestRecord, Record, RecordKey},
    records::Records,
    uploads::Uploads,
    verifying::Verifying,
};

/// The storage of a registry: one engine that keeps [`Records`], [`Content`] and [`Uploads`]. Everything that
/// implements the three is a backend, so this trait is never implemented by hand: the pages of [`Records`],
/// [`Content`] and [`Uploads`] each have an implementation as an example.
///
/// A backend only stores; [`Registry`](crate::Registry) decides who may see what. One registry owns a
/// backend: two registries over one backend are not supported.
pub trait Backend: Records + Content + Uploads {}

impl<B: Records + Content + Uploads + ?Sized> Backend for B {}
