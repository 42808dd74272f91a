//! The stores, against servers that speak as the clouds do.

mod backend;
mod failures;
#[path = "../../common/store_faults.rs"]
#[expect(dead_code, reason = "the fault program uses more of it")]
pub(crate) mod faults;
mod objects;
mod opening;
mod secrets;

use tempfile::TempDir;
use wharf_registry_object::{Store, StoreOptions, StoreUrl};
use wharf_testkit::{Azurite, Moto, SeaweedFs};

/// A kind of store that the tests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    Moto,
    SeaweedFs,
    Azurite,
}

/// An empty store of a kind.
pub(crate) struct Fresh {
    pub(crate) url: StoreUrl,
    pub(crate) options: StoreOptions,
    _directory: Option<TempDir>,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Directory, Self::Moto, Self::SeaweedFs, Self::Azurite];

    /// The program that serves it.
    const fn program(self) -> Option<&'static str> {
        match self {
            Self::Directory => None,
            Self::Moto => Some(Moto::PROGRAM),
            Self::SeaweedFs => Some(SeaweedFs::PROGRAM),
            Self::Azurite => Some(Azurite::PROGRAM),
        }
    }

    /// The variables with a key for it.
    pub(crate) fn variables(self) -> Vec<(String, String)> {
        let pairs: &[(&str, &str)] = match self {
            Self::Directory => &[],
            Self::Moto => &[("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "key")],
            Self::SeaweedFs => &[
                ("AWS_ACCESS_KEY_ID", SeaweedFs::KEY),
                ("AWS_SECRET_ACCESS_KEY", SeaweedFs::SECRET),
            ],
            Self::Azurite => &[
                ("AZURE_STORAGE_ACCOUNT", Azurite::ACCOUNT),
                ("AZURE_STORAGE_KEY", Azurite::KEY),
            ],
        };
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// The URL of its server.
    pub(crate) fn endpoint(self) -> Option<String> {
        match self {
            Self::Directory => None,
            Self::Moto => Some(Moto::shared().endpoint()),
            Self::SeaweedFs => Some(SeaweedFs::shared().endpoint()),
            Self::Azurite => Some(Azurite::shared().endpoint()),
        }
    }

    pub(crate) fn options(self) -> StoreOptions {
        let options = StoreOptions::default().with_variables(self.variables());
        match self.endpoint() {
            Some(endpoint) => options.with_endpoint(endpoint),
            None => options,
        }
    }

    /// An empty store, below a prefix of a bucket of its own.
    pub(crate) fn fresh(self) -> Fresh {
        let mut directory = None;
        let url = match self {
            Self::Directory => {
                let made = tempfile::tempdir().expect("a temporary directory");
                let url = format!("file://{}/registry", made.path().display());
                directory = Some(made);
                url
            }
            Self::Moto => format!("s3://{}/a/registry", Moto::shared().create_bucket()),
            Self::SeaweedFs => format!("s3://{}/a/registry", SeaweedFs::shared().create_bucket()),
            Self::Azurite => format!("az://{}/a/registry", Azurite::shared().create_container()),
        };
        Fresh {
            url: StoreUrl::parse(&url).expect("a URL of a store"),
            options: self.options(),
            _directory: directory,
        }
    }
}

impl Fresh {
    pub(crate) async fn open(&self) -> Store {
        let opened = Store::open(&self.url, &self.options).await;
        opened.expect("a store that answers truly")
    }
}

/// The kinds whose program is installed; prints which are not, or fails if they must be.
pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| {
        let program = kind.program();
        program.is_none_or(|program| wharf_testkit::peers_present(&[program]))
    })
}
