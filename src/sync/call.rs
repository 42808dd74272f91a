use wharf_content::Error;

use super::{IntoDestination, Options, Report, SyncSet, plan, run};
use crate::Client;

impl Client {
    /// Copies the images of a set that a destination lacks: all images of an index, named by the last component of their
    /// names. The same call again copies only what is new.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::sync::SyncSet;
    ///
    /// let set = SyncSet::of_repository("quay.io/fedora/fedora")?;
    /// let report = client.sync(&set, "oci:images").await?;
    /// println!("{} copied", report.copied());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`plan`] and [`Report::into_result`].
    pub async fn sync(&self, set: &SyncSet, to: impl IntoDestination) -> Result<Report, Error> {
        self.sync_with(set, to, Options::default()).await
    }

    /// As [`Client::sync`], with options.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::sync::{Naming, Options, SyncSet};
    ///
    /// let set = SyncSet::versions("quay.io/fedora/fedora", ">=40".parse()?)?;
    /// let options = Options::default().with_naming(Naming::Scoped).with_keep_going(true).with_prune(true);
    /// client.sync_with(&set, "docker://mirror.example.com", options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::sync`]. With [`Options::with_keep_going`], all failures at the end; [`plan`] and [`run`] give the report
    /// also then.
    pub async fn sync_with(
        &self,
        set: &SyncSet,
        to: impl IntoDestination,
        options: Options,
    ) -> Result<Report, Error> {
        run(plan(self, set, to, options).await?).await.into_result()
    }
}
