//! Object stores: where the bytes of a registry are.

mod check;
#[cfg(feature = "http")]
mod clock;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod cloud;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod concealed;
mod directory;
mod options;
mod scheme;
#[cfg(feature = "http")]
mod transport;
mod url;

use std::{fmt, sync::Arc};

#[cfg(all(
    feature = "postgres",
    any(feature = "aws", feature = "azure", feature = "gcp")
))]
use object_store::path::Path;
#[cfg(feature = "http")]
use object_store::signer::Signer;
use object_store::{ObjectStore, multipart::MultipartStore};
use wharf_content::Error;

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
use self::concealed::Concealed;
use self::url::Location;
#[cfg(feature = "http")]
pub use self::{clock::StoreClock, transport::StoreTransport};
pub use self::{options::StoreOptions, url::StoreUrl};
#[cfg(feature = "postgres")]
use crate::ExternalStore;
use crate::store_error;

/// An object store, below a prefix that belongs to one registry: its objects, and what only some stores have.
///
/// `Debug` and `Display` of it, and of the store within, show the address and no credentials.
///
/// ```
/// use wharf_registry_object::{Store, StoreOptions, StoreUrl};
///
/// # #[cfg(feature = "aws")]
/// # async fn example() -> Result<(), wharf_content::Error> {
/// let url = StoreUrl::parse("s3://images/registry")?;
/// let options = StoreOptions::default().with_variables(std::env::vars());
/// let store = Store::open(&url, &options).await?;
/// println!("{store} can be used");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    address: Arc<str>,
    objects: Arc<dyn ObjectStore>,
    multipart: Option<Arc<dyn MultipartStore>>,
    #[cfg(feature = "http")]
    signer: Option<Arc<dyn Signer>>,
    #[cfg(feature = "http")]
    clock: Option<StoreClock>,
    #[cfg(feature = "postgres")]
    external: Option<ExternalStore>,
}

impl Store {
    /// Opens the store of a URL and checks it, as [`Store::check`] does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if this build does not have the feature of the
    /// URL's scheme; [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) if an option cannot be used; and the
    /// errors of [`Store::check`].
    pub async fn open(url: &StoreUrl, options: &StoreOptions) -> Result<Self, Error> {
        let store = Self::build(url, options)?;
        store.check().await?;
        Ok(store)
    }

    /// The store of a URL, without a request to it: a directory is made, a cloud is not asked. See [`Store::check`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`] but for the check.
    #[cfg_attr(
        not(any(feature = "aws", feature = "azure", feature = "gcp")),
        expect(unused_variables, reason = "a directory needs no options")
    )]
    pub fn build(url: &StoreUrl, options: &StoreOptions) -> Result<Self, Error> {
        match url.location() {
            Location::Directory(path) => directory::open(url, path),
            #[cfg(feature = "aws")]
            Location::S3(bucket) => cloud::s3(url, bucket, options),
            #[cfg(feature = "azure")]
            Location::Azure(container) => cloud::azure(url, container, options),
            #[cfg(feature = "gcp")]
            Location::Google(bucket) => cloud::google(url, bucket, options),
            #[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
            _ => {
                let message = format!("the store {url} cannot be opened: this build has no support for it");
                Err(Error::new(wharf_content::ErrorKind::Unsupported, message))
            }
        }
    }

    /// A store that the caller brings, under the address that errors and `Debug` show. It has no uploads in parts and
    /// signs no URLs until told so, and is not checked: see [`Store::check`].
    pub fn new(address: impl Into<Arc<str>>, objects: impl ObjectStore) -> Self {
        Self {
            address: address.into(),
            objects: Arc::new(objects),
            multipart: None,
            #[cfg(feature = "http")]
            signer: None,
            #[cfg(feature = "http")]
            clock: None,
            #[cfg(feature = "postgres")]
            external: None,
        }
    }

    /// Sets what uploads large objects in parts: the same store as that of the objects.
    #[must_use]
    pub fn with_multipart(mut self, multipart: impl MultipartStore) -> Self {
        self.multipart = Some(Arc::new(multipart));
        self
    }

    /// Sets what signs URLs of objects: the same store as that of the objects.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_signer(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// Sets the whole of which the store is a part.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn with_external(mut self, external: ExternalStore) -> Self {
        self.external = Some(external);
        self
    }

    /// The objects.
    #[must_use]
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Uploads in parts; `None` for a directory.
    #[must_use]
    pub fn multipart(&self) -> Option<&Arc<dyn MultipartStore>> {
        self.multipart.as_ref()
    }

    /// Signatures of URLs; `None` for a directory.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn signer(&self) -> Option<&Arc<dyn Signer>> {
        self.signer.as_ref()
    }

    /// The clock of its server; `None` for a directory.
    #[cfg(feature = "http")]
    #[must_use]
    pub const fn clock(&self) -> Option<&StoreClock> {
        self.clock.as_ref()
    }

    /// The whole of which the store is a part, to read what others have written there: the bucket of a cloud, for a directory
    /// the files of this machine; `None` for a store that the caller brings, until it is set.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub const fn external(&self) -> Option<&ExternalStore> {
        self.external.as_ref()
    }

    /// The error of an operation on this store, such as `("read", "v1/data/…")`. It names the store, the operation, the
    /// object and the reason, and has nothing of the server's text but the code of its error.
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) is an object that is not there, and never a bucket that is not.
    #[must_use]
    pub fn failed(&self, operation: &str, object: &str, error: &object_store::Error) -> Error {
        store_error::failed_at(&self.address, operation, object, error)
    }

    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    fn cloud<T: ObjectStore + MultipartStore + Signer + Clone>(
        url: &StoreUrl,
        options: &StoreOptions,
        store: T,
    ) -> Self {
        let address: Arc<str> = url.to_string().into();
        #[cfg(feature = "postgres")]
        let external = {
            let bucket: Arc<str> = url.bucket().to_string().into();
            let whole = || Concealed::new(&bucket, store.clone(), &Path::default());
            ExternalStore::new(Arc::clone(&bucket), whole(), url.prefix()).with_signer(whole())
        };
        let store = Arc::new(Concealed::new(&address, store, url.prefix()));
        Self {
            address,
            objects: Arc::<Concealed<T>>::clone(&store),
            multipart: Some(Arc::<Concealed<T>>::clone(&store)),
            signer: Some(store),
            clock: Some(options.transport.clock().clone()),
            #[cfg(feature = "postgres")]
            external: Some(external),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("address", &self.address)
            .field("has_multipart", &self.multipart.is_some())
            .finish_non_exhaustive()
    }
}
