//! The registries that are compared, each a process of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::http::Connection;
use crate::peers::{self, DOCKER_REGISTRY, Peers, REGISTRY};

/// How long a registry may take until it answers.
const START: Duration = Duration::from_secs(120);
/// Time between two questions whether it answers.
const TURN: Duration = Duration::from_millis(1);

/// A registry that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Wharf,
    Distribution,
    DockerRegistry,
    Olareg,
}

/// A registry and its program.
#[derive(Debug, Clone)]
pub struct Program {
    pub kind: Kind,
    path: PathBuf,
}

impl Program {
    /// Those there are, wharf first; with `only`, no others than these.
    pub fn find(wharf: Option<&Path>, only: &[String], peers: &Peers) -> Vec<Self> {
        let given = peers.find(REGISTRY).filter(|path| {
            let name = path.file_name().unwrap_or_default();
            name != DOCKER_REGISTRY
        });
        let found = [
            (Kind::Wharf, wharf.map(|examples| examples.join("serve"))),
            (Kind::Distribution, given),
            (Kind::DockerRegistry, peers.find(DOCKER_REGISTRY)),
            (Kind::Olareg, peers.find("olareg")),
        ];
        let programs = found
            .into_iter()
            .filter_map(|(kind, path)| Some(Self { kind, path: path? }));
        programs
            .filter(|program| only.is_empty() || only.iter().any(|name| name == program.name()))
            .collect()
    }

    pub const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Wharf => "wharf",
            Kind::Distribution => "distribution",
            Kind::DockerRegistry => "docker-registry",
            Kind::Olareg => "olareg",
        }
    }

    pub fn version(&self) -> String {
        match self.kind {
            Kind::Wharf => peers::locked_version("wharf-content"),
            _ => peers::version(&self.path),
        }
    }

    /// Starts it over a directory, and waits until it answers.
    pub fn start(&self, directory: &Path) -> anyhow::Result<Server> {
        let address = free_address()?;
        let store = directory.join("store");
        let mut command = Command::new(&self.path);
        match self.kind {
            Kind::Wharf => {
                command
                    .arg("--root")
                    .arg(&store)
                    .arg("--listen")
                    .arg(address.to_string());
            }
            Kind::Distribution | Kind::DockerRegistry => {
                let file = directory.join("config.yml");
                let store = store.display();
                let text = format!(
                    "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
                     http: {{addr: \"{address}\", secret: compare}}\n\
                     storage: {{filesystem: {{rootdirectory: {store}}}, delete: {{enabled: true}}}}\n"
                );
                fs::write(&file, text)?;
                command.arg("serve").arg(file);
            }
            Kind::Olareg => {
                fs::create_dir_all(&store)?;
                command.arg("serve").arg("--dir").arg(&store);
                command.args(["--addr", "127.0.0.1", "--port", &address.port().to_string()]);
            }
        }
        command.current_dir(directory).env_clear();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.name()))?;
        let server = Server {
            child,
            address,
            started,
        };
        while server.client().send("GET", "/v2/", None, &[]).is_err() {
            ensure!(started.elapsed() < START, "{} does not answer", self.name());
            thread::sleep(TURN);
        }
        Ok(server)
    }
}

/// A registry that runs. It is ended when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// When its process was started.
    pub started: Instant,
}

impl Server {
    pub fn client(&self) -> Connection {
        Connection::new(self.address)
    }

    /// The processor time that it has used.
    pub fn processor(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("the name of the process")?;
        let fields: Vec<u64> = fields
            .split(' ')
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        // Fields 14 and 15, of which the third is the first here, in hundredths of a second.
        let ticks = fields
            .get(11)
            .zip(fields.get(12))
            .map(|(user, system)| user + system);
        Ok(Duration::from_millis(
            10 * ticks.context("the times of the process")?,
        ))
    }

    /// Its largest resident set in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(1024 * kilobytes.context("the largest resident set")?)
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        ensure!(
            Command::new("kill").arg(id).status()?.success(),
            "the registry has ended before"
        );
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// An address of the loopback that nobody uses now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
