//! Three registries over one database and one directory, behind a dealer of connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use object_store::local::LocalFileSystem;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use wharf_registry::Registry;
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions};
use wharf_testkit::{PostgreSql, require_peers};

/// The number of registries.
const REGISTRIES: usize = 3;

/// A dealer, which gives each connection to the next registry.
pub(crate) struct Server {
    address: SocketAddr,
    dealing: JoinHandle<()>,
}

impl Server {
    fn deal(listener: TcpListener, registries: Vec<SocketAddr>) -> Self {
        let address = listener.local_addr().unwrap();
        let next = AtomicUsize::new(0);
        let dealing = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let registry = registries[next.fetch_add(1, Ordering::Relaxed) % registries.len()];
                tokio::spawn(async move {
                    let mut registry = TcpStream::connect(registry).await.unwrap();
                    // Either may close first, and a client may go without a word.
                    let _ = copy_bidirectional(&mut client, &mut registry).await;
                });
            }
        });
        Self { address, dealing }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.dealing.abort();
    }
}

/// Runs a check against registries that share a storage, each with connections of its own to the engines.
pub(crate) async fn each(configure: impl Fn(Registry) -> Registry, check: impl AsyncFn(&Server)) {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let url = DatabaseUrl::parse(&server.create_schema()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let external = format!("http://{}", listener.local_addr().unwrap());
    let mut registries = Vec::new();
    for _ in 0..REGISTRIES {
        let database = Database::open(&url, DatabaseOptions::default()).await.unwrap();
        let store = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
        let backend = ObjectBackend::open(database, Arc::new(store), ObjectOptions::default())
            .await
            .unwrap();
        let registry = configure(Registry::open(backend).await.unwrap()).with_external_url(&external);
        registries.push(registry.serve().await.unwrap());
    }
    let addresses = registries.iter().map(wharf_registry::Server::address).collect();
    check(&Server::deal(listener, addresses)).await;
}
