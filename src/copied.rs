use wharf_copy::Report;
use wharf_reference::Digest;

use crate::policy::Admission;

/// The result of [`Client::copy`](crate::Client::copy) and [`Client::push`](crate::Client::push).
///
/// ```no_run
/// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
/// let copied = client.copy("docker://quay.io/fedora/fedora:latest", "oci:images:fedora").await?;
/// println!("{}: {} bytes moved", copied.digest(), copied.report().bytes_copied());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Copied {
    report: Report,
    #[cfg(feature = "images")]
    changes: Option<Box<wharf_image::Report>>,
    #[cfg(feature = "trust")]
    verdicts: Vec<wharf_trust::Verdict>,
}

impl Copied {
    #[cfg_attr(
        not(feature = "trust"),
        expect(unused_variables, reason = "there is nothing in it")
    )]
    pub(crate) fn new(report: Report, admission: Admission) -> Self {
        Self {
            report,
            #[cfg(feature = "images")]
            changes: None,
            #[cfg(feature = "trust")]
            verdicts: admission.into_verdicts(),
        }
    }

    #[cfg(feature = "images")]
    pub(crate) fn with_changes(mut self, changes: wharf_image::Report) -> Self {
        self.changes = Some(Box::new(changes));
        self
    }

    /// The changes made on the way, and the losses; `None` for an image that was copied as it is.
    #[cfg(feature = "images")]
    #[must_use]
    pub fn changes(&self) -> Option<&wharf_image::Report> {
        self.changes.as_deref()
    }

    /// The digest of the image at the destination, or of the index if it was copied as a whole.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        self.report.digest()
    }

    /// The report of the copy: which content moved, and how many bytes.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The verdicts by which the image was accepted; empty if nothing was demanded of it. Of an index that was
    /// copied as a whole, each image has one.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let copied = client.copy("docker://registry.example.com/app:1", "oci:images:app").await?;
    /// let is_signed = copied.verdicts().iter().any(|verdict| verdict.is_signed());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "trust")]
    pub fn verdicts(&self) -> &[wharf_trust::Verdict] {
        &self.verdicts
    }
}
