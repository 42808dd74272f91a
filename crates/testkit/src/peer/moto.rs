use std::{
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{bucket::create_s3, postgresql::program, supervised::Supervised};

/// The line that the server prints when it listens, with its address.
const READY: &str = "Running on ";

/// Moto's S3 (`moto_server` of the Python package `moto[server,s3]`) at a free port of loopback, in memory. It takes every key,
/// and does not check signatures. A bucket must be created before it is used. It ends when it is dropped or the process ends.
#[derive(Debug)]
pub struct Moto {
    server: Supervised,
    address: String,
}

impl Moto {
    /// The program.
    pub const PROGRAM: &str = "moto_server";

    /// Starts the server and waits until it listens.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("wharf-moto-").tempdir();
        let directory = root.expect("a temporary directory").keep(); // the supervisor removes it
        let mut shell = Command::new("sh");
        // A pool of keys in the environment would be used for what the server asks of others: nothing.
        shell
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("HOME", &directory).env("PYTHONUNBUFFERED", "1");
        let program = program(Self::PROGRAM).into_os_string();
        let command = [program, "-H".into(), "127.0.0.1".into(), "-p".into(), "0".into()];
        let started = Supervised::start(shell, &directory, "KILL", command, [READY, "Traceback"]);
        let (server, line) = started.unwrap_or_else(|log| panic!("moto does not start:\n{log}"));
        let address = line.split_once("http://").map(|(_, rest)| rest.trim().to_owned());
        Self {
            server,
            address: address.expect("the line has the address"),
        }
    }

    /// The server that all tests of a process share, each with a bucket of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Creates a bucket and returns its name, which no other test has.
    pub fn create_bucket(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        create_s3(&self.address, &name, ["any", "key"]);
        name
    }

    /// The URL of the server.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the server and its data as a failure of the machine would.
    pub fn kill(&self) {
        self.server.kill();
    }
}
