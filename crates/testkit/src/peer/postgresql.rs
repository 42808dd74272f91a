use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{find, supervised::Supervised};
use crate::{TestCa, TestCertificate};

/// How many free ports are tried: another process may take one between the moment it is found and its use.
const PORTS: u32 = 5;
/// The line that the server prints when it is ready.
const READY: &str = "database system is ready to accept connections";
/// Part of the line of a server that does not start, for example because its port is taken.
const HOPELESS: &str = "FATAL:  ";

/// PostgreSQL (Debian's `postgresql`) with a cluster of its own: at a socket in a temporary directory, where every
/// login is accepted, and at a port of loopback, which demands [`PostgreSql::PASSWORD`]. It has the settings of a
/// new cluster, durability among them, and compares text as English does, so that an order by bytes is seen to be
/// asked for. It is stopped and its files are removed when it is dropped or the process ends.
#[derive(Debug)]
pub struct PostgreSql {
    server: Supervised,
    directory: PathBuf,
    port: u16,
}

/// Starts a [`PostgreSql`].
#[derive(Debug, Default)]
pub struct PostgreSqlBuilder {
    certificate: Option<TestCertificate>,
    settings: Vec<String>,
}

impl PostgreSql {
    /// The only user, who owns everything.
    pub const USER: &str = "wharf";
    /// The user's password.
    pub const PASSWORD: &str = "correct-horse-battery";

    /// Plain TCP and default settings, until told otherwise.
    pub fn builder() -> PostgreSqlBuilder {
        PostgreSqlBuilder::default()
    }

    /// The server that all tests of a process share, each with a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgreSql> = OnceLock::new();
        SHARED.get_or_init(|| Self::builder().start())
    }

    /// Creates an empty database and returns its name.
    pub fn create_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Creates an empty schema in the database `postgres`, which is cheaper than a database, and returns the URL
    /// of a connection to which nothing else exists.
    pub fn create_schema(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE SCHEMA {name}"));
        self.socket_url("postgres") + "?options=-c%20search_path%3D" + &name
    }

    /// The URL of a database at the server's socket.
    pub fn socket_url(&self, database: &str) -> String {
        let host = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://{}@{host}:{}/{database}", Self::USER, self.port)
    }

    /// The URL of a database at the server's port, with the password. Parameters can be appended.
    pub fn tcp_url(&self, database: &str) -> String {
        let (user, password, port) = (Self::USER, Self::PASSWORD, self.port);
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}?connect_timeout=10")
    }

    /// The port of loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the socket.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs SQL with psql, and returns the values it prints, one row a line, separated by `|`.
    pub fn query(&self, database: &str, sql: &str) -> String {
        let output = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1", "--command", sql])
            .arg(self.socket_url(database))
            .output()
            .expect("psql runs");
        let (printed, complaints) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{sql}: {complaints}");
        String::from_utf8_lossy(printed).trim_end().to_owned()
    }

    /// The lines of the server's log since its start, or since the last call. Of a server of one's own.
    pub fn log(&self) -> Vec<String> {
        let end = "the end of the log that was asked for";
        self.query("postgres", &format!("DO $$ BEGIN RAISE LOG '{end}'; END $$"));
        self.server.log_until(&format!("LOG:  {end}")) // the statement is in the log, too
    }

    /// Stops the server as a failure of the machine would: without a goodbye to its clients.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Stops the server by SIGSTOP: it answers nothing, and keeps its connections.
    pub fn stall(&self) {
        self.server.stall();
    }

    /// Lets the server go on after [`PostgreSql::stall`].
    pub fn go_on(&self) {
        self.server.go_on();
    }

    /// Starts the server again after [`PostgreSql::kill`], at the same socket and port.
    pub fn start_again(&self) {
        self.server.start_again(READY);
    }
}

impl PostgreSqlBuilder {
    /// Offers TLS at the port, with a certificate of this authority for `localhost` alone, so that
    /// `127.0.0.1` is a name that does not fit.
    #[must_use]
    pub fn tls(mut self, ca: &TestCa) -> Self {
        self.certificate = Some(ca.issue(&["localhost"]));
        self
    }

    /// Changes a setting of the server, for example `("fsync", "off")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// Makes a cluster, starts the server and waits until it accepts connections.
    pub fn start(self) -> PostgreSql {
        let account = Account::of_server();
        let root = tempfile::Builder::new().prefix("wharf-pg-").tempdir();
        let directory = root.expect("a temporary directory").keep(); // the supervisor removes it
        account.own(&directory);
        initialize(&directory, &account);
        let mut settings = self.settings.clone();
        if let Some(certificate) = &self.certificate {
            let (file, key) = (directory.join("server.crt"), directory.join("server.key"));
            certificate.write(&file, &key);
            account.own(&key);
            fs::set_permissions(&key, private()).expect("a key for its owner alone");
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", file.display()));
            settings.push(format!("ssl_key_file={}", key.display()));
        }
        let mut failures = String::new();
        for _ in 0..PORTS {
            match start(&directory, &account, &settings) {
                Ok(server) => return server,
                Err(log) => failures.push_str(&log),
            }
        }
        let _ = fs::remove_dir_all(&directory); // the panic below tells what happened
        panic!("PostgreSQL does not start:\n{failures}");
    }
}

/// The permissions of a file that its owner alone may read.
fn private() -> fs::Permissions {
    fs::Permissions::from_mode(0o600)
}

fn start(directory: &Path, account: &Account, settings: &[String]) -> Result<PostgreSql, String> {
    let port = free_port();
    let mut server = vec![program("postgres").into_os_string(), "-D".into()];
    server.push(directory.join("data").into());
    server.extend([
        "-k".into(),
        directory.into(),
        "-p".into(),
        port.to_string().into(),
    ]);
    server.extend(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"].map(Into::into));
    server.extend(
        settings
            .iter()
            .flat_map(|setting| ["-c", setting])
            .map(Into::into),
    );
    let shell = account.command(Path::new("sh"));
    let (server, _) = Supervised::start(shell, directory, "QUIT", server, [READY, HOPELESS])?;
    Ok(PostgreSql {
        server,
        directory: directory.to_owned(),
        port,
    })
}

fn initialize(directory: &Path, account: &Account) {
    let password = directory.join("password");
    fs::write(&password, PostgreSql::PASSWORD).expect("a file of the cluster");
    let data = format!("--pgdata={}", directory.join("data").display());
    let output = account
        .command(&program("initdb"))
        .args([&data, "--encoding=UTF8", "--locale=C.UTF-8"])
        .args(["--locale-provider=icu", "--icu-locale=en", "--wal-segsize=1"])
        .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
        .arg(format!("--username={}", PostgreSql::USER))
        .arg(format!("--pwfile={}", password.display()))
        .args(["--no-sync", "--no-instructions"]) // the cluster need not outlive a failure of the machine
        .current_dir(directory)
        .output()
        .expect("initdb runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb fails:\n{complaints}");
}

/// A port of loopback that nobody uses now.
pub(super) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

pub(super) fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is not installed"))
}

/// The account that the server runs as: PostgreSQL refuses to run as root.
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    /// This process's own, or for root that of Debian's package.
    pub(super) fn of_server() -> Self {
        let process = fs::metadata("/proc/self").expect("the process's own files");
        if process.uid() != 0 {
            return Self(None);
        }
        let users = fs::read_to_string("/etc/passwd").expect("the list of accounts");
        let ids = users.lines().find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        Self(Some(ids.expect("the account postgres")))
    }

    pub(super) fn own(&self, path: &Path) {
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).expect("root gives files away");
        }
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }
}
