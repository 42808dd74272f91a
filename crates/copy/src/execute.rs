use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::task::JoinSet;
use wharf_content::{Descriptor, Error, Event, Location, Manifest, Outcome, Platform, Progress, Sink};

use crate::{
    Action, Plan, Report,
    parallel::{each, joined},
    schedule::{Item, Job, Schedule},
    transfer::{Transfer, TransferOutcome},
};

impl Plan {
    /// Executes the plan: copies blobs concurrently, then manifests from the leaves up, one level after the
    /// other, the root and its name last.
    ///
    /// Dropping the future stops every task; content that was complete stays. After a failure no task runs
    /// any more when this returns.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use wharf_content::{ImageBuilder, ImageConfig, Platform};
    /// use wharf_copy::{Options, plan};
    /// use wharf_store::Memory;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let config = ImageConfig::builder(Platform::host()).build()?;
    /// let image = ImageBuilder::new().with_config(config).build()?;
    /// let (target, sink) = (image.digest().clone().into(), Arc::new(Memory::new()));
    /// let plan = plan(Arc::new(image), sink, &target, Options::default()).await?;
    /// println!("{} bytes to copy", plan.bytes());
    /// let report = plan.execute().await?;
    /// assert!(report.bytes_copied() > 0);
    /// # Ok::<(), wharf_content::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of the source or the sink; the other blobs in flight are cancelled.
    pub async fn execute(mut self) -> Result<Report, Error> {
        let progress = Arc::new(Counting::new(Arc::clone(&self.options.progress)));
        let total = self.total();
        progress.event(Event::Planned {
            count: total.count,
            bytes: total.bytes,
        });
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let skipped = match step.action {
                Action::Skip => Some(Outcome::Present),
                Action::Omit => Some(Outcome::Omitted),
                Action::Copy | Action::Mount | Action::Ask => None,
            };
            if let Some(outcome) = skipped {
                let descriptor = &step.descriptor;
                progress.event(Event::Finished { descriptor, outcome });
            }
            outcomes.push(skipped);
        }
        let platform_mismatch = self.move_blobs(&progress, &mut outcomes).await?;
        self.push_levels(&progress).await?;
        self.push_root(&progress).await?;
        let signatures = self.write_signatures().await?;
        if let (Some(stated), Some(actual)) = (&self.platform, &platform_mismatch) {
            let message = format!(
                "the index states {} for {}, but its config states {}",
                stated.bounded(),
                self.root.digest(),
                actual.bounded()
            );
            progress.event(Event::Warning { message: &message });
            self.warnings.push(message);
        }
        let descriptors = self.steps.into_iter().map(|step| step.descriptor);
        let outcomes = outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::Copied));
        Ok(Report {
            root: self.root.descriptor().clone(),
            resolved: self.resolved,
            platform: self.platform,
            platform_mismatch,
            outcomes: descriptors.zip(outcomes).collect(),
            signatures,
            bytes_moved: progress.bytes.load(Ordering::Relaxed),
            warnings: self.warnings,
        })
    }

    /// Checks and moves the blobs. Returns the platform that the config states, if the image was chosen for
    /// another one.
    async fn move_blobs(
        &self,
        progress: &Arc<Counting>,
        outcomes: &mut [Option<Outcome>],
    ) -> Result<Option<Platform>, Error> {
        let (mut open, mut ready) = (Vec::new(), Vec::new());
        for (number, step) in self.steps.iter().enumerate() {
            let size = step.descriptor.size();
            let item = Item { step: number, size };
            match step.action {
                _ if step.descriptor.media_type().is_manifest() => {}
                Action::Skip | Action::Omit => {}
                Action::Copy => ready.push(item),
                Action::Ask | Action::Mount => open.push(item),
            }
        }
        let mut schedule = Schedule::new(self.options.concurrency.get(), self.options.budget, open, &ready);
        if matches!(self.ends.sink.location(), Location::Repository(_)) {
            schedule = schedule.for_uploads();
        }
        let mut tasks: JoinSet<Result<(Job, TransferOutcome), Error>> = JoinSet::new();
        let mut platform_mismatch = None;
        loop {
            while let Some(job) = schedule.next() {
                let (Job::Check(item) | Job::Move(item)) = job;
                let Some(transfer) = self.transfer(item, progress) else {
                    continue;
                };
                tasks.spawn(async move {
                    let outcome = match job {
                        Job::Check(_) => transfer.check().await?,
                        Job::Move(_) => transfer.run().await?,
                    };
                    Ok((job, outcome))
                });
            }
            let Some((job, outcome)) = joined(&mut tasks).await? else {
                return Ok(platform_mismatch);
            };
            let (Job::Check(item) | Job::Move(item)) = job;
            match job {
                Job::Check(_) => schedule.checked(item, matches!(outcome, TransferOutcome::Absent)),
                Job::Move(_) => schedule.moved(item),
            }
            if let TransferOutcome::Done(outcome, stated) = outcome {
                platform_mismatch = stated.or(platform_mismatch);
                if let Some(slot) = outcomes.get_mut(item.step) {
                    *slot = Some(outcome);
                }
            }
        }
    }

    fn transfer(&self, item: Item, progress: &Arc<Counting>) -> Option<Transfer> {
        let step = self.steps.get(item.step)?;
        let is_config = self.root.config().map(Descriptor::digest) == Some(step.descriptor.digest());
        Some(Transfer {
            ends: self.ends.clone(),
            progress: Arc::clone(progress) as Arc<dyn Progress>,
            descriptor: step.descriptor.clone(),
            ask: step.action == Action::Ask,
            stated: self.platform.clone().filter(|_| is_config),
        })
    }

    async fn push_levels(&self, progress: &Arc<Counting>) -> Result<(), Error> {
        for level in &self.levels {
            let pushes = level.iter().map(|manifest| {
                let (sink, progress) = (Arc::clone(&self.ends.sink), Arc::clone(progress));
                let manifest = manifest.clone();
                async move { push(&*sink, &manifest, &progress).await }
            });
            each(self.options.concurrency, pushes.collect()).await?;
        }
        Ok(())
    }

    /// Runs on the caller's future and not on a task, so that no name is set after that future was dropped.
    async fn push_root(&self, progress: &Counting) -> Result<(), Error> {
        let (sink, name) = (&self.ends.sink, self.options.name.as_ref());
        match (self.root_is_present(), name) {
            (true, None) => {}
            (true, Some(_)) => sink.push_manifest(&self.root, name).await?,
            (false, _) => {
                moving(&self.root, progress);
                sink.push_manifest(&self.root, name).await?;
                moved(&self.root, progress);
            }
        }
        match name {
            Some(_) => Ok(()),
            None => sink.list_unnamed(self.root.descriptor()).await,
        }
    }
}

async fn push(sink: &dyn Sink, manifest: &Manifest, progress: &Counting) -> Result<(), Error> {
    moving(manifest, progress);
    sink.push_manifest(manifest, None).await?;
    moved(manifest, progress);
    Ok(())
}

fn moving(manifest: &Manifest, progress: &Counting) {
    let descriptor = manifest.descriptor();
    progress.event(Event::Started { descriptor });
}

fn moved(manifest: &Manifest, progress: &Counting) {
    let descriptor = manifest.descriptor();
    progress.event(Event::Advanced {
        descriptor,
        bytes: descriptor.size(),
    });
    progress.event(Event::Finished {
        descriptor,
        outcome: Outcome::Copied,
    });
}

/// Counts the bytes that are copied, for the report.
struct Counting {
    progress: Arc<dyn Progress>,
    bytes: AtomicU64,
}

impl Counting {
    fn new(progress: Arc<dyn Progress>) -> Self {
        Self {
            progress,
            bytes: AtomicU64::new(0),
        }
    }
}

impl Progress for Counting {
    fn event(&self, event: Event<'_>) {
        if let Event::Advanced { bytes, .. } = event {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.progress.event(event);
    }
}
