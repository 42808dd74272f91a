use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use tempfile::TempDir;

use super::postgresql::{Account, PostgreSql, free_port, program};

/// PgBouncer (Debian's `pgbouncer`) before a [`PostgreSql`], at a port of loopback: it shares three connections out, by
/// transactions. Every login is accepted. It is stopped when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl PgBouncer {
    /// Starts it and waits until it listens.
    pub fn start(server: &PostgreSql) -> Self {
        let directory = tempfile::Builder::new().prefix("wharf-pgb-").tempdir();
        let directory = directory.expect("a temporary directory");
        let (port, file) = (free_port(), directory.path().join("pgbouncer.ini"));
        let (host, user) = (server.directory().display(), PostgreSql::USER);
        let settings = format!(
            "[databases]\n* = host={host} port={} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 3\nmax_client_conn = 200\n",
            server.port(),
        );
        fs::write(&file, settings).expect("the configuration");
        let account = Account::of_server();
        account.own(directory.path());
        account.own(&file);
        let child = account
            .command(&program("pgbouncer"))
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("pgbouncer starts");
        let mut pooler = Self {
            child,
            port,
            _directory: directory,
        };
        let mut lines = BufReader::new(pooler.child.stderr.take().expect("a pipe")).lines();
        let mut log = String::new();
        while !log.contains("process up") {
            let line = lines.next().transpose().expect("its output is text");
            log += &line.unwrap_or_else(|| panic!("pgbouncer does not listen:\n{log}"));
            log.push('\n');
        }
        std::thread::spawn(move || lines.for_each(drop)); // it goes on to write
        pooler
    }

    /// The URL of a database of the server, through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{}@127.0.0.1:{}/{database}",
            PostgreSql::USER,
            self.port
        )
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
