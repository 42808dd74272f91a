//! Applies the host's trust policy to images before they are copied.

use std::{path::Path, sync::Arc};

use wharf_config::{ConfigWarning, Policy, Rule};
use wharf_content::{Error, ErrorKind, Location, Target};
use wharf_reference::Reference;

use crate::warnings::{Warning, Warnings};

/// The policy is evaluated before any request: no rule that can be met here depends on the image's bytes.
#[derive(Debug)]
pub(crate) struct Guard {
    policy: Option<Policy>,
    warnings: Arc<Warnings>,
}

impl Guard {
    pub(crate) const fn new(policy: Option<Policy>, warnings: Arc<Warnings>) -> Self {
        Self { policy, warnings }
    }

    /// The warnings about the trust policy; empty if no policy applies.
    pub(crate) fn warnings(&self) -> &[ConfigWarning] {
        self.policy.as_ref().map_or(&[], Policy::warnings)
    }

    /// Admits an image under the name that the user knows it by.
    pub(crate) fn admit(&self, location: &Location, target: &Target) -> Result<(), Error> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        match location {
            Location::Repository(repository) => {
                let reference = Reference::new(repository);
                let reference = match target {
                    Target::Digest(digest) => reference.with_digest(digest),
                    Target::Name(name) => reference.with_tag(&name.to_tag()?),
                };
                if let Some(warning) = policy.overlooked(&reference) {
                    self.warnings.warn(Warning::Configuration(warning));
                }
                judge(policy.rule_for(&reference), &reference)
            }
            Location::Directory(directory) => judge(
                policy.rule_for_layout(&resolved(directory)?),
                &directory.display(),
            ),
            _ => judge(policy.default_rule(), location),
        }
    }
}

/// Rules are for the directory itself, whatever symbolic links lead to it.
fn resolved(directory: &Path) -> Result<std::path::PathBuf, Error> {
    directory.canonicalize().map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot find {}", directory.display())).with_source(error)
    })
}

fn judge(rule: Rule<'_>, what: &impl std::fmt::Display) -> Result<(), Error> {
    rule.check()
        .map_err(|refusal| Error::new(ErrorKind::Rejected, format!("{what} is not accepted: {refusal}")))
}
