use std::{
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{bucket::create_azure, postgresql::program, supervised::Supervised};

/// The line that the server prints when it listens, with its address.
const READY: &str = "successfully listens on ";

/// Azure's emulator of blob storage (`azurite-blob` of the npm package `azurite`) at a free port of loopback, in memory. It checks
/// keys. It ends when it is dropped or the process ends.
#[derive(Debug)]
pub struct Azurite {
    _server: Supervised,
    address: String,
}

impl Azurite {
    /// The program.
    pub const PROGRAM: &str = "azurite-blob";
    /// The only account.
    pub const ACCOUNT: &str = "harbour";
    /// The account's key.
    pub const KEY: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ==";

    /// Starts the server and waits until it listens.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("wharf-azurite-").tempdir();
        let directory = root.expect("a temporary directory").keep(); // the supervisor removes it
        let mut shell = Command::new("sh");
        shell
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("AZURITE_ACCOUNTS", format!("{}:{}", Self::ACCOUNT, Self::KEY));
        let program = program(Self::PROGRAM);
        let options = "--blobHost 127.0.0.1 --blobPort 0 --inMemoryPersistence --skipApiVersionCheck --disableTelemetry";
        let command = [program.as_os_str()]
            .into_iter()
            .chain(options.split(' ').map(AsRef::as_ref));
        let started = Supervised::start(shell, &directory, "KILL", command, [READY, "Error"]);
        let (server, line) = started.unwrap_or_else(|log| panic!("azurite does not start:\n{log}"));
        let address = line.split_once("http://").map(|(_, rest)| rest.trim().to_owned());
        Self {
            _server: server,
            address: address.expect("the line has the address"),
        }
    }

    /// The server that all tests of a process share, each with a container of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Azurite> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Creates a container and returns its name, which no other test has.
    pub fn create_container(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("container-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        create_azure(&self.address, &name, [Self::ACCOUNT, Self::KEY]);
        name
    }

    /// The URL of the account.
    pub fn endpoint(&self) -> String {
        format!("http://{}/{}", self.address, Self::ACCOUNT)
    }
}
