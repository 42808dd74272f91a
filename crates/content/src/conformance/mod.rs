//! A conformance suite for implementations of [`Source`] and [`Sink`].
//!
//! ```
//! # async fn example(store: &(impl wharf_content::Source + wharf_content::Sink)) {
//! use wharf_content::conformance::Conformance;
//!
//! let checks = Conformance::new().check(store).await.expect("it conforms");
//! println!("{checks} checks passed");
//! # }
//! ```

mod blobs;
mod faults;
mod ingest;
mod manifests;
mod sample;
mod signatures;

use std::{fmt, future::Future, pin::Pin};

use wharf_reference::Algorithm;

use crate::{Descriptor, Error, ErrorKind, Sink, Source};
use sample::Samples;

/// The suite and its settings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Conformance {
    seed: u64,
    sha512: bool,
    resumable: bool,
    named: bool,
}

impl Default for Conformance {
    fn default() -> Self {
        Self::new()
    }
}

impl Conformance {
    /// The suite with all checks.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seed: 0,
            sha512: true,
            resumable: true,
            named: true,
        }
    }

    /// Sets the seed of the content, so that a store that has content of another run can be checked.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Omits sha512.
    #[must_use]
    pub const fn without_sha512(mut self) -> Self {
        self.sha512 = false;
        self
    }

    /// Omits reads from the middle of a blob.
    #[must_use]
    pub const fn without_resume(mut self) -> Self {
        self.resumable = false;
        self
    }

    /// Omits names, for a sink that holds images without names.
    #[must_use]
    pub const fn without_names(mut self) -> Self {
        self.named = false;
        self
    }

    /// Runs the suite and returns the number of checks that passed.
    ///
    /// Afterwards the store has some megabytes of content, unless they were omitted the names `conformance-1` to
    /// `conformance-3`, and signatures of the kinds that it keeps.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub async fn check(&self, store: &(impl Source + Sink)) -> Result<u32, ConformanceFailure> {
        let mut algorithms = vec![Algorithm::Sha256];
        if self.sha512 {
            algorithms.push(Algorithm::Sha512);
        }
        let mut run = Run { case: "", checks: 0 };
        for algorithm in algorithms {
            let samples = Samples::new(self.seed, algorithm);
            blobs::check(&mut run, store, &samples, self.resumable).await?;
            faults::check(&mut run, store, &samples).await?;
            ingest::check(&mut run, store, &samples).await?;
            let image = manifests::check(&mut run, store, &samples, self.named).await?;
            if algorithm == Algorithm::Sha256 {
                signatures::check(&mut run, store, &samples, &image, self.named).await?;
            }
        }
        ingest::refuses(&mut run, store).await?;
        Ok(run.checks)
    }
}

/// A failed check.
#[derive(Debug)]
pub struct ConformanceFailure {
    case: &'static str,
    message: String,
}

impl fmt::Display for ConformanceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.message)
    }
}

impl std::error::Error for ConformanceFailure {}

/// The state of a run: the current case, and the number of checks that passed.
struct Run {
    case: &'static str,
    checks: u32,
}

impl Run {
    fn fail(&self, message: impl Into<String>) -> ConformanceFailure {
        ConformanceFailure {
            case: self.case,
            message: message.into(),
        }
    }

    fn that(&mut self, holds: bool, message: &str) -> Result<(), ConformanceFailure> {
        if !holds {
            return Err(self.fail(message));
        }
        self.checks += 1;
        Ok(())
    }

    fn ok<T>(&mut self, result: Result<T, Error>, doing: &str) -> Result<T, ConformanceFailure> {
        let value = result.map_err(|error| self.fail(format!("{doing}: {:?}: {error}", error.kind())))?;
        self.checks += 1;
        Ok(value)
    }

    /// Checks that both questions of the sink about this content are answered right.
    async fn has(
        &mut self,
        store: &impl Sink,
        descriptor: &Descriptor,
        there: bool,
    ) -> Result<(), ConformanceFailure> {
        let answer = store.contains(descriptor).await;
        let answer = self.ok(answer, "ask for it")?;
        let message = if there {
            "it must be there"
        } else {
            "it must not be there"
        };
        self.that(answer == there, message)?;
        let known = store.contains_cached(std::slice::from_ref(descriptor)).await;
        let known = self.ok(known, "ask its cache")?;
        self.that(
            known == [None] || known == [Some(there)],
            "the cached answer must be the same or absent",
        )
    }

    fn kind<T>(
        &mut self,
        result: Result<T, Error>,
        kind: ErrorKind,
        doing: &str,
    ) -> Result<(), ConformanceFailure> {
        match result {
            Err(error) if error.kind() == kind => {
                self.checks += 1;
                Ok(())
            }
            Err(error) => Err(self.fail(format!(
                "{doing}: expected {kind:?}, not {:?}: {error}",
                error.kind()
            ))),
            Ok(_) => Err(self.fail(format!("{doing}: expected {kind:?}, but it succeeded"))),
        }
    }

    fn failed<T>(&mut self, result: &Result<T, Error>, doing: &str) -> Result<(), ConformanceFailure> {
        self.that(result.is_err(), &format!("{doing}: it must fail"))
    }
}

/// Runs futures concurrently on this task and returns their results in order.
async fn together<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    use std::task::Poll;

    let mut slots: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (pending, output) in &mut slots {
            if let Some(future) = pending {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => (*pending, *output) = (None, Some(value)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots.into_iter().filter_map(|(_, output)| output).collect()
}
