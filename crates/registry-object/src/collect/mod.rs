//! Online collection, by any number of processes at the same time, while all serve.
//!
//! Each step is one transaction of one repository or of at most 1,000 rows, and leaves nothing to remember: what it finds
//! is found by the next collection, too. So a collection that stops anywhere, or meets another one, is harmless.
//!
//! Nothing in the object store is deleted without a row that says so: what removes the last row that names an object
//! moves the name to the table `doomed` in the same transaction.

mod contents;
mod doomed;
mod links;
mod options;
mod staging;
mod step;
mod sweep;

use tokio::task::spawn_blocking;
use wharf_content::{Error, ErrorKind};
use wharf_registry::{GcOptions, GcReport};

pub(crate) use self::contents::unlinked;
pub use self::options::Reclamation;
use crate::{Database, objects::Objects};

/// A collection under way.
pub(crate) struct Collector<'a> {
    pub(crate) database: &'a Database,
    pub(crate) objects: &'a Objects,
    pub(crate) times: &'a Reclamation,
    pub(crate) options: &'a GcOptions,
}

impl Collector<'_> {
    /// Removes what nobody needs. Parts that fail leave the others alone.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub(crate) async fn run(&self) -> Result<GcReport, Error> {
        let mut report = GcReport::default();
        let mut outcome = Ok(());
        if self.options.untagged {
            outcome = outcome.and(self.remove_untagged(&mut report).await);
        }
        outcome = outcome.and(self.remove_loose(&mut report).await);
        outcome = outcome.and(self.remove_unlinked(&mut report).await);
        if !self.options.dry_run {
            outcome = outcome.and(self.sweep_uploads().await);
            outcome = outcome.and(self.sweep_pending().await);
            outcome = outcome.and(self.forget_commits().await);
            match self.delete_doomed().await {
                Ok(failed) => report.failed = failed,
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
            outcome = outcome.and(self.remove_partial_files().await);
        }
        outcome.map(|()| report)
    }

    async fn remove_partial_files(&self) -> Result<(), Error> {
        let Some(root) = self.times.directory.clone() else {
            return Ok(());
        };
        // Beside the registry's own objects only: what others have written in the directory is theirs.
        let own = root.join(self.objects.own_path().as_ref());
        let removing = spawn_blocking(move || staging::remove_old(&own));
        let interrupted = |error| Error::wrap(ErrorKind::Cancelled, error);
        removing.await.map_err(interrupted)?
    }

    fn grace(&self) -> f64 {
        self.options.grace.as_secs_f64()
    }
}
