//! A process: a registry that clients reach by HTTP, and that collects garbage.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use object_store::local::LocalFileSystem;
use wharf_content::{Error, ErrorKind};
use wharf_registry::{GcOptions, Registry};
use wharf_registry_object::{
    Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions, Reclamation,
};

/// The time after which a link that nothing needs goes.
pub(crate) const GRACE: Duration = Duration::from_secs(3);
/// The time from one collection of a process to the next.
const INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn open(
    url: &str,
    directory: &Path,
    reclamation: Reclamation,
) -> Result<ObjectBackend, Error> {
    let mut options = DatabaseOptions::default();
    options.grace = GRACE;
    options.request_time = Duration::from_secs(4);
    let database = Database::open(&DatabaseUrl::parse(url)?, options).await?;
    let store = LocalFileSystem::new_with_prefix(directory).expect("a directory");
    let mut options = ObjectOptions::default();
    options.reclamation = reclamation;
    ObjectBackend::open(database, Arc::new(store), options).await
}

/// Serves until it is killed, or its parent has ended.
pub(crate) fn run(url: &str, directory: &str) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let mut reclamation = Reclamation::default();
        reclamation.uploads = Duration::from_secs(5);
        reclamation.pending = Duration::from_secs(5);
        reclamation.hold = Duration::from_secs(1);
        reclamation.again = Duration::from_secs(2);
        // A database that is being restarted: the parent starts another process.
        let Ok(backend) = open(url, Path::new(directory), reclamation).await else {
            return;
        };
        let Ok(registry) = Registry::open(backend).await else {
            return;
        };
        let server = registry.clone().serve().await.expect("a port");
        say(&format!("serves {}", server.url()));
        loop {
            tokio::time::sleep(INTERVAL).await;
            let collected = registry
                .collect_garbage(&GcOptions::default().with_grace(GRACE))
                .await;
            match collected {
                Ok(report) => say(&format!("collected {}", report.content)),
                Err(error) if matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout) => {}
                Err(error) => say(&format!("failed {error}")),
            }
        }
    });
}

/// Tells the parent a line.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}
