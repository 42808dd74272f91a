use wharf_content::Descriptor;
use wharf_reference::Digest;

use crate::Loss;

/// The result of a preparation: what changed, and what the changed image does not have any more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    pub(crate) original: Descriptor,
    pub(crate) root: Descriptor,
    pub(crate) losses: Vec<Loss>,
    pub(crate) layers: Vec<LayerChange>,
    pub(crate) added: Vec<AddedLayer>,
    pub(crate) edited: Vec<EditedLayer>,
    pub(crate) passed: Vec<Digest>,
    pub(crate) dropped_attestations: Vec<Digest>,
    pub(crate) dropped_referrers: Option<usize>,
    pub(crate) warnings: Vec<String>,
}

impl Report {
    /// The manifest or index that the result comes from: after the selection of a platform, before all other steps.
    #[must_use]
    pub const fn original(&self) -> &Descriptor {
        &self.original
    }

    /// The manifest or index of the result; the original one if nothing changed.
    #[must_use]
    pub const fn root(&self) -> &Descriptor {
        &self.root
    }

    /// True if the result has another digest than the original.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.original.digest() != self.root.digest()
    }

    /// The facts that the new documents cannot state, in no particular order.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The layers that were encoded anew, each once, in the order of the images and their layers.
    #[must_use]
    pub fn layers(&self) -> &[LayerChange] {
        &self.layers
    }

    /// The layers that were added, each once, in the order of the steps of the recipe.
    #[must_use]
    pub fn added(&self) -> &[AddedLayer] {
        &self.added
    }

    /// The layers of which members were edited, each once.
    #[must_use]
    pub fn edited(&self) -> &[EditedLayer] {
        &self.edited
    }

    /// The digests of the images and artifacts whose layers are of no container image, and so keep their bytes whatever
    /// the recipe says of layers and configs.
    #[must_use]
    pub fn passed(&self) -> &[Digest] {
        &self.passed
    }

    /// The digests of the attestations in an index that went, because the image that they attest to has other content
    /// now.
    #[must_use]
    pub fn dropped_attestations(&self) -> &[Digest] {
        &self.dropped_attestations
    }

    /// The number of referrers of the original, such as signatures and attestations, that the changed image does not
    /// have; `None` if the source cannot tell. Zero if nothing changed.
    #[must_use]
    pub const fn dropped_referrers(&self) -> Option<usize> {
        self.dropped_referrers
    }

    /// Messages for the user that are no failures: a platform that index and config state differently.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// A layer that was encoded anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerChange {
    /// The original layer.
    pub from: Descriptor,
    /// The new layer.
    pub to: Descriptor,
    /// The digest of the tar, which both have.
    pub diff_id: Digest,
    /// The keys of the annotations that went, because they point into the old bytes.
    pub dropped: Vec<String>,
    /// The keys of the annotations that stay.
    pub kept: Vec<String>,
    /// The number of bytes other than zeros after the end of the tar. They belong to the layer, and readers of the tar
    /// do not see them. `None` if the layer was not decoded, as the memo knew it, or its tar cannot be read or has more than
    /// 200,000 members.
    pub trailing: Option<u64>,
    /// The way to the new bytes.
    pub outcome: LayerOutcome,
}

/// A layer that was added to images.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddedLayer {
    /// The layer, with its type in OCI's format.
    pub layer: Descriptor,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The way to its bytes.
    pub outcome: LayerOutcome,
}

/// A layer of which members were [edited](crate::Recipe::members).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EditedLayer {
    /// The original layer.
    pub from: Descriptor,
    /// The new layer, with its type in OCI's format.
    pub to: Descriptor,
    /// The digest of the new tar.
    pub diff_id: Digest,
    /// The number of members that were dropped.
    pub dropped: u64,
    /// The number of members that got other metadata.
    pub edited: u64,
    /// The way to the new bytes.
    pub outcome: LayerOutcome,
}

/// The way to the bytes of a new layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerOutcome {
    /// The sink has it from before, as the memo knew.
    Present,
    /// It was written to the sink.
    Ingested,
    /// It was written to the scratch store, from which a copy reads it.
    Scratch,
    /// It is encoded when it is read.
    Deferred,
}
