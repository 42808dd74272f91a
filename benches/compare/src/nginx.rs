//! nginx before a registry: TLS and HTTP/2 for clients, plain HTTP to the registry.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use wharf_testkit::TestCertificate;

/// How long nginx may take until it listens.
const START: Duration = Duration::from_secs(10);

/// The lines of nginx's configuration for at most 4 streams and 20 requests per connection.
pub const SCARCE: &str = "http2_max_concurrent_streams 4; keepalive_requests 20;";

/// A running nginx. It is stopped when dropped.
#[derive(Debug)]
pub struct Nginx {
    program: PathBuf,
    child: Child,
    address: SocketAddr,
    root: TempDir,
}

impl Nginx {
    /// Starts nginx on a free port of the loopback address, and waits until it listens. `limits` are further lines of its
    /// configuration.
    pub fn start(
        program: &Path,
        registry: SocketAddr,
        certificate: &TestCertificate,
        limits: &str,
    ) -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("wharf-nginx-").tempdir()?;
        // nginx takes no port 0.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        fs::write(root.path().join("tls.crt"), certificate.pem())?;
        fs::write(root.path().join("tls.key"), certificate.key_pem())?;
        fs::write(
            root.path().join("nginx.conf"),
            configuration(address, registry, limits),
        )?;
        let mut child = command(program, root.path()).spawn()?;
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                let _ = child.kill(); // it may have ended by itself
                let said = fs::read_to_string(root.path().join("error.log")).unwrap_or_default();
                bail!("nginx does not listen:\n{said}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            program: program.to_owned(),
            child,
            address,
            root,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The version that nginx states.
pub fn version(program: &Path) -> String {
    let said = Command::new(program).arg("-v").output();
    let said = said.map_or_else(|_| Vec::new(), |output| output.stderr);
    let said = String::from_utf8_lossy(&said);
    let version = said.split_once("nginx/").map(|(_, version)| version.trim());
    version.unwrap_or("of an unknown version").to_owned()
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, the first process would leave its workers behind.
        let stopped = command(&self.program, self.root.path())
            .args(["-s", "stop"])
            .status()
            .context("nginx cannot be stopped");
        if stopped.is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        }
    }
}

fn command(program: &Path, root: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(root)
        .args(["-c", "nginx.conf", "-e", "error.log"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The configuration that distribution's documentation advises, without the log of requests.
fn configuration(address: SocketAddr, registry: SocketAddr, limits: &str) -> String {
    let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|module| format!("{module}_temp_path {module};"))
        .join(" ");
    format!(
        "daemon off; worker_processes auto; pid nginx.pid; user root;
events {{ worker_connections 512; }}
http {{
    access_log off; {scratch}
    server {{
        listen {address} ssl http2;
        ssl_certificate tls.crt; ssl_certificate_key tls.key; ssl_protocols TLSv1.2 TLSv1.3;
        client_max_body_size 0; chunked_transfer_encoding on;
        {limits}
        location / {{
            proxy_pass http://{registry};
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout 900;
        }}
    }}
}}
"
    )
}
