use std::{error, fmt};

use wharf_reference::Reference;

use super::{NameCandidate, ResolvedName};

/// Goes through the candidates of a name: the next is tried only if the last has no such image.
///
/// A registry that fails in any other way may well have the image, and whoever owns the next one must not gain
/// by that (R2).
///
/// ```
/// use wharf_config::{Failure, Registries, ShortNames};
/// use wharf_reference::Written;
///
/// let registries = Registries::parse("unqualified-search-registries = ['a.lan', 'b.lan']")?;
/// let resolved = ShortNames::new(&registries).resolve(&Written::parse("app")?, None)?;
/// let mut attempts = resolved.attempts();
/// while let Some(candidate) = attempts.next_candidate() {
///     assert_eq!(candidate.reference().as_str(), "a.lan/app:latest");
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

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The registry answered that there is no such image or repository.
    NotFound,
    /// Anything else.
    Final,
}

/// The failures of all candidates that were tried.
#[derive(Debug)]
pub struct Failures<E> {
    failures: Vec<(Reference, E)>,
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

    /// The candidate to try next.
    pub fn next_candidate(&mut self) -> Option<&'a NameCandidate> {
        if self.stopped {
            return None;
        }
        let candidate = self.resolved.candidates().get(self.next);
        self.next += 1;
        candidate
    }

    /// Says how the last candidate failed.
    pub fn failed(&mut self, error: E, failure: Failure) {
        self.stopped |= failure == Failure::Final;
        let tried = self.next.checked_sub(1);
        if let Some(candidate) = tried.and_then(|tried| self.resolved.candidates().get(tried)) {
            self.failures.push((candidate.reference().clone(), error));
        }
    }

    /// The error, when there is no candidate left.
    #[must_use]
    pub fn into_failures(self) -> Failures<E> {
        Failures {
            failures: self.failures,
        }
    }
}

impl<E> Failures<E> {
    /// Each image that was tried with its error, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Reference, &E)> {
        self.failures.iter().map(|(reference, error)| (reference, error))
    }

    /// The last error, which is the only one unless several candidates were tried.
    #[must_use]
    pub fn into_last(mut self) -> Option<E> {
        self.failures.pop().map(|(_, error)| error)
    }
}

impl<E: fmt::Display> fmt::Display for Failures<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failures.as_slice() {
            [(reference, error)] => write!(f, "{reference}: {error}"),
            failures => {
                write!(f, "{} images were tried:", failures.len())?;
                for (reference, error) in failures {
                    write!(f, "\n  {reference}: {error}")?;
                }
                Ok(())
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> error::Error for Failures<E> {}
