use std::{num::NonZeroUsize, path::Path, sync::Arc};

use wharf_content::{Error, ErrorKind, Name, Sink};
use wharf_reference::Digest;

use super::{
    Action, Destination, Event, Options, Outcome, Plan, PlannedImage, Report, SyncedImage, bounded,
    except::Except, prune, reader::Reader, report::Failure,
};
use crate::{ArchiveForm, Client, Copied, ImageLocation, StoreImage, files, waiting};

/// Copies what a plan says, and removes the names that it says. The report has the failures, too; see
/// [`Report::into_result`].
///
/// Images are copied by their tags: one that was moved since the plan was made is copied as it is now.
#[must_use = "an image may have failed: see `Report::into_result`"]
pub async fn run(plan: Plan) -> Report {
    let Plan {
        images,
        mut failures,
        removals,
        destination,
        options,
        reader,
        writer,
    } = plan;
    if options.dry_run {
        let images = images.into_iter().map(|image| done(image, Outcome::WouldCopy));
        return Report {
            images: images.collect(),
            failures,
            removed: removals,
        };
    }
    let worker = Worker {
        reader,
        writer: writer.clone(),
        options,
        archive: None,
    };
    let images = match &destination {
        Destination::Archive { path, form } if has_work(&images) => {
            worker.write_archive(images, path, *form).await
        }
        _ => Ok(worker.copy_all(images, worker.options.at_once).await),
    };
    let images = images.unwrap_or_else(|(images, error)| {
        failures.push(Failure::new(destination.to_string(), error));
        images
    });
    let mut report = Report {
        images,
        failures,
        removed: Vec::new(),
    };
    let is_whole = report
        .images
        .iter()
        .all(|image| matches!(image.outcome, Outcome::Copied | Outcome::Present));
    if is_whole && report.failures.is_empty() {
        prune::remove(&writer, removals, &mut report).await;
    }
    report
}

fn has_work(images: &[PlannedImage]) -> bool {
    images.iter().any(|image| matches!(image.action, Action::Copy))
}

/// The result of an image for which nothing is done now; `copy` if it was to be copied.
fn done(image: PlannedImage, copy: Outcome) -> SyncedImage {
    let PlannedImage {
        from,
        to,
        digest,
        action,
    } = image;
    let outcome = match action {
        Action::Copy => copy,
        Action::Skip => Outcome::Present,
        Action::Fail(error) => Outcome::Failed(error),
    };
    SyncedImage {
        from,
        to,
        digest,
        outcome,
        bytes: 0,
    }
}

/// Copies images one by one.
#[derive(Clone)]
struct Worker {
    reader: Reader,
    writer: Client,
    options: Options,
    /// The one archive that all images are written to.
    archive: Option<Arc<dyn Sink>>,
}

impl Worker {
    /// Copies images to one archive, one after the other. The file appears if none failed, or some may fail. If it cannot be
    /// written, no image was copied.
    async fn write_archive(
        mut self,
        images: Vec<PlannedImage>,
        path: &Path,
        form: ArchiveForm,
    ) -> Result<Vec<SyncedImage>, (Vec<SyncedImage>, Error)> {
        let created = match files::create_archive(path, form).await {
            Ok(created) => created,
            Err(error) => {
                let images = images.into_iter().map(|image| done(image, Outcome::NotCopied));
                return Err((images.collect(), error));
            }
        };
        self.archive = Some(Except::wrap(created.sink(), &self.options.except));
        let mut images = self.copy_all(images, NonZeroUsize::MIN).await;
        let has = |wanted: fn(&Outcome) -> bool| images.iter().any(|image| wanted(&image.outcome));
        let has_copied = has(|outcome| matches!(outcome, Outcome::Copied));
        let has_failed = has(|outcome| matches!(outcome, Outcome::Failed(_) | Outcome::NotCopied));
        let is_wanted = has_copied && (self.options.keep_going || !has_failed);
        let finished = if is_wanted { created.finish().await } else { Ok(()) };
        if !is_wanted || finished.is_err() {
            for image in &mut images {
                if matches!(image.outcome, Outcome::Copied) {
                    image.outcome = Outcome::NotCopied;
                }
            }
        }
        match finished {
            Ok(()) => Ok(images),
            Err(error) => Err((images, error)),
        }
    }

    async fn copy_all(&self, images: Vec<PlannedImage>, at_once: NonZeroUsize) -> Vec<SyncedImage> {
        let jobs = images.iter().enumerate();
        let jobs = jobs.filter(|(_, image)| matches!(image.action, Action::Copy));
        let (positions, jobs): (Vec<usize>, Vec<_>) = jobs
            .map(|(position, image)| (position, (image.from.clone(), image.to.clone())))
            .unzip();
        let work = |(from, to)| {
            let worker = self.clone();
            async move { worker.copy_one(from, to).await }
        };
        let keep_going = self.options.keep_going;
        let fine = |image: &SyncedImage| keep_going || !matches!(image.outcome, Outcome::Failed(_));
        let results = bounded::each(jobs, at_once, work, fine).await;
        let mut synced: Vec<SyncedImage> = images
            .into_iter()
            .map(|image| done(image, Outcome::NotCopied))
            .collect();
        for (position, result) in positions.into_iter().zip(results) {
            if let (Some(place), Some(result)) = (synced.get_mut(position), result) {
                *place = result;
            }
        }
        synced
    }

    async fn copy_one(self, from: ImageLocation, to: ImageLocation) -> SyncedImage {
        self.options.report(Event::Started { from: &from, to: &to });
        let copied = Box::pin(self.copy(&from, &to)).await;
        let (digest, outcome, bytes): (Option<Digest>, _, _) = match copied {
            Ok(copied) => (
                Some(copied.digest().clone()),
                Outcome::Copied,
                copied.report().bytes_copied(),
            ),
            Err(error) => (None, Outcome::Failed(error), 0),
        };
        let image = SyncedImage {
            from,
            to,
            digest,
            outcome,
            bytes,
        };
        self.options.report(Event::Finished { image: &image });
        image
    }

    async fn copy(&self, from: &ImageLocation, to: &ImageLocation) -> Result<Copied, Error> {
        let opened = self.reader.open(from).await?;
        let client = &self.reader.client;
        let options = self.copy_options(to);
        match &self.archive {
            None => {
                let name = to.name_of_copy(from)?;
                let ends = client
                    .ends_of(opened, name, &self.writer, to.clone(), options)
                    .await?;
                ends.copy().await
            }
            Some(sink) => {
                let admission = client.inner.guard.admit(&opened.source, &opened.target)?;
                // The members stand in the order of the plan.
                let options = options
                    .with_name(name_in_archive(to)?)
                    .with_concurrency(NonZeroUsize::MIN);
                waiting::copy(
                    opened.source,
                    Arc::clone(sink),
                    &opened.target,
                    options,
                    admission,
                )
                .await
            }
        }
    }

    /// The options of one copy, whose events go to the listener of the run, if there is one.
    fn copy_options(&self, to: &ImageLocation) -> wharf_copy::Options {
        let options = self.options.copy.clone().without_name();
        match self.options.listener() {
            None => options,
            Some(listener) => {
                let (listener, to) = (Arc::clone(listener), to.clone());
                options.with_progress(move |event| listener(Event::Copying { to: &to, event }))
            }
        }
    }
}

fn name_in_archive(to: &ImageLocation) -> Result<Name, Error> {
    match to {
        ImageLocation::Archive {
            image: StoreImage::Name(name),
            ..
        } => Ok(name.clone()),
        other => Err(Error::new(
            ErrorKind::Other,
            format!("{other} is no name in an archive"),
        )),
    }
}
