use std::sync::Arc;

use wharf_content::{Descriptor, Error, Gate, Location, Manifest, Role, Sink, Source, SourceExt as _};

/// The source, the sink and the gates of a copy.
#[derive(Clone)]
pub(crate) struct Ends {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) gates: Arc<[Arc<dyn Gate>]>,
}

/// A manifest that was read, or found complete in the sink.
pub(crate) struct Visited {
    pub(crate) descriptor: Descriptor,
    /// How the copy came to it.
    pub(crate) role: Role,
    /// True if the sink has it.
    pub(crate) present: bool,
    /// `None` for an image that is complete in the sink, if there is no gate to judge it.
    pub(crate) manifest: Option<Manifest>,
}

impl Ends {
    /// Asks the sink for a manifest that another one lists, reads it and passes it to the gates. An image
    /// that is complete in the sink is read only if there is a gate.
    pub(crate) async fn visit(self, descriptor: Descriptor, role: Role) -> Result<Visited, Error> {
        let present = self.sink.contains(&descriptor).await?;
        let manifest = if present && descriptor.media_type().is_image() && self.gates.is_empty() {
            None
        } else {
            let manifest = self.read(&descriptor, present).await?;
            self.admit(&manifest, &role).await?;
            Some(manifest)
        };
        Ok(Visited {
            descriptor,
            role,
            present,
            manifest,
        })
    }

    /// Reads a manifest, from the sink if `present` and if the sink can read without a round
    /// trip, otherwise from the source.
    pub(crate) async fn read(&self, descriptor: &Descriptor, present: bool) -> Result<Manifest, Error> {
        if present && let Some(manifest) = self.sink.stored_manifest(descriptor).await? {
            return manifest.described_as(descriptor);
        }
        self.source.manifest_of(descriptor).await
    }

    /// The location from which the sink may mount a blob; `None` if it cannot.
    pub(crate) fn mountable(&self, descriptor: &Descriptor) -> Option<Location> {
        let from = self.source.location_of(descriptor);
        self.sink.can_mount(&from).then_some(from)
    }

    /// Passes a manifest to the gates, all of which must admit it. An index is no image, in whatever way the
    /// copy came to it, unless it is a referrer.
    pub(crate) async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Error> {
        let role = match role {
            Role::Target | Role::Instance { .. } if manifest.is_index() => &Role::Index,
            other => other,
        };
        for gate in &*self.gates {
            let rejected = gate.admit(manifest, role).await;
            rejected.map_err(|rejection| rejection.into_error(manifest.digest()))?;
        }
        Ok(())
    }
}
