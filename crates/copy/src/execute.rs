use std::{cmp::Reverse, sync::Arc};

use tokio::{sync::Semaphore, task::JoinSet};
use wharf_content::{Descriptor, Error, ErrorKind, Event, Manifest, Outcome, Progress, Sink, Source};

use crate::{Action, Plan, Report, Step};

impl Plan {
    /// Moves what the plan says: blobs in parallel, then manifests from the leaves up, the root and its name
    /// last. Dropping the future stops every task; what was complete stays.
    ///
    /// # Errors
    ///
    /// The first failure of the source or the sink; the other blobs in flight are given up.
    pub async fn execute(self) -> Result<Report, Error> {
        let mut outcomes: Vec<(Descriptor, Outcome)> = Vec::with_capacity(self.steps.len());
        for step in self.steps.iter().filter(|step| step.action == Action::Skip) {
            let descriptor = &step.descriptor;
            self.options.progress.event(Event::Finished {
                descriptor,
                outcome: Outcome::Present,
            });
            outcomes.push((descriptor.clone(), Outcome::Present));
        }
        outcomes.extend(self.move_blobs().await?);
        for manifest in self.below.iter().rev() {
            self.sink.push_manifest(manifest, None).await?;
            outcomes.push(self.finished(manifest));
        }
        self.sink
            .push_manifest(&self.root, self.options.name.as_ref())
            .await?;
        if self
            .pending()
            .any(|descriptor| descriptor.digest() == self.root.digest())
        {
            outcomes.push(self.finished(&self.root));
        }
        Ok(Report {
            root: self.root.descriptor().clone(),
            resolved: self.resolved,
            platform: self.platform,
            outcomes,
        })
    }

    async fn move_blobs(&self) -> Result<Vec<(Descriptor, Outcome)>, Error> {
        let mut blobs: Vec<&Step> = self
            .steps
            .iter()
            .filter(|step| step.action != Action::Skip && !step.descriptor.media_type().is_manifest())
            .collect();
        // The longest first: the one that starts last decides when everything ends.
        blobs.sort_by_key(|step| Reverse(step.descriptor.size()));
        let permits = Arc::new(Semaphore::new(self.options.concurrency.get()));
        let mut tasks = JoinSet::new();
        for step in blobs {
            let transfer = Transfer {
                source: Arc::clone(&self.source),
                sink: Arc::clone(&self.sink),
                progress: Arc::clone(&self.options.progress),
                descriptor: step.descriptor.clone(),
                ask: step.action == Action::Ask,
            };
            let permits = Arc::clone(&permits);
            tasks.spawn(async move {
                let _permit = permits.acquire().await;
                let outcome = transfer.run().await?;
                Ok((transfer.descriptor, outcome))
            });
        }
        let mut outcomes = Vec::with_capacity(tasks.len());
        while let Some(joined) = tasks.join_next().await {
            let finished: Result<_, Error> = joined.map_err(|failure| {
                Error::new(ErrorKind::Other, "a blob's task ended without a result").with_source(failure)
            })?;
            outcomes.push(finished?);
        }
        Ok(outcomes)
    }

    fn finished(&self, manifest: &Manifest) -> (Descriptor, Outcome) {
        let descriptor = manifest.descriptor();
        self.options.progress.event(Event::Finished {
            descriptor,
            outcome: Outcome::Copied,
        });
        (descriptor.clone(), Outcome::Copied)
    }
}

struct Transfer {
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    progress: Arc<dyn Progress>,
    descriptor: Descriptor,
    /// Whether the destination may have it already.
    ask: bool,
}

impl Transfer {
    async fn run(&self) -> Result<Outcome, Error> {
        let descriptor = &self.descriptor;
        let outcome = if self.ask && self.sink.contains(descriptor).await? {
            Outcome::Present
        } else if self.sink.adopt(descriptor, &self.source.location()).await? {
            Outcome::Adopted
        } else {
            self.progress.event(Event::Started { descriptor });
            let blob = self
                .source
                .blob(descriptor)
                .await?
                .with_progress(Arc::clone(&self.progress));
            self.sink.push_blob(blob).await?;
            Outcome::Copied
        };
        self.progress.event(Event::Finished { descriptor, outcome });
        Ok(outcome)
    }
}
