use std::{collections::BTreeSet, sync::Arc};

use wharf_auth::AuthErrorKind;
use wharf_config::{Failure, Failures, Intent, NameReason, Resolve as _, ResolveError, ResolvedName};
use wharf_content::{Error, ErrorKind, Name, Sink, Source, Target, WithCauses};
use wharf_copy::{Options, Report};
use wharf_distribution::{Detail, Operation};
use wharf_reference::{Digest, Reference, Registry};

use crate::{Client, Copied, IntoReference, waiting::copy};

/// The result of [`Client::pull`].
///
/// ```no_run
/// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
/// let pulled = client.pull("alpine:3.20", &store).await?;
/// println!("{}: {}", pulled.reference(), pulled.reason());
/// println!("{} bytes moved; stored as {}", pulled.report().bytes_copied(), pulled.name());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Pulled {
    reference: Reference,
    reason: NameReason,
    name: Name,
    copied: Copied,
    unrecorded: Option<String>,
}

impl Pulled {
    /// The full name of the image that was pulled.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// let pulled = client.pull("alpine:3.20", &store).await?;
    /// println!("{}", pulled.reference()); // docker.io/library/alpine:3.20
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The reason why the name that was asked for means this image: it was a full name, an alias, found in a
    /// search registry, or chosen.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// let pulled = client.pull("alpine:3.20", &store).await?;
    /// println!("{}: {}", pulled.reference(), pulled.reason());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn reason(&self) -> &NameReason {
        &self.reason
    }

    /// The reason why the choice of a prompt could not be written to the file of aliases; `None` if it could,
    /// or if there was no choice.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// let pulled = client.pull("alpine:3.20", &store).await?;
    /// if let Some(why) = pulled.unrecorded() {
    ///     eprintln!("you will be asked again: {why}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn unrecorded(&self) -> Option<&str> {
        self.unrecorded.as_deref()
    }

    /// The digest of the image, or of the index if it was pulled as a whole.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// let pulled = client.pull("quay.io/fedora/fedora:latest", &store).await?;
    /// println!("quay.io/fedora/fedora@{}", pulled.digest());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        self.copied.digest()
    }

    /// The name of the image in the store.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// use wharf::Source as _;
    /// let pulled = client.pull("quay.io/fedora/fedora:latest", &store).await?;
    /// let manifest = store.manifest(&pulled.name().clone().into()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The report of the copy: which content moved, and how many bytes.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// let pulled = client.pull("quay.io/fedora/fedora:latest", &store).await?;
    /// println!("{} bytes moved", pulled.report().bytes_copied());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn report(&self) -> &Report {
        self.copied.report()
    }

    /// The verdicts by which the image was accepted; empty if nothing was demanded of it. Of an index that was
    /// pulled as a whole, each image has one.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// let pulled = client.pull("registry.access.redhat.com/ubi9:latest", &store).await?;
    /// for met in pulled.verdicts().iter().flat_map(|verdict| verdict.met()) {
    ///     println!("{}: signed by {:?}", met.requirement(), met.signer());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "trust")]
    pub fn verdicts(&self) -> &[wharf_trust::Verdict] {
        self.copied.verdicts()
    }
}

impl Client {
    /// Pulls an image into a store, as `podman pull` does: a name without a registry may be an alias, or be
    /// searched in several registries (containers-registries.conf(5)); [`Pulled::reference`] is the image
    /// that was found. In the store the image is called by its full reference.
    ///
    /// The store is any [`Sink`]: a [`Layout`](wharf_store::Layout), a [`Memory`](wharf_store::Memory), a
    /// type of yours.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wharf::Error> {
    /// use wharf::{Client, store::Layout};
    ///
    /// let client = Client::from_host()?;
    /// let store = Layout::create("images").await?;
    /// client.pull("quay.io/fedora/fedora:latest", &store).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed or ambiguous name, [`ErrorKind::NotFound`] if there is no such
    /// image or none for the platform, [`ErrorKind::Rejected`] if the host's trust policy does not accept it,
    /// [`ErrorKind::Mismatch`] if the registry sends other bytes than it promised, and the failures of
    /// registry and store. The store has the whole image under its name or not at all.
    pub async fn pull<S>(&self, reference: impl IntoReference, store: &S) -> Result<Pulled, Error>
    where
        S: Sink + Clone + 'static,
    {
        self.pull_with(reference, store, Options::default()).await
    }

    /// As [`Client::pull`], with options. A name in the options is the name of the image in the store.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, store: wharf::store::Layout) -> Result<(), wharf::Error> {
    /// use wharf::{Event, Options};
    ///
    /// let options = Options::default().with_progress(|event| {
    ///     if let Event::Finished { descriptor, outcome } = event {
    ///         println!("{} {outcome}", descriptor.digest());
    ///     }
    /// });
    /// client.pull_with("quay.io/fedora/fedora:latest", &store, options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::pull`].
    pub async fn pull_with<S>(
        &self,
        reference: impl IntoReference,
        store: &S,
        options: impl Into<Options>,
    ) -> Result<Pulled, Error>
    where
        S: Sink + Clone + 'static,
    {
        let (written, options) = (reference.into_written()?, options.into());
        let (names, registries) = (&self.inner.names, &self.inner.registries);
        let resolved = names.resolve(written, registries).await?;
        let client = self.short_name_client(&resolved)?;
        let mut attempts = resolved.attempts();
        while let Some(name) = attempts.next_name() {
            let sink = || store.pinned().unwrap_or_else(|| Arc::new(store.clone()));
            let reference = name.reference();
            match self.pull_image(&client, reference, sink(), &options).await {
                Ok((stored_as, copied)) => {
                    return Ok(Pulled {
                        reference: reference.clone(),
                        reason: resolved.reason().clone(),
                        name: stored_as,
                        copied,
                        unrecorded: names.record(name, registries).await.err(),
                    });
                }
                Err(error) => {
                    let failure = self.failure(reference, &error);
                    attempts.failed(error, failure);
                }
            }
        }
        Err(all_failed(attempts.into_failures()))
    }

    /// The kind of a failed pull of one possible name, which decides whether the search for a short name goes
    /// on.
    fn failure(&self, reference: &Reference, error: &Error) -> Failure {
        let blocked = || {
            let intent = Intent::pull(reference);
            let candidates = self.inner.registries.resolve(&reference.repository(), intent);
            matches!(candidates, Err(ResolveError::Blocked(_)))
        };
        match error.kind() {
            ErrorKind::NotFound => Failure::NotFound,
            _ if denies_the_image(error) => Failure::Denied,
            ErrorKind::Blocked if blocked() => Failure::Blocked,
            _ => Failure::Final,
        }
    }

    /// The client for the images that a name may mean: with the login for short names, if it is one.
    fn short_name_client(&self, resolved: &ResolvedName) -> Result<wharf_distribution::Client, Error> {
        let credential = match &self.inner.short_name_credential {
            Some(credential) if *resolved.reason() != NameReason::FullName => credential.clone(),
            _ => return Ok(self.inner.client.clone()),
        };
        let possible = resolved.possible_names().iter();
        let registries: BTreeSet<Registry> = possible.map(|name| name.reference().registry()).collect();
        let mut registries = registries.into_iter();
        let (Some(registry), None) = (registries.next(), registries.next()) else {
            let names: Vec<String> = resolved
                .possible_names()
                .iter()
                .map(|name| name.reference().to_string())
                .collect();
            let message = format!(
                "the login would be sent to every registry that the short name is searched in: write the full name, one \
                 of {}",
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let mut provider = self.inner.credentials_provider.clone();
        provider.explicit.push((registry.into(), Some(credential)));
        let protocol = self.inner.protocol.clone();
        Ok(protocol.with_credentials(provider).build()?)
    }

    async fn pull_image(
        &self,
        client: &wharf_distribution::Client,
        reference: &Reference,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<(Name, Copied), Error> {
        let source: Arc<dyn Source> = Arc::new(client.remote(&reference.repository()));
        let target = Target::of(reference);
        let admission = self.inner.guard.admit(&source, &target)?;
        let name = options.name().cloned().unwrap_or_else(|| Name::from(reference));
        let options = options.clone().with_name(name.clone());
        let copied = copy(source, sink, &target, options, admission).await?;
        Ok((name, copied))
    }
}

/// True if the registry or its token server denied the manifest (401, 403). False if a login could not be
/// read, or if only a blob was denied.
fn denies_the_image(error: &Error) -> bool {
    let registry = error
        .inner()
        .and_then(|inner| inner.downcast_ref::<wharf_distribution::Error>());
    let Some(registry) = registry.filter(|error| error.operation() == Operation::PullManifest) else {
        return false;
    };
    match registry.detail() {
        Some(Detail::Auth(AuthErrorKind::Provider)) => false,
        Some(Detail::Auth(AuthErrorKind::Challenge)) => true, // a 401 that does not say how to log in
        _ => matches!(registry.kind(), ErrorKind::Unauthorized | ErrorKind::Denied),
    }
}

/// The failure of the one possible name as it is, or that of several together.
fn all_failed(failures: Failures<Error>) -> Error {
    if failures.iter().count() <= 1 && failures.not_asked().is_empty() {
        let nothing = || Error::new(ErrorKind::NotFound, "nothing to try");
        return failures.into_last().unwrap_or_else(nothing);
    }
    let with_causes = |error: &Error| WithCauses(error).to_string().replace('\n', "\n  ");
    let message = match failures.iter().last() {
        Some((_, refusal)) if refusal.kind() == ErrorKind::Rejected => {
            rejected(refusal, &failures, with_causes)
        }
        _ => failures.described(with_causes).to_string(),
    };
    Error::all(failures.into_errors(), message)
}

/// The refusal that ended the search for a short name, as it is, and then where else the name was looked for.
fn rejected(refusal: &Error, failures: &Failures<Error>, describe: impl Fn(&Error) -> String) -> String {
    let mut lines = vec![WithCauses(refusal).to_string()];
    let before = failures.iter().count().saturating_sub(1);
    for (reference, error) in failures.iter().take(before) {
        lines.push(format!("tried before it: {reference}: {}", describe(error)));
    }
    let not_asked: Vec<String> = failures.not_asked().iter().map(ToString::to_string).collect();
    if !not_asked.is_empty() {
        lines.push(format!(
            "not asked: {} (a refusal ends the search)",
            not_asked.join(", ")
        ));
    }
    lines.join("\n  ")
}
