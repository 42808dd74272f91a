use std::sync::Arc;

use wharf_content::{
    Blob, Descriptor, Error, Event, ImageConfig, Location, MAX_CONFIG_SIZE, Outcome, Platform, Progress,
};

use crate::ends::Ends;

/// The check and copy of one blob.
pub(crate) struct Transfer {
    pub(crate) ends: Ends,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) descriptor: Descriptor,
    /// True if the sink may have it and is to be asked.
    pub(crate) ask: bool,
    /// The platform that the index states, if this is the config of the image chosen for it.
    pub(crate) stated: Option<Platform>,
}

/// The result of a check or copy.
pub(crate) enum TransferOutcome {
    /// The sink does not have it and cannot mount it.
    Absent,
    /// The sink has it; with the platform that its config states, if the index states another.
    Done(Outcome, Option<Platform>),
}

impl Transfer {
    /// Checks whether the sink has the blob or can mount it.
    pub(crate) async fn check(&self) -> Result<TransferOutcome, Error> {
        let sink = &*self.ends.sink;
        // A registry answers a mount of a blob that it has as any other mount, so one request does both.
        let mount_first = matches!(sink.location(), Location::Repository(_));
        if mount_first && self.mount().await? {
            return Ok(self.done(Outcome::Mounted, None));
        }
        if self.ask && sink.contains(&self.descriptor).await? {
            return Ok(self.done(Outcome::Present, None));
        }
        if !mount_first && self.mount().await? {
            return Ok(self.done(Outcome::Mounted, None));
        }
        Ok(TransferOutcome::Absent)
    }

    async fn mount(&self) -> Result<bool, Error> {
        match self.ends.mountable(&self.descriptor) {
            Some(from) => self.ends.sink.mount(&self.descriptor, &from).await,
            None => Ok(false),
        }
    }

    /// Copies the bytes.
    pub(crate) async fn run(&self) -> Result<TransferOutcome, Error> {
        let descriptor = &self.descriptor;
        self.progress.event(Event::Started { descriptor });
        let mut blob = match descriptor.data() {
            Some(embedded) => Blob::from_bytes(descriptor.clone(), embedded.into())?,
            None => self.ends.source.blob(descriptor).await?,
        };
        let mut platform_mismatch = None;
        if let Some(stated) = &self.stated
            && descriptor.size() <= MAX_CONFIG_SIZE
        {
            let bytes = blob.read_to_end(MAX_CONFIG_SIZE).await?;
            let config = ImageConfig::parse(bytes.clone()).ok(); // other config types are not checked
            let actual = config.as_ref().and_then(ImageConfig::platform);
            platform_mismatch = actual.filter(|actual| !stated.agrees_with(actual)).cloned();
            blob = Blob::from_bytes(descriptor.clone(), bytes)?;
        }
        let blob = blob.with_progress(Arc::clone(&self.progress));
        self.ends.sink.push_blob(blob).await?;
        Ok(self.done(Outcome::Copied, platform_mismatch))
    }

    fn done(&self, outcome: Outcome, platform_mismatch: Option<Platform>) -> TransferOutcome {
        self.progress.event(Event::Finished {
            descriptor: &self.descriptor,
            outcome,
        });
        TransferOutcome::Done(outcome, platform_mismatch)
    }
}
