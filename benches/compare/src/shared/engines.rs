//! The engines, and the registries on them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use wharf_testkit::{DockerRegistry, PostgreSql, SeaweedFs};

use crate::{
    link::{Link, Shape},
    peers,
    process::Serve,
    protocol::Protocol,
};

/// A registry that is measured.
#[derive(Debug, Clone)]
pub struct Kind {
    pub name: String,
    program: PathBuf,
    storage: Storage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    /// PostgreSQL and the store, by wharf's `serve`.
    Shared,
    /// The store alone, by distribution; with or without redirects of pulls to the store.
    Store { redirects: bool },
}

/// SeaweedFS, and PostgreSQL.
pub struct Engines {
    weed: SeaweedFs,
    database: PostgreSql,
}

/// Processes of one registry.
pub struct Registry {
    processes: Vec<Process>,
    /// The link to the store.
    pub store: Link,
    /// The link to the database, if what passes there is to be counted.
    pub database: Option<Link>,
}

enum Process {
    Serve(Serve),
    Distribution(DockerRegistry),
}

impl Kind {
    pub fn wharf(serve: &Path) -> Self {
        Self {
            name: "wharf".to_owned(),
            program: serve.to_owned(),
            storage: Storage::Shared,
        }
    }

    pub fn distribution(program: &Path, redirects: bool) -> Self {
        let version = peers::version(program);
        let name = if redirects {
            format!("distribution {version} with redirects")
        } else {
            format!("distribution {version}")
        };
        Self {
            name,
            program: program.to_owned(),
            storage: Storage::Store { redirects },
        }
    }

    /// Whether clients fetch blobs from the store itself.
    pub fn redirects(&self) -> bool {
        self.storage == Storage::Store { redirects: true }
    }
}

impl Engines {
    pub fn start() -> Self {
        Self {
            weed: SeaweedFs::start(),
            database: PostgreSql::builder().start(),
        }
    }

    /// Starts so many processes of an empty registry. With `counts`, the links read what passes.
    pub fn registry(
        &self,
        kind: &Kind,
        processes: usize,
        latency: Duration,
        counts: bool,
    ) -> anyhow::Result<Registry> {
        let bucket = self.weed.create_bucket();
        let shape = Shape {
            round_trip: latency,
            rate: None,
        };
        let protocol = |protocol| if counts { protocol } else { Protocol::Unread };
        let endpoint = self.weed.endpoint();
        let host = endpoint
            .strip_prefix("http://")
            .context("SeaweedFS speaks HTTP")?;
        let store = Link::start(host.parse()?, shape, protocol(Protocol::Http))?;
        let endpoint = format!("http://{}", store.address());
        let mut database = None;
        let processes = match kind.storage {
            Storage::Shared => {
                let name = self.database.create_database();
                let url = if counts {
                    let server = SocketAddr::from(([127, 0, 0, 1], self.database.port()));
                    let link = Link::start(server, Shape::default(), Protocol::PostgreSql)?;
                    let (user, password) = (PostgreSql::USER, PostgreSql::PASSWORD);
                    let address = link.address();
                    database = Some(link);
                    format!("postgres://{user}:{password}@{address}/{name}?sslmode=disable")
                } else {
                    self.database.socket_url(&name)
                };
                let variables = [
                    ("AWS_ACCESS_KEY_ID", SeaweedFs::KEY.to_owned()),
                    ("AWS_SECRET_ACCESS_KEY", SeaweedFs::SECRET.to_owned()),
                    ("AWS_REGION", "us-east-1".to_owned()),
                    ("AWS_ENDPOINT_URL_S3", endpoint),
                ];
                let bucket = format!("s3://{bucket}");
                let arguments = ["--store", &bucket, "--database", &url, "--gc", "0"];
                let serve = |_| Serve::start(&kind.program, &arguments, &variables).map(Process::Serve);
                (0..processes).map(serve).collect::<anyhow::Result<_>>()?
            }
            Storage::Store { redirects } => {
                let storage = format!(
                    "s3: {{accesskey: {}, secretkey: {}, region: us-east-1, regionendpoint: \"{endpoint}\", \
                     forcepathstyle: true, secure: false, bucket: {bucket}}}, cache: {{blobdescriptor: inmemory}}, \
                     redirect: {{disable: {}}}",
                    SeaweedFs::KEY,
                    SeaweedFs::SECRET,
                    !redirects
                );
                let start = |_| {
                    let builder = DockerRegistry::builder().program(&kind.program).storage(&storage);
                    Process::Distribution(builder.start())
                };
                (0..processes).map(start).collect()
            }
        };
        Ok(Registry {
            processes,
            store,
            database,
        })
    }
}

impl Registry {
    /// The address of the process that serves this client.
    pub fn address(&self, client: usize) -> SocketAddr {
        match &self.processes[client % self.processes.len()] {
            Process::Serve(serve) => serve.address(),
            Process::Distribution(registry) => registry.address(),
        }
    }
}
