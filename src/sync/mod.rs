//! Copies sets of images, and of them only what is new: `skopeo sync`.
//!
//! ```no_run
//! # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
//! use wharf::sync::SyncSet;
//!
//! let set = SyncSet::of_repository("quay.io/fedora/fedora")?; // all its tags
//! let report = client.sync(&set, "docker://mirror.example.com/fedora").await?;
//! println!("{} images copied, {} were there", report.copied(), report.present());
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::sync`](crate::Client::sync) is [`plan`] followed by [`run`]. A plan lists the set, names each image at the
//! [`Destination`] and compares the digests of both sides; it writes nothing. Running it copies what differs.
//!
//! | a set has | made by |
//! |---|---|
//! | the tags of a repository | [`SyncSet::of_repository`], [`SyncSet::matching`], [`SyncSet::versions`] |
//! | an image of a registry | [`SyncSet::of_repository`] with a tag or digest |
//! | directories with images, as Skopeo writes them | [`SyncSet::from_directory`] |
//! | the names of an OCI image layout or an archive | [`SyncSet::from_layout`], [`SyncSet::from_archive`] |
//! | the images of Skopeo's document of registries | `Deserialize` of serde, of any format |
//!
//! # Requests
//!
//! An image that is equal on both sides costs one `HEAD` request at each registry, beside the lists of tags. An index of
//! which one platform is copied is read as well. Where referrers or signatures are copied too, or the trust policy demands
//! signatures, an image is copied again, which reads what is there and moves what is missing.
//!
//! # Failures
//!
//! The first failure ends the work, unless [`Options::with_keep_going`] is set; then each entry of the [`Report`] has its
//! own. Nothing is kept of a copy that was given up but complete blobs; the same call continues. A future that is dropped
//! stops all copies.

mod call;
mod destination;
mod document;
mod event;
mod except;
mod expand;
mod naming;
mod occupied;
mod options;
mod plan;
mod prune;
mod reader;
mod report;
mod resolve;
mod run;
mod set;
mod tag_pattern;
mod versions;

use crate::bounded;

pub use self::{
    destination::{Destination, IntoDestination},
    event::Event,
    naming::Naming,
    options::Options,
    plan::{Action, Plan, PlannedImage, plan},
    report::{Failure, Outcome, Report, SyncedImage},
    run::run,
    set::SyncSet,
    tag_pattern::TagPattern,
    versions::Versions,
};
