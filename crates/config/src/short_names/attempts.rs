use std::{error, fmt};

use wharf_reference::{Reference, ShortName};

use super::{PossibleName, ResolvedName};

/// Goes through the images that a name may mean: the next is tried only if the last does not have the image,
/// hides whether it has it, or is blocked on this host.
///
/// A registry that fails in any other way may have the image, and the owner of the next registry must not
/// gain by that failure (docs/threats.md, R2). [`Failures`] names the images that were not asked.
///
/// ```
/// use wharf_config::{Failure, Registries, ShortNames};
/// use wharf_reference::Written;
///
/// let registries = Registries::parse("unqualified-search-registries = ['a.lan', 'b.lan']")?;
/// let resolved = ShortNames::new(&registries).resolve(&Written::parse("app")?, None)?;
/// let mut attempts = resolved.attempts();
/// while let Some(name) = attempts.next_name() {
///     assert_eq!(name.reference().as_str(), "a.lan/app:latest");
///     attempts.failed("503 Service Unavailable", Failure::Final); // the second is never tried
/// }
/// assert_eq!(attempts.into_failures().iter().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Attempts<'a, E> {
    resolved: &'a ResolvedName,
    next: usize,
    stopped: bool,
    failures: Vec<(Reference, E)>,
}

/// The kind of failure of an attempt, which decides whether the next possible name is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The registry answered that there is no such image or repository (404).
    NotFound,
    /// The registry wants a login or refuses the one it got (401, 403). Many registries answer so for images
    /// that do not exist.
    Denied,
    /// This host's configuration blocks the registry, so it was not asked.
    Blocked,
    /// Anything else; no other possible name is tried.
    Final,
}

/// The failures of all images that were tried.
#[derive(Debug)]
pub struct Failures<E> {
    short: Option<ShortName>,
    tried: Vec<(Reference, E)>,
    not_asked: Vec<Reference>,
}

impl<'a, E> Attempts<'a, E> {
    pub(crate) const fn new(resolved: &'a ResolvedName) -> Self {
        Self {
            resolved,
            next: 0,
            stopped: false,
            failures: Vec::new(),
        }
    }

    /// The image to try next.
    pub fn next_name(&mut self) -> Option<&'a PossibleName> {
        if self.stopped {
            return None;
        }
        let name = self.resolved.possible_names().get(self.next)?;
        self.next += 1;
        Some(name)
    }

    /// Records the failure of the last image.
    pub fn failed(&mut self, error: E, failure: Failure) {
        self.stopped |= failure == Failure::Final;
        let tried = self.next.checked_sub(1);
        if let Some(name) = tried.and_then(|tried| self.resolved.possible_names().get(tried)) {
            self.failures.push((name.reference().clone(), error));
        }
    }

    /// The error, when there is no image left.
    #[must_use]
    pub fn into_failures(self) -> Failures<E> {
        let rest = self.resolved.possible_names().iter().skip(self.next);
        let not_asked = rest.map(|name| name.reference().clone()).collect();
        Failures {
            short: self.resolved.short_name().cloned(),
            tried: self.failures,
            not_asked,
        }
    }
}

impl<E> Failures<E> {
    /// Each image that was tried with its error, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Reference, &E)> {
        self.tried.iter().map(|(reference, error)| (reference, error))
    }

    /// The images that were not tried, because of the last failure.
    #[must_use]
    pub fn not_asked(&self) -> &[Reference] {
        &self.not_asked
    }

    /// These failures with each error replaced by `describe` of it, such as by its text with its causes.
    #[must_use]
    pub fn described<T>(&self, describe: impl Fn(&E) -> T) -> Failures<T> {
        let tried = self.tried.iter();
        Failures {
            short: self.short.clone(),
            tried: tried
                .map(|(reference, error)| (reference.clone(), describe(error)))
                .collect(),
            not_asked: self.not_asked.clone(),
        }
    }

    /// The errors, in the order in which the images were tried.
    #[must_use]
    pub fn into_errors(self) -> Vec<E> {
        self.tried.into_iter().map(|(_, error)| error).collect()
    }

    /// The last error, which is the only one unless several images were tried.
    #[must_use]
    pub fn into_last(mut self) -> Option<E> {
        self.tried.pop().map(|(_, error)| error)
    }
}

impl<E: fmt::Display> fmt::Display for Failures<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([(reference, error)], []) = (self.tried.as_slice(), self.not_asked.as_slice()) {
            return write!(f, "{reference}: {error}");
        }
        match &self.short {
            Some(short) => write!(f, "the short name {short} was not found:")?,
            None => write!(f, "{} images were tried:", self.tried.len())?,
        }
        for (reference, error) in &self.tried {
            write!(f, "\n  {reference}: {error}")?;
        }
        for (index, reference) in self.not_asked.iter().enumerate() {
            f.write_str(if index == 0 { "\n  not asked: " } else { ", " })?;
            reference.fmt(f)?;
        }
        if !self.not_asked.is_empty() {
            f.write_str(
                " (the search ends at a registry that fails in any other way than not having or denying the image; \
                 write the name with its registry to ask that one alone)",
            )?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug + fmt::Display> error::Error for Failures<E> {}
