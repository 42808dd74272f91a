use std::sync::Arc;

use wharf_content::{Descriptor, Error, ErrorKind, Gate, Location, Manifest, Sink, Source, Target};

/// Both ends of a copy and who guards it.
#[derive(Clone)]
pub(crate) struct Ends {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) gate: Option<Arc<dyn Gate>>,
}

/// A manifest that was looked at.
pub(crate) struct Visited {
    pub(crate) descriptor: Descriptor,
    /// Whether the destination has it.
    pub(crate) present: bool,
    /// `None` for an image that is complete at the destination: nothing about it needs to be known.
    pub(crate) manifest: Option<Manifest>,
}

impl Ends {
    /// Asks the destination for a manifest and reads it, unless it is a whole image there that no gate wants
    /// to see.
    pub(crate) async fn visit(self, descriptor: Descriptor) -> Result<Visited, Error> {
        let present = self.sink.contains(&descriptor).await?;
        let manifest = if present && descriptor.media_type().is_image() && self.gate.is_none() {
            None
        } else {
            let manifest = self.read(&descriptor, present).await?;
            self.admit(&manifest).await?;
            Some(manifest)
        };
        Ok(Visited {
            descriptor,
            present,
            manifest,
        })
    }

    /// A manifest, from the destination itself if it has it and can read.
    pub(crate) async fn read(&self, descriptor: &Descriptor, present: bool) -> Result<Manifest, Error> {
        if present && let Some(manifest) = self.sink.stored_manifest(descriptor).await? {
            return as_described(manifest, descriptor);
        }
        read_from(&*self.source, descriptor).await
    }

    /// Where the sink may take a blob from by itself; `None` if it cannot.
    pub(crate) fn mountable(&self, descriptor: &Descriptor) -> Option<Location> {
        let from = self.source.location_of(descriptor);
        self.sink.can_mount(&from).then_some(from)
    }

    pub(crate) async fn admit(&self, manifest: &Manifest) -> Result<(), Error> {
        let Some(gate) = &self.gate else {
            return Ok(());
        };
        gate.admit(manifest).await.map_err(|rejection| {
            Error::new(
                ErrorKind::Rejected,
                format!("{} was refused: {rejection}", manifest.digest()),
            )
        })
    }
}

/// What a target is at the source; by digest, it must be that.
pub(crate) async fn resolve(source: &dyn Source, target: &Target) -> Result<Manifest, Error> {
    let manifest = source.manifest(target).await?;
    match target {
        Target::Digest(digest) if digest != manifest.digest() => {
            let message = format!("{digest} was asked for, and {} was served", manifest.digest());
            Err(Error::new(ErrorKind::Mismatch, message))
        }
        _ => Ok(manifest),
    }
}

/// A manifest that another one points at; it must be what that one says it is.
pub(crate) async fn read_from(source: &dyn Source, descriptor: &Descriptor) -> Result<Manifest, Error> {
    let target = Target::Digest(descriptor.digest().clone());
    as_described(resolve(source, &target).await?, descriptor)
}

fn as_described(manifest: Manifest, descriptor: &Descriptor) -> Result<Manifest, Error> {
    let actual = manifest.descriptor();
    if actual.digest() == descriptor.digest()
        && actual.size() == descriptor.size()
        && actual.media_type() == descriptor.media_type()
    {
        return Ok(manifest);
    }
    let message = format!(
        "{} is described as {} of {} bytes, but it is {} of {} bytes",
        descriptor.digest(),
        descriptor.media_type(),
        descriptor.size(),
        actual.media_type(),
        actual.size(),
    );
    Err(Error::new(ErrorKind::Mismatch, message))
}
