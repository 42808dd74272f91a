use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use wharf_auth::{Action, Scopes};
use wharf_config::{Intent, Role};
use wharf_content::{
    Blob, ByteStream, Descriptor, ErrorKind, Location, Manifest, MediaType, Name, Signature, Sink, Source,
    Target, Wanted,
};
use wharf_reference::{Algorithm, Digest, Repository};

use crate::{
    Client,
    endpoint::{Endpoint, InOrder},
    error::{Error, Operation},
    push::Session,
    signatures::Served,
    sync::LockExt as _,
};

/// One repository of a registry. Clones share what was learned about it.
///
/// Reads ask the candidates in the order of the configuration, mirrors first. The candidate that served a
/// manifest is asked first from then on. Writes go to the registry itself.
///
/// ```no_run
/// use wharf_content::{Blob, MediaType, Target};
/// use wharf_distribution::Client;
/// use wharf_reference::Reference;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let reference = Reference::parse("registry.example/app:1.0")?;
/// let remote = Client::builder().build()?.remote(&reference.repository());
///
/// let manifest = remote.manifest(&Target::of(&reference)).await?;
/// for layer in manifest.layers() {
///     let bytes = remote.blob(layer)?.read_to_end(64 * 1024 * 1024).await?;
///     println!("{} has {} bytes", layer.digest(), bytes.len());
/// }
/// remote.push_blob(Blob::of(MediaType::OCI_CONFIG, "{}")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    repository: Repository,
    /// True if reads go where writes go.
    without_mirrors: bool,
    by_tag: OnceLock<Arc<[Endpoint]>>,
    by_digest: OnceLock<Arc<[Endpoint]>>,
    writing: OnceLock<Arc<[Endpoint]>>,
    /// The index in `by_digest` of the endpoint that is asked first.
    preferred: AtomicUsize,
    sessions: Mutex<HashMap<Digest, Session>>,
    served: Served,
}

impl Remote {
    pub(crate) fn new(client: Client, repository: Repository) -> Self {
        Self::with_mirrors(client, repository, true)
    }

    fn with_mirrors(client: Client, repository: Repository, mirrors: bool) -> Self {
        let inner = Inner {
            client,
            repository,
            without_mirrors: !mirrors,
            by_tag: OnceLock::new(),
            by_digest: OnceLock::new(),
            writing: OnceLock::new(),
            preferred: AtomicUsize::new(0),
            sessions: Mutex::default(),
            served: Served::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// This repository, read at the registry itself and not at its mirrors: for what must be of the registry, such as
    /// a manifest that is to be signed.
    #[must_use]
    pub fn without_mirrors(&self) -> Self {
        Self::with_mirrors(self.client().clone(), self.repository().clone(), false)
    }

    /// The repository, as the user named it.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.inner.repository
    }

    /// The client that this repository belongs to.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The repository with this tag or digest, for messages.
    pub(crate) fn name_of(&self, target: &Target) -> String {
        match target {
            Target::Name(name) => format!("{}:{name}", self.inner.repository),
            Target::Digest(digest) => format!("{}@{digest}", self.inner.repository),
        }
    }

    pub(crate) fn endpoints(&self, intent: Intent, operation: Operation) -> Result<Arc<[Endpoint]>, Error> {
        if self.inner.without_mirrors && intent != Intent::Push {
            return Ok(Arc::from([self.primary(operation)?]));
        }
        let cell = match intent {
            Intent::PullTag => &self.inner.by_tag,
            Intent::PullDigest => &self.inner.by_digest,
            _ => &self.inner.writing,
        };
        if let Some(endpoints) = cell.get() {
            return Ok(Arc::clone(endpoints));
        }
        let endpoints = self
            .inner
            .client
            .endpoints(&self.inner.repository, intent, operation)?;
        Ok(Arc::clone(cell.get_or_init(|| endpoints.into())))
    }

    /// The endpoint for writes and for everything else that is not a pull.
    pub(crate) fn primary(&self, operation: Operation) -> Result<Endpoint, Error> {
        let endpoints = self.endpoints(Intent::Push, operation)?;
        let primary = endpoints
            .iter()
            .rev()
            .find(|endpoint| endpoint.role == Role::Primary);
        primary.or_else(|| endpoints.last()).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::Blocked,
                operation,
                self.repository(),
                "the configuration blocks the registry",
            )
        })
    }

    /// The order in which the endpoints are asked for a digest: first the one that served last.
    pub(crate) fn order(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let preferred = self.inner.preferred.load(Ordering::Relaxed);
        let preferred = (preferred < count).then_some(preferred);
        preferred
            .into_iter()
            .chain((0..count).filter(move |index| Some(*index) != preferred))
    }

    /// Asks the endpoints in order until one answers. If all fail, the error is that of the last, with the
    /// earlier ones in it.
    pub(crate) async fn first_of<T, F, Fut>(
        &self,
        intent: Intent,
        operation: Operation,
        ask: F,
    ) -> Result<T, Error>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, Error>>,
    {
        let endpoints = self.endpoints(intent, operation)?;
        let mut failed: Vec<(usize, Error)> = Vec::new();
        // The first endpoint in the order of the configuration decides what a tag refers to; a digest has
        // the same content everywhere.
        let order: Vec<usize> = match intent {
            Intent::PullDigest => self.order(endpoints.len()).collect(),
            _ => (0..endpoints.len()).collect(),
        };
        let mut in_order = InOrder::new(&endpoints, order);
        while let Some((index, endpoint)) = in_order.next() {
            match ask(endpoint.clone()).await {
                Ok(answer) => {
                    if operation == Operation::PullManifest {
                        self.prefer(&endpoint);
                    }
                    return Ok(answer);
                }
                Err(error) => {
                    if endpoints.len() > 1 {
                        tracing::debug!(%error, "trying the next endpoint");
                    }
                    in_order.failed(index, &error);
                    failed.push((index, error));
                }
            }
        }
        Err(self.all_failed(operation, failed))
    }

    /// The error of the primary, with the errors of the mirrors in it.
    pub(crate) fn all_failed(&self, operation: Operation, mut failed: Vec<(usize, Error)>) -> Error {
        failed.sort_by_key(|(index, _)| *index);
        let mut errors: Vec<Error> = failed.into_iter().map(|(_, error)| error).collect();
        match errors.pop() {
            Some(last) => last.edit(|inner| {
                errors.append(&mut inner.earlier);
                inner.earlier = errors;
            }),
            None => Error::new(
                ErrorKind::Blocked,
                operation,
                self.repository(),
                "every candidate for it is blocked",
            ),
        }
    }

    fn prefer(&self, endpoint: &Endpoint) {
        let Ok(endpoints) = self.endpoints(Intent::PullDigest, Operation::PullManifest) else {
            return;
        };
        let same =
            |other: &Endpoint| other.registry == endpoint.registry && other.repository == endpoint.repository;
        if let Some(index) = endpoints.iter().position(same) {
            self.inner.preferred.store(index, Ordering::Relaxed);
        }
    }

    /// The endpoints that have served manifests, where their signatures are looked for.
    pub(crate) fn served(&self) -> &Served {
        &self.inner.served
    }

    /// The path of an API request below this repository, by the name that it has at the endpoint.
    pub(crate) fn path(&self, endpoint: &Endpoint, rest: &str) -> String {
        let repository = endpoint.repository.as_ref().unwrap_or(&self.inner.repository);
        format!("v2/{}/{rest}", repository.path())
    }

    pub(crate) fn scopes(&self, endpoint: &Endpoint, action: Action) -> Scopes {
        Scopes::repository(
            endpoint.repository.as_ref().unwrap_or(&self.inner.repository),
            action,
        )
    }

    /// Stores an upload session that a refused mount opened, for the upload that follows.
    pub(crate) fn store_session(&self, digest: &Digest, session: Session) {
        let mut sessions = self.inner.sessions.locked();
        sessions.insert(digest.clone(), session);
    }

    pub(crate) fn take_session(&self, digest: &Digest) -> Option<Session> {
        self.inner.sessions.locked().remove(digest)
    }
}

#[async_trait]
impl Source for Remote {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, wharf_content::Error> {
        Ok(Self::resolve(self, target).await?)
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, wharf_content::Error> {
        Ok(Self::manifest(self, target).await?)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, wharf_content::Error> {
        Ok(Self::blob(self, descriptor)?)
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, wharf_content::Error> {
        Ok(Self::referrers(self, subject, None).await?)
    }

    fn expect_signatures(&self, wanted: Wanted) {
        self.served().expect(wanted);
    }

    async fn signatures(
        &self,
        manifest: &Digest,
        wanted: Wanted,
    ) -> Result<Vec<Signature>, wharf_content::Error> {
        Ok(Self::signatures(self, manifest, wanted).await?)
    }

    async fn count_signatures(
        &self,
        manifest: &Digest,
        wanted: Wanted,
    ) -> Result<usize, wharf_content::Error> {
        Ok(Self::count_signatures(self, manifest, wanted).await?)
    }

    fn unread_signatures(&self, manifest: &Digest, wanted: Wanted) -> Option<String> {
        Self::unread_signatures(self, manifest, wanted)
    }

    fn served_by(&self, manifest: &Digest) -> Option<Location> {
        let served_by = self.served().endpoint(manifest)?.repository?;
        (served_by != *self.repository()).then_some(Location::Repository(served_by))
    }

    fn location(&self) -> Location {
        Location::Repository(self.repository().clone())
    }
}

#[async_trait]
impl Sink for Remote {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, wharf_content::Error> {
        Ok(self.is_sent_already(descriptor).await?)
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), wharf_content::Error> {
        Ok(Self::push_blob(self, blob).await?)
    }

    async fn push_manifest(
        &self,
        manifest: &Manifest,
        name: Option<&Name>,
    ) -> Result<(), wharf_content::Error> {
        let tag = name.map(Name::to_tag).transpose()?;
        Ok(Self::push_manifest(self, manifest, tag.as_ref()).await?)
    }

    async fn mount(&self, descriptor: &Descriptor, from: &Location) -> Result<bool, wharf_content::Error> {
        match from {
            Location::Repository(source)
                if !descriptor.media_type().is_manifest()
                    && source.registry() == self.repository().registry()
                    && source != self.repository() =>
            {
                Ok(self.mount(descriptor, source).await?)
            }
            _ => Ok(false),
        }
    }

    fn can_ingest(&self) -> bool {
        true
    }

    /// Sends the bytes in one request of unknown length. The last 8 MiB are kept, so that the upload goes on after a
    /// broken connection. A registry that refuses such a request gets chunks, or the whole blob from a temporary file
    /// ([`ClientBuilder::with_scratch`](crate::ClientBuilder::with_scratch)).
    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, wharf_content::Error> {
        Ok(self.push_stream(media_type, algorithm, bytes).await?)
    }

    async fn accepts_signatures(
        &self,
        kinds: Wanted,
        name: Option<&Name>,
    ) -> Result<(), wharf_content::Error> {
        let tag = name.map(Name::to_tag).transpose()?;
        Ok(Self::accepts_signatures(self, kinds, tag.as_ref()).await?)
    }

    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        name: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, wharf_content::Error> {
        let tag = name.map(Name::to_tag).transpose()?;
        Ok(Self::push_signatures(self, manifest, tag.as_ref(), signatures).await?)
    }

    fn location(&self) -> Location {
        Location::Repository(self.repository().clone())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.inner.repository).finish()
    }
}
