use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{TestCa, TestCertificate, TokenServer};

/// How long the program may take until it listens.
const START: Duration = Duration::from_secs(30);

/// Docker's registry (Debian's `docker-registry`) on a free port of the loopback address, with a store of its
/// own. It is killed and its files removed when dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    root: TempDir,
}

/// Starts a [`DockerRegistry`].
#[derive(Debug, Default)]
pub struct DockerRegistryBuilder {
    program: Option<PathBuf>,
    tls: Option<(TestCertificate, Option<String>)>,
    users: Vec<(String, String)>,
    token: Option<(String, String)>,
    storage: Option<String>,
    extra: String,
}

impl DockerRegistry {
    /// Plain HTTP without users, deleting allowed, until told otherwise.
    pub fn builder() -> DockerRegistryBuilder {
        DockerRegistryBuilder::default()
    }

    /// Plain HTTP without users, deleting allowed.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Host and port as they stand in an image's name.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").clone()
    }

    /// The folder of its files, to look at or to damage.
    pub fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }
}

impl DockerRegistryBuilder {
    /// Another program than the `docker-registry` in `PATH`: any version of distribution.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Serves TLS with a certificate of this authority for `127.0.0.1` and `localhost`.
    #[must_use]
    pub fn tls(mut self, ca: &TestCa) -> Self {
        self.tls = Some((ca.issue(&["127.0.0.1", "localhost"]), None));
        self
    }

    /// Serves TLS and demands a client certificate of the same authority.
    #[must_use]
    pub fn tls_with_client_certificates(mut self, ca: &TestCa) -> Self {
        let certificate = ca.issue(&["127.0.0.1", "localhost"]);
        self.tls = Some((certificate, Some(ca.pem().to_owned())));
        self
    }

    /// Demands Basic authentication and adds a user.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Demands tokens of this server.
    #[must_use]
    pub fn token_server(mut self, server: &TokenServer) -> Self {
        let section = format!(
            "auth: {{token: {{realm: \"{}\", service: \"{}\", issuer: \"{}\", rootcertbundle: \"ROOT\"}}}}\n",
            server.realm(),
            server.service(),
            TokenServer::ISSUER,
        );
        self.token = Some((section, server.root_pem().to_owned()));
        self
    }

    /// Keeps its data in a bucket of S3, below `rootdirectory`, and sends all of it through itself.
    #[must_use]
    pub fn s3(self, endpoint: &str, bucket: &str, root: &str, [key, secret]: [&str; 2]) -> Self {
        self.storage(&format!(
            "s3: {{accesskey: {key}, secretkey: {secret}, region: us-east-1, regionendpoint: \"{endpoint}\", \
             bucket: {bucket}, rootdirectory: /{root}, secure: false}}, redirect: {{disable: true}}"
        ))
    }

    /// Keeps its data elsewhere than in files: the section of a storage driver, for example `s3: {bucket: images}`.
    #[must_use]
    pub fn storage(mut self, yaml: &str) -> Self {
        self.storage = Some(yaml.to_owned());
        self
    }

    /// Adds lines to its configuration, for example `proxy: {remoteurl: "http://..."}`.
    #[must_use]
    pub fn configuration(mut self, yaml: &str) -> Self {
        self.extra.push_str(yaml);
        self.extra.push('\n');
        self
    }

    /// Starts it and waits until it listens.
    pub fn start(self) -> DockerRegistry {
        let root = tempfile::Builder::new().prefix("wharf-registry-").tempdir();
        let root = root.expect("a temporary folder");
        let configuration = root.path().join("config.yml");
        fs::write(&configuration, self.render(root.path())).expect("the configuration");
        let (reader, writer) = io::pipe().expect("a pipe");
        let program = self.program.unwrap_or_else(|| "docker-registry".into());
        let mut command = Command::new(program);
        command.arg("serve").arg(&configuration).current_dir(root.path());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut child = command.spawn().expect("docker-registry starts");
        // The command holds ends of the pipe; without them the reader sees the program's end.
        drop(command);
        let log = Arc::new(Mutex::new(String::new()));
        let Some(address) = wait_until_listening(reader, &log) else {
            let _ = child.kill(); // the panic below tells what happened
            let _ = child.wait();
            panic!("docker-registry does not listen:\n{}", log.lock().expect("a log"));
        };
        DockerRegistry {
            child,
            address,
            log,
            root,
        }
    }

    /// The configuration file; the files it names are written to `root`.
    fn render(&self, root: &Path) -> String {
        let at = |name: &str| root.join(name).display().to_string();
        let write =
            |name: &str, text: &str| fs::write(root.join(name), text).expect("a file of the registry");
        let tls = self
            .tls
            .as_ref()
            .map_or_else(String::new, |(certificate, clients)| {
                write("tls.crt", certificate.pem());
                write("tls.key", certificate.key_pem());
                let clients = clients.as_ref().map_or_else(String::new, |pem| {
                    write("clients.crt", pem);
                    format!(", clientcas: [{}]", at("clients.crt"))
                });
                format!(
                    ", tls: {{certificate: {}, key: {}{clients}}}",
                    at("tls.crt"),
                    at("tls.key")
                )
            });
        let users = if self.users.is_empty() {
            String::new()
        } else {
            write("htpasswd", &htpasswd(&self.users));
            format!("auth: {{htpasswd: {{realm: wharf, path: {}}}}}", at("htpasswd"))
        };
        let token = self.token.as_ref().map_or_else(String::new, |(section, pem)| {
            write("token-root.crt", pem);
            section.replace("ROOT", &at("token-root.crt"))
        });
        let http = format!("addr: \"127.0.0.1:0\", secret: wharf-test{tls}");
        let files = || format!("filesystem: {{rootdirectory: {}}}", at("store"));
        let driver = self.storage.clone().unwrap_or_else(files);
        let storage = format!(
            "{driver}, delete: {{enabled: true}}, maintenance: {{uploadpurging: {{enabled: false}}}}"
        );
        let extra = &self.extra;
        format!(
            "version: 0.1\nlog: {{level: info}}\nhttp: {{{http}}}\nstorage: {{{storage}}}\n{users}\n{token}\n{extra}"
        )
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Lines of an htpasswd file with bcrypt hashes at the lowest cost.
fn htpasswd(users: &[(String, String)]) -> String {
    let line = |(name, password): &(String, String)| {
        let hash = bcrypt::hash(password, 4).expect("a bcrypt hash");
        format!("{name}:{hash}\n")
    };
    users.iter().map(line).collect()
}

/// Collects what the program prints, for as long as it runs, and finds the port it was given.
fn wait_until_listening(reader: io::PipeReader, log: &Arc<Mutex<String>>) -> Option<SocketAddr> {
    let (found, address) = mpsc::channel();
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            let rest = line.split_once("listening on ").map(|(_, rest)| rest);
            let text = rest.and_then(|rest| rest.split([',', '"']).next());
            if let Some(address) = text.and_then(|text| text.parse().ok()) {
                let _ = found.send(address); // later lines find nobody waiting
            }
            let mut log = log.lock().expect("the log's readers do not panic");
            log.push_str(&line);
            log.push('\n');
        }
    });
    address.recv_timeout(START).ok()
}
