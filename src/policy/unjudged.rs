//! Without `wharf-trust`: what demands a signature is refused.

#[cfg(feature = "archive")]
use std::path::Path;
use std::{fmt::Display, sync::Arc};

use wharf_config::{Policy, Rule};
#[cfg(feature = "images")]
use wharf_content::Manifest;
use wharf_content::{Error, ErrorKind, Source, Target};
use wharf_copy::Options;

use super::Named;
use crate::warnings::Warnings;

/// The requirements of the program: there are none.
#[derive(Debug, Default)]
pub(crate) struct Demands;

/// The policy is evaluated before any request: no rule that can be met here depends on the image's bytes.
#[derive(Debug)]
pub(crate) struct Guard {
    policy: Option<Policy>,
    warnings: Arc<Warnings>,
}

impl Guard {
    pub(crate) const fn new(policy: Option<Policy>, _: Demands, warnings: Arc<Warnings>) -> Self {
        Self { policy, warnings }
    }

    pub(super) const fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(super) fn listener(&self) -> &Warnings {
        &self.warnings
    }

    /// Admits an image, or refuses it at once.
    pub(crate) fn admit(&self, source: &Arc<dyn Source>, target: &Target) -> Result<Admission, Error> {
        let Some(policy) = &self.policy else {
            return Ok(Admission);
        };
        let location = source.location();
        match self.named(&location, target)? {
            Named::Reference(reference) => check(policy.rule_for(&reference), &reference),
            Named::Directory(directory) => check(policy.rule_for_layout(&directory), &directory.display()),
            Named::File(transport, path) => check(policy.rule_for_file(transport, &path), &path.display()),
            Named::Daemon(name) => check(policy.rule_for_daemon(name.as_ref()), &location),
            Named::Nothing => check(policy.default_rule(), &location),
        }
    }

    /// Refuses an archive that comes as a stream, unless its images may be anything.
    #[cfg(feature = "archive")]
    pub(crate) fn admit_stream(&self, origin: Option<&Path>) -> Result<(), Error> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        for named in super::archive_names(origin)? {
            if let Named::File(transport, path) = named {
                check(policy.rule_for_file(transport, &path), &"an archive")?;
            }
        }
        Ok(())
    }
}

fn check(rule: Rule<'_>, what: &dyn Display) -> Result<Admission, Error> {
    match rule.check() {
        Ok(()) => Ok(Admission),
        Err(refusal) => {
            let message = format!("Source image rejected: {what}: {refusal}");
            Err(Error::new(ErrorKind::Rejected, message))
        }
    }
}

/// Nothing is left to be judged.
pub(crate) struct Admission;

impl Admission {
    #[cfg(feature = "sync")]
    #[expect(clippy::unused_self, reason = "the interface is that of builds with trust")]
    pub(crate) const fn judges(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "the interface is that of builds with trust")]
    pub(crate) fn source(&self, source: Arc<dyn Source>) -> Arc<dyn Source> {
        source
    }

    pub(crate) const fn apply(&self, options: Options) -> Options {
        options
    }

    #[cfg(feature = "images")]
    pub(crate) const fn apply_before_change(&self, options: wharf_image::Options) -> wharf_image::Options {
        options
    }

    #[cfg(feature = "images")]
    #[expect(
        clippy::unused_self,
        clippy::unused_async,
        reason = "the interface is that of builds with trust"
    )]
    pub(crate) async fn judge(&self, _: &Manifest, _: &Manifest) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(feature = "images")]
    pub(crate) const fn apply_to_base(&self, base: wharf_image::Base) -> wharf_image::Base {
        base
    }
}
