//! Judgements by the signatures that a source has, which is asked for no more than the rule needs.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use wharf_config::Requirement;
use wharf_content::{Error, Hasher, Rejection, Signature, Source, Wanted};
use wharf_reference::{Algorithm, Digest};

use crate::{
    Refusal, RefusalKind, Subject, Trust, Verdict,
    judge::{self, Bundles, Found},
    refusal::Note,
};

/// Work that blocks.
type Work = Box<dyn FnOnce() + Send>;
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs work that blocks. By default, on the thread that it is called on.
#[derive(Clone, Default)]
pub(crate) struct Blocking(Option<Arc<dyn Fn(Work) -> Running<'static, ()> + Send + Sync>>);

impl Blocking {
    pub(crate) fn on<F>(run: impl Fn(Work) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Some(Arc::new(move |work| Box::pin(run(work)))))
    }

    /// The result of the work; `None` if it was dropped or panicked.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let Some(run) = &self.0 else {
            return Some(work());
        };
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        run(Box::new(move || {
            let done = work();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }))
        .await;
        result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Trust {
    /// Sets how [`Trust::judge_from`] runs what blocks: the reading of key files and the verification of
    /// signatures. A program on an async runtime passes its function for blocking work. Default: on the
    /// thread that polls.
    ///
    /// ```
    /// use wharf_trust::Trust;
    ///
    /// let trust = Trust::of([]).with_blocking(|work| async move {
    ///     std::thread::spawn(work).join().ok(); // in a program: `tokio::task::spawn_blocking(work).await.ok()`
    /// });
    /// # let _ = trust;
    /// ```
    #[must_use]
    pub fn with_blocking<F>(self, run: impl Fn(Work) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.on(Blocking::on(run))
    }

    /// Judges an image by the signatures that a source has of it.
    ///
    /// The source is asked only for the kinds of signatures that the requirements look at ([`Trust::wanted`]),
    /// for all of them at once, and for nothing if no signature is demanded or none can be enough. An image
    /// that is not accepted costs at most three further questions ([`Source::count_signatures`]), whose answers
    /// are in the text of the [`Refusal`]: whether the index that lists the image is signed, and how many
    /// bundles there are; for an image of no index of which simple signatures are missing, how many attachments. If they fail, the text does without.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] because of a [`Refusal`], which is its [`source`](std::error::Error::source), as of
    /// [`Trust::judge`]; or a failure, with the error of the source, if the signatures cannot be read. Nothing
    /// is judged then: a good signature among those that were read does not count.
    pub async fn judge_from(&self, subject: &Subject<'_>, source: &dyn Source) -> Result<Verdict, Rejection> {
        let wanted = self.wanted(subject.name.clone()).map_err(Rejection::because)?;
        let digest = Hasher::sha256(subject.manifest.bytes());
        let signatures = read(source, &digest, wanted).await;
        let signatures = signatures.map_err(Rejection::failed)?;
        match self.judge_elsewhere(subject, signatures).await {
            Ok(verdict) => Ok(verdict),
            Err(refusal) => {
                let read = Read {
                    wanted,
                    bundles: self.bundles(),
                };
                let explained = explained(refusal, subject, &digest, read, source).await;
                Err(Rejection::because(explained))
            }
        }
    }

    async fn judge_elsewhere(
        &self,
        subject: &Subject<'_>,
        signatures: Vec<(Wanted, Vec<Signature>)>,
    ) -> Result<Verdict, Refusal> {
        let (trust, manifest) = (self.clone(), subject.manifest.clone());
        let (name, index) = (subject.name.clone(), subject.index.clone());
        let work = move || {
            let subject = Subject {
                manifest: &manifest,
                name,
                index,
            };
            let found: Vec<Found<'_>> = signatures
                .iter()
                .flat_map(|(kind, signatures)| {
                    let found = |signature| Found {
                        signature,
                        kind: *kind,
                    };
                    signatures.iter().map(found)
                })
                .collect();
            trust.judge_found(&subject, &found)
        };
        let judged = self.blocking().run(work).await;
        judged.unwrap_or_else(|| Err(self.refusal(RefusalKind::Failed, subject)))
    }
}

/// The signatures of each kind that is wanted, simple ones first.
async fn read(
    source: &dyn Source,
    manifest: &Digest,
    wanted: Wanted,
) -> Result<Vec<(Wanted, Vec<Signature>)>, Error> {
    let reads = wanted.each().map(|kind| source.signatures(manifest, kind));
    let read = all(reads.collect()).await?;
    Ok(wanted.each().zip(read).collect())
}

/// The kinds that were read, and which bundles count.
#[derive(Clone, Copy)]
struct Read<'a> {
    wanted: Wanted,
    bundles: &'a Bundles,
}

/// Adds to a refusal what the user may have overlooked.
async fn explained(
    refusal: Refusal,
    subject: &Subject<'_>,
    manifest: &Digest,
    read: Read<'_>,
    source: &dyn Source,
) -> Refusal {
    let is_missing = refusal.kind() == RefusalKind::NoSignature;
    if !is_missing && refusal.kind() != RefusalKind::NoneAccepted {
        return refusal;
    }
    let wanted = |requirement| judge::wanted_by(requirement, read.bundles).ok();
    let Some(wanted) = refusal.requirement().and_then(wanted) else {
        return refusal;
    };
    let uncounted = match refusal.requirement() {
        Some(Requirement::SigstoreSigned(sigstore)) => read.bundles.count_for(sigstore.signer()).err(),
        _ => None,
    };
    let unread = is_missing.then(|| source.unread_signatures(manifest, wanted));
    // Signatures are looked for by sha256 digests alone.
    let is_known = |index: &&Digest| index.algorithm() == Algorithm::Sha256;
    let index = subject.index.as_ref().filter(|_| is_missing).filter(is_known);
    // They cost one request, in the place of the one for an index: three at most are made for a text.
    let attachments = Some(manifest).filter(|_| is_missing && index.is_none() && !read.wanted.attachments);
    let bundles = Some(manifest).filter(|_| !read.wanted.bundles);
    let count = |of: Option<&Digest>, wanted| -> Running<'_, Result<usize, Error>> {
        let of = of.cloned();
        Box::pin(async move {
            match of {
                Some(digest) => Ok(source.count_signatures(&digest, wanted).await.unwrap_or_default()),
                None => Ok(0),
            }
        })
    };
    let counts = all(vec![
        count(index, wanted),
        count(attachments, Wanted::ATTACHMENTS),
        count(bundles, Wanted::BUNDLES),
    ])
    .await;
    let counts = counts.unwrap_or_default();
    let count = |position: usize| counts.get(position).copied().unwrap_or_default();
    let notes = [
        unread.flatten().map(Note::Unread),
        index.filter(|_| count(0) > 0).cloned().map(Note::IndexIsSigned),
        Some(Note::Attachments(count(1))).filter(|_| count(1) > 0),
        Some(Note::Bundles(count(2), uncounted)).filter(|_| count(2) > 0),
        source.served_by(manifest).map(Note::ServedBy),
    ];
    refusal.with_notes(notes.into_iter().flatten())
}

/// The results of futures that run side by side, in order. The first failure ends it.
async fn all<T>(mut running: Vec<Running<'_, Result<T, Error>>>) -> Result<Vec<T>, Error> {
    let mut results: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_pending = false;
        for (future, result) in running.iter_mut().zip(&mut results) {
            if result.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(Ok(value)) => *result = Some(value),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => is_pending = true,
            }
        }
        if is_pending {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    })
    .await?;
    Ok(results.into_iter().flatten().collect())
}
