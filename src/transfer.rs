use std::{collections::BTreeSet, sync::Arc};

use wharf_auth::AuthErrorKind;
use wharf_config::{Failure, Failures, Intent, NameOrigin, Resolve as _, ResolveError, ResolvedName};
use wharf_content::{Error, ErrorKind, Name, Source, Target, WithCauses};
use wharf_copy::{Options, Report};
use wharf_distribution::{Detail, Operation};
use wharf_reference::{Reference, Registry};
use wharf_store::Layout;

use crate::{
    Client, Image, StoreImage,
    client::{OpenedImage, parse},
    waiting::copy,
};

/// What [`Client::pull`] did.
#[derive(Debug, Clone)]
#[must_use]
pub struct Pulled {
    reference: Reference,
    origin: NameOrigin,
    name: Name,
    report: Report,
    unrecorded: Option<String>,
}

impl Pulled {
    /// What was pulled, in full.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Why the name that was asked for means this.
    #[must_use]
    pub const fn origin(&self) -> &NameOrigin {
        &self.origin
    }

    /// Why the choice that was made when asked could not be remembered, if it could not.
    #[must_use]
    pub fn unrecorded(&self) -> Option<&str> {
        self.unrecorded.as_deref()
    }

    /// What it is called in the store.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// What moved.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl Client {
    /// Pulls an image into a store, as `podman pull` does: a name without a registry may be an alias, or be
    /// searched in several registries (containers-registries.conf(5)); [`Pulled`] says what it was taken for.
    /// Without a name in the options the image is called by its full reference in the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed or ambiguous name, [`ErrorKind::NotFound`] if there is no such image
    /// or none for the platform, [`ErrorKind::Rejected`] if the host's trust policy does not accept it,
    /// [`ErrorKind::Mismatch`] if the registry sends other bytes than it promised, and
    /// the failures of registry and store. The store has the whole image under its name or not at all.
    pub async fn pull(&self, reference: &str, store: &Layout, options: Options) -> Result<Pulled, Error> {
        let resolved = self
            .inner
            .names
            .resolve(reference, &self.inner.registries)
            .await?;
        let client = self.short_name_client(&resolved)?;
        let mut attempts = resolved.attempts();
        while let Some(candidate) = attempts.next_candidate() {
            match self
                .pull_candidate(&client, candidate.reference(), store, &options)
                .await
            {
                Ok((name, report)) => {
                    let (reference, origin) = (candidate.reference().clone(), resolved.origin().clone());
                    let unrecorded = self
                        .inner
                        .names
                        .record(candidate, &self.inner.registries)
                        .await
                        .err();
                    return Ok(Pulled {
                        reference,
                        origin,
                        name,
                        report,
                        unrecorded,
                    });
                }
                Err(error) => {
                    let failure = self.failure(candidate.reference(), &error);
                    attempts.failed(error, failure);
                }
            }
        }
        Err(all_failed(attempts.into_failures()))
    }

    /// The kind of a failed pull of one candidate, which decides whether the search for a short name goes on.
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
            Some(credential) if *resolved.origin() != NameOrigin::FullName => credential.clone(),
            _ => return Ok(self.inner.client.clone()),
        };
        let candidates = resolved.candidates().iter();
        let registries: BTreeSet<Registry> = candidates.map(|one| one.reference().registry()).collect();
        let mut registries = registries.into_iter();
        let (Some(registry), None) = (registries.next(), registries.next()) else {
            let names: Vec<String> = resolved
                .candidates()
                .iter()
                .map(|candidate| candidate.reference().to_string())
                .collect();
            let message = format!(
                "the login would be sent to every registry that the short name is searched in: write the full name, one \
                 of {}",
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let mut provider = self.inner.credentials_provider.clone();
        provider.explicit.push((registry.into(), credential));
        let protocol = self.inner.protocol.clone();
        Ok(protocol.with_credentials(provider).build()?)
    }

    async fn pull_candidate(
        &self,
        client: &wharf_distribution::Client,
        reference: &Reference,
        store: &Layout,
        options: &Options,
    ) -> Result<(Name, Report), Error> {
        let (source, target) = (client.remote(&reference.repository()), Target::of(reference));
        self.inner.guard.admit(&Source::location(&source), &target)?;
        let name = options.name().cloned().unwrap_or_else(|| Name::from(reference));
        let options = options.clone().with_name(name.clone());
        let report = copy(Arc::new(source), Arc::new(store.session()), &target, options).await?;
        Ok((name, report))
    }

    /// Pushes an image that a store has under a name or digest, or one that was just built. Without a tag or digest in `reference` it gets the tag
    /// `latest`; with a digest it gets none, and must have that digest. A name in the options is ignored.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use wharf::{Client, Hasher, ImageBuilder, ImageConfig, MediaType, Options, Platform};
    ///
    /// let layer = std::fs::read("layer.tar")?;
    /// let config = ImageConfig::builder(Platform::new("linux", "amd64"))
    ///     .with_cmd(["/srv/hello"])
    ///     .with_diff_id(&Hasher::sha256(&layer))
    ///     .build()?;
    /// let image = ImageBuilder::new().with_config(config).with_layer_bytes(MediaType::OCI_LAYER, layer).build()?;
    ///
    /// let client = Client::from_host()?;
    /// client.push(&image, image.digest(), "registry.example.com/team/hello:1.0", Options::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the store has no such image, [`ErrorKind::Invalid`] for a reference with tag
    /// and digest, [`ErrorKind::Mismatch`] if the image does not have the digest, and the failures of registry
    /// and store. The tag is set last, when everything is there.
    pub async fn push<S>(
        &self,
        store: &S,
        image: impl Into<Target>,
        reference: &str,
        options: Options,
    ) -> Result<Report, Error>
    where
        S: Source + Clone + 'static,
    {
        let reference = parse(reference)?.or_latest();
        let sink = self.inner.client.remote(&reference.repository());
        let target = image.into();
        self.inner.guard.admit(&store.location(), &target)?;
        let options = tagged(options, &reference)?;
        let report = copy(Arc::new(store.clone()), Arc::new(sink), &target, options).await?;
        as_pinned(report, &reference)
    }

    /// Copies an image from one place to another. In a store without a name in `to`, the image is called by its
    /// full reference if it comes from a registry, and has no name otherwise.
    ///
    /// # Errors
    ///
    /// As [`Client::pull`] and [`Client::push`].
    pub async fn copy(&self, from: &Image, to: &Image, options: Options) -> Result<Report, Error> {
        self.copy_to(from, self, to, options).await
    }

    /// Copies an image, reading it as this client does and writing it as another: each side has its own logins and
    /// certificates, even where both are in one registry. The trust policy is this client's.
    ///
    /// # Errors
    ///
    /// As [`Client::copy`].
    pub async fn copy_to(
        &self,
        from: &Image,
        destination: &Self,
        to: &Image,
        options: Options,
    ) -> Result<Report, Error> {
        let named = stored_as(from, to)?;
        let OpenedImage { source, target, .. } = self.open(from).await?;
        self.inner.guard.admit(&source.location(), &target)?;
        match to {
            Image::Registry(reference) => {
                let reference = parse(reference)?.or_latest();
                let sink = destination.inner.client.remote(&reference.repository());
                let options = tagged(options, &reference)?;
                as_pinned(copy(source, Arc::new(sink), &target, options).await?, &reference)
            }
            Image::Store { directory, .. } => {
                let options = match named {
                    Some(name) => options.with_name(name),
                    None => options,
                };
                let sink = Layout::create(directory).await?.session();
                copy(source, Arc::new(sink), &target, options).await
            }
        }
    }
}

/// Whether the registry or its token server denied the manifest (401, 403). A login that could not be read is
/// another matter, as is a blob that is denied after the manifest was given.
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

/// The name that a copy gets in the store it goes to; `None` if the copy goes to a registry or gets no name.
/// Fails with [`ErrorKind::Invalid`] if the destination is given by a position or a digest, which only say
/// what to read.
fn stored_as(from: &Image, to: &Image) -> Result<Option<Name>, Error> {
    let Image::Store { image, .. } = to else {
        return Ok(None);
    };
    match (image, from) {
        (StoreImage::Name(name), _) => Ok(Some(name.clone())),
        (StoreImage::Only, Image::Registry(reference)) => {
            Ok(Some(Name::from(&parse(reference)?.or_latest())))
        }
        (StoreImage::Only, Image::Store { image, .. }) => Ok(match image {
            StoreImage::Name(name) => Some(name.clone()),
            _ => None,
        }),
        (StoreImage::Position(_) | StoreImage::Digest(_), _) => {
            let message = format!(
                "cannot copy to {to}: a number or digest says which image is read; write a name instead"
            );
            Err(Error::new(ErrorKind::Invalid, message))
        }
    }
}

/// The failure of the one candidate as it is, or that of several together.
fn all_failed(failures: Failures<Error>) -> Error {
    if failures.iter().count() <= 1 && failures.not_asked().is_empty() {
        let nothing = || Error::new(ErrorKind::NotFound, "nothing to try");
        return failures.into_last().unwrap_or_else(nothing);
    }
    let with_causes = |error: &Error| WithCauses(error).to_string().replace('\n', "\n  ");
    let message = failures.described(with_causes).to_string();
    Error::all(failures.into_errors(), message)
}

/// Options for a push: the tag of the reference, if it has one. A tag and a digest together would promise that
/// the tag means that digest, which only the registry decides.
fn tagged(options: Options, reference: &Reference) -> Result<Options, Error> {
    match (reference.tag(), reference.has_digest()) {
        (Some(_), true) => {
            let message = format!("cannot push to {reference}: leave out either the tag or the digest");
            Err(Error::new(ErrorKind::Invalid, message))
        }
        (Some(tag), false) => Ok(options.with_name(tag.into())),
        (None, _) => Ok(options.without_name()),
    }
}

/// What was pushed to a reference by digest must be that.
fn as_pinned(report: Report, reference: &Reference) -> Result<Report, Error> {
    match reference.digest() {
        Some(digest) if digest != *report.digest() => {
            let message = format!("pushed {}, which is not {reference}", report.digest());
            Err(Error::new(ErrorKind::Mismatch, message))
        }
        _ => Ok(report),
    }
}
