use std::{
    error, fmt,
    path::{Path, PathBuf},
};

use super::{Policy, requirement::Requirement};

/// The rule of a [`Policy`] for an image: all requirements must be met.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Rule<'a> {
    pub(super) policy: &'a Policy,
    /// Transport and scope; `None` for the default.
    pub(super) scope: Option<(&'a str, &'a str)>,
    pub(super) requirements: &'a [Requirement],
}

impl<'a> Rule<'a> {
    /// The requirements, at least one. An image must meet all of them.
    #[must_use]
    pub const fn requirements(&self) -> &'a [Requirement] {
        self.requirements
    }

    /// Where it stands.
    #[must_use]
    pub fn origin(&self) -> RuleOrigin {
        RuleOrigin {
            file: self.policy.file.clone(),
            scope: self
                .scope
                .map(|(transport, scope)| (transport.to_owned(), scope.to_owned())),
        }
    }

    /// Whether the image is accepted as it is. `Ok` says that nothing was demanded, not that anything was
    /// verified.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the rule rejects, or demands a signature.
    pub fn check(&self) -> Result<(), Refusal> {
        let mut requirements = self.requirements.iter();
        let unmet = requirements.find(|requirement| **requirement != Requirement::InsecureAcceptAnything);
        match unmet {
            None => Ok(()),
            Some(unmet) => Err(Refusal {
                origin: self.origin(),
                unmet: Box::new(unmet.clone()),
            }),
        }
    }
}

/// Where a [`Rule`] stands: the file, and the transport and scope in it. It prints as "the rule for `SCOPE`
/// (`TRANSPORT`) of the trust policy `FILE`".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOrigin {
    file: Option<PathBuf>,
    scope: Option<(String, String)>,
}

impl RuleOrigin {
    /// The file of the policy, if it came from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The transport, such as `docker`; `None` for the default of the policy.
    #[must_use]
    pub fn transport(&self) -> Option<&str> {
        self.scope.as_ref().map(|(transport, _)| transport.as_str())
    }

    /// The scope, empty for the default of the transport; `None` for the default of the policy.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_ref().map(|(_, scope)| scope.as_str())
    }
}

impl fmt::Display for RuleOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            None => f.write_str("the default")?,
            Some((transport, scope)) if scope.is_empty() => write!(f, "the default for {transport}")?,
            Some((transport, scope)) => write!(f, "the rule for {scope} ({transport})")?,
        }
        f.write_str(" of the trust policy")?;
        match &self.file {
            Some(file) => write!(f, " {}", file.display()),
            None => Ok(()),
        }
    }
}

/// Why a [`Rule`] does not accept an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    origin: RuleOrigin,
    unmet: Box<Requirement>,
}

impl Refusal {
    /// The requirement of the rule that was not met.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.unmet
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        match &*self.unmet {
            Requirement::Reject => f.write_str(" is to reject"),
            other => write!(f, " demands a signature ({other}), and none can be verified here"),
        }
    }
}

impl error::Error for Refusal {}
