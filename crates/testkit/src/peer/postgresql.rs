use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::find;
use crate::{TestCa, TestCertificate};

/// How long the server may take until it accepts connections.
const START: Duration = Duration::from_secs(60);
/// How many free ports are tried: another process may take one between the moment it is found and its use.
const PORTS: u32 = 5;
/// The line that the server prints when it is ready.
const READY: &str = "database system is ready to accept connections";
/// Runs the server for as long as its standard input is open, so that no server and no file outlives the test,
/// however the test ends. It obeys the lines `kill` and `start`.
const SUPERVISOR: &str = r#"
directory=$1; shift
start() { "$@" </dev/null 2>&1 & server=$!; }
end() { kill -QUIT "$server" 2>/dev/null; wait "$server"; }
start "$@"
while read -r line; do
    case $line in
        kill) end; echo killed ;;
        start) start "$@" ;;
    esac
done
end
rm -rf "$directory"
"#;

/// PostgreSQL (Debian's `postgresql`) with a cluster of its own: at a socket in a temporary directory, where every
/// login is accepted, and at a port of loopback, which demands [`PostgreSql::PASSWORD`]. It has the settings of a
/// new cluster, durability among them, and compares text as English does, so that an order by bytes is seen to be
/// asked for. It is stopped and its files are removed when it is dropped or the process ends.
#[derive(Debug)]
pub struct PostgreSql {
    supervisor: Child,
    input: Mutex<Option<ChildStdin>>,
    lines: Mutex<mpsc::Receiver<String>>,
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

    /// Stops the server as a failure of the machine would: without a goodbye to its clients.
    pub fn kill(&self) {
        self.tell("kill");
        self.wait_for("killed");
    }

    /// Starts the server again after [`PostgreSql::kill`], at the same socket and port.
    pub fn start_again(&self) {
        self.tell("start");
        self.wait_for(READY);
    }

    fn tell(&self, line: &str) {
        let mut input = self.input.lock().expect("nobody panics with the pipe");
        let input = input.as_mut().expect("the pipe is open until the end");
        writeln!(input, "{line}").expect("the supervisor reads");
    }

    fn wait_for(&self, part: &str) {
        let lines = self.lines.lock().expect("nobody panics with the log");
        let read = wait_for(&lines, part);
        read.unwrap_or_else(|log| panic!("PostgreSQL does not print {part:?}:\n{log}"));
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

impl Drop for PostgreSql {
    fn drop(&mut self) {
        drop(self.input.lock().expect("nobody panics with the pipe").take());
        let _ = self.supervisor.wait(); // it has ended whatever it says
    }
}

/// The permissions of a file that its owner alone may read.
fn private() -> fs::Permissions {
    fs::Permissions::from_mode(0o600)
}

fn start(directory: &Path, account: &Account, settings: &[String]) -> Result<PostgreSql, String> {
    let port = free_port();
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut command = account.command(Path::new("sh"));
    command.args(["-c", SUPERVISOR, "sh"]).arg(directory);
    command.arg(program("postgres"));
    command.arg("-D").arg(directory.join("data"));
    command.arg("-k").arg(directory).args(["-p", &port.to_string()]);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]);
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    command.current_dir(directory).stdin(Stdio::piped());
    command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
    command.process_group(0); // an interrupt of the terminal is for the test, whose end closes the input
    let mut supervisor = command.spawn().expect("the supervisor starts");
    drop(command); // it holds ends of the pipe
    let input = supervisor.stdin.take();
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            let _ = sender.send(line); // nobody reads the log of a server that was dropped
        }
    });
    match wait_for(&lines, READY) {
        Ok(()) => Ok(PostgreSql {
            supervisor,
            input: Mutex::new(input),
            lines: Mutex::new(lines),
            directory: directory.to_owned(),
            port,
        }),
        Err(log) => {
            let _ = supervisor.kill(); // and not by closing its input, which removes the files
            let _ = supervisor.wait();
            Err(log)
        }
    }
}

/// Reads the server's lines up to one with this part. Fails, with all of them, if it ends or takes too long.
fn wait_for(lines: &mpsc::Receiver<String>, part: &str) -> Result<(), String> {
    let mut log = String::new();
    while let Ok(line) = lines.recv_timeout(START) {
        if line.contains(part) {
            return Ok(());
        }
        log.push_str(&line);
        log.push('\n');
        if part == READY && line.contains("FATAL:  ") && !line.contains("FATAL:  the database system is") {
            break;
        }
    }
    Err(log)
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
