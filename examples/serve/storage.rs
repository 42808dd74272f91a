//! The storage of the registry: a directory of its own, or a database and an object store that several processes share.

use std::{env, fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use wharf_registry::{DiskBackend, Registry};
use wharf_registry_object::{
    Database, DatabaseOptions, DatabaseUrl, Migrate, ObjectBackend, ObjectOptions, Store, StoreOptions,
    StoreUrl,
};

use crate::{arguments::Arguments, mistakes};

/// Opens the storage that the arguments name.
pub(crate) async fn open(arguments: &Arguments) -> anyhow::Result<Registry> {
    match (&arguments.root, &arguments.store, &arguments.database) {
        (_, Some(store), Some(database)) => {
            let backend = open_shared(arguments, store, database).await?;
            Ok(Registry::open(backend).await?)
        }
        (Some(root), ..) => open_root(root).await,
        _ => Err(anyhow!(
            "name a directory with --root, or engines with --store and --database"
        )),
    }
}

async fn open_root(root: &Path) -> anyhow::Result<Registry> {
    mistakes::check_root(root)?;
    let opened = match DiskBackend::open(root).await {
        Ok(backend) => {
            backend.torn_tail().into_iter().for_each(mistakes::torn);
            Registry::open(backend).await
        }
        Err(error) => Err(error),
    };
    opened.map_err(mistakes::opening)
}

/// Opens a database and an object store.
pub(crate) async fn open_shared(
    arguments: &Arguments,
    store: &str,
    database: &str,
) -> anyhow::Result<ObjectBackend> {
    let at = StoreUrl::parse(store)?;
    let url = DatabaseUrl::parse(&database_url(database)?)?;
    let mut options = DatabaseOptions::default();
    options.grace = Duration::from_secs(arguments.gc_grace);
    if arguments.no_migrate {
        options.migrate = Migrate::Never;
    }
    let database = Database::open(&url, options).await?;
    let store = Store::open(&at, &store_options()).await?;
    let mut options = ObjectOptions::default();
    options.external = store.external().cloned();
    if arguments.redirecting.is_on() {
        let signer = store.signer().cloned();
        options.signer =
            Some(signer.context("--redirect needs a store that signs URLs, which a directory does not")?);
    }
    options.reclamation.directory = at.directory().map(Path::to_owned);
    options.clock = store.clock().cloned();
    let backend = ObjectBackend::open(database, Arc::clone(store.objects()), options).await?;
    Ok(backend)
}

/// The keys, regions and endpoints of the environment.
pub(crate) fn store_options() -> StoreOptions {
    let variables =
        env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    StoreOptions::default().with_variables(variables)
}

/// The URL of the database, or the content of the file that has it.
fn database_url(argument: &str) -> anyhow::Result<String> {
    match argument.strip_prefix('@') {
        Some(file) => {
            let text =
                fs::read_to_string(file).with_context(|| format!("cannot read --database from {file}"))?;
            Ok(text.trim().to_owned())
        }
        None => Ok(argument.to_owned()),
    }
}
