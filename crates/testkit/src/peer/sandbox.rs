use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

/// A home directory of its own for the programs a test runs: no configuration, credential or image of the
/// machine is seen or changed. It is removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// An empty home, a policy that accepts anything, and no registry configuration.
    pub fn new() -> Self {
        // Lower case: podman makes the name of an image from the path of its layout.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let name = format!("wharf-sandbox-{}-{number}-{now}", process::id());
        let root = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir();
        let sandbox = Self {
            root: root.expect("a temporary folder"),
        };
        for folder in ["home/.config/containers", "run", "tmp", "registries.d"] {
            fs::create_dir_all(sandbox.path(folder)).expect("a folder");
        }
        sandbox.write(
            "policy.json",
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        );
        sandbox.write("registries.conf", "");
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\nrunroot = \"{}\"\ngraphroot = \"{}\"\n",
            sandbox.text("run/storage"),
            sandbox.text("storage"),
        );
        sandbox.write("storage.conf", storage);
        sandbox.write("containers.conf", "");
        sandbox.write("auth.json", "{}");
        sandbox
    }

    /// A path inside.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(name)
    }

    /// The home directory.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Where the programs keep credentials.
    pub fn auth_file(&self) -> PathBuf {
        self.path("auth.json")
    }

    /// Writes a file inside, with the folders it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    /// The registries.conf that the programs read (containers-registries.conf(5)).
    pub fn registries_conf(&self, text: &str) -> PathBuf {
        self.write("registries.conf", text)
    }

    /// Makes the programs trust `ca_pem` for this host and port (containers-certs.d(5)).
    pub fn trust(&self, registry: &str, ca_pem: &str) -> PathBuf {
        self.write(
            &format!("home/.config/containers/certs.d/{registry}/ca.crt"),
            ca_pem,
        )
    }

    /// skopeo in this sandbox.
    pub fn skopeo(&self) -> Tool {
        let globals = [
            "--policy".into(),
            self.text("policy.json"),
            "--registries-conf".into(),
            self.text("registries.conf"),
            "--registries.d".into(),
            self.text("registries.d"),
            "--tmpdir".into(),
            self.text("tmp"),
        ];
        self.tool("skopeo", &globals)
    }

    /// podman in this sandbox, with the vfs driver, so that it needs no kernel feature.
    pub fn podman(&self) -> Tool {
        let globals = [
            "--tmpdir".into(),
            self.text("tmp"),
            "--events-backend=none".into(),
            "--cgroup-manager=cgroupfs".into(),
        ];
        self.tool("podman", &globals)
    }

    /// umoci in this sandbox.
    pub fn umoci(&self) -> Tool {
        self.tool("umoci", &[])
    }

    /// Any other program in this sandbox.
    pub fn tool(&self, program: &str, globals: &[String]) -> Tool {
        let environment = [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "home/.config"),
            ("XDG_DATA_HOME", "home/.local/share"),
            ("XDG_RUNTIME_DIR", "run"),
            ("TMPDIR", "tmp"),
            ("DOCKER_CONFIG", "home/.docker"),
            ("REGISTRY_AUTH_FILE", "auth.json"),
            ("CONTAINERS_REGISTRIES_CONF", "registries.conf"),
            ("CONTAINERS_STORAGE_CONF", "storage.conf"),
            ("CONTAINERS_CONF", "containers.conf"),
        ];
        let environment = environment.map(|(name, path)| (name.to_owned(), self.text(path)));
        Tool {
            program: program.to_owned(),
            globals: globals.to_vec(),
            environment: environment.to_vec(),
            limit: Duration::from_secs(5 * 60),
        }
    }

    fn text(&self, name: &str) -> String {
        self.path(name)
            .to_str()
            .expect("temporary paths are text")
            .to_owned()
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// A real program with the options that keep it in its [`Sandbox`].
#[derive(Debug, Clone)]
pub struct Tool {
    program: String,
    globals: Vec<String>,
    environment: Vec<(String, String)>,
    limit: Duration,
}

impl Tool {
    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Stops it after this long, in whole seconds, instead of five minutes.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end and returns what it said, whether it succeeded or not.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        let output = command.output().expect("the program starts");
        Output {
            command: format!("{} {}", self.program, arguments.join(" ")),
            success: output.status.success(),
            // What timeout(1) ends with when it had to stop the program, gently or not.
            timed_out: matches!(output.status.code(), Some(124 | 137)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it from asynchronous code, which keeps running meanwhile.
    pub async fn run_async(&self, arguments: &[&str]) -> Output {
        let tool = self.clone();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let running = tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            tool.run(&arguments)
        });
        running.await.expect("running a program does not panic")
    }

    /// Starts it, with its standard error as a pipe. It runs until it is killed.
    pub(super) fn spawn_with_log(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(&self.program);
        self.prepare(&mut command);
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &self.limit.as_secs().to_string(), &self.program]);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.args(&self.globals);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }
}

/// The output of a program.
#[derive(Debug, Clone)]
pub struct Output {
    command: String,
    /// Whether it ended with status zero.
    pub success: bool,
    /// Whether it was stopped because its time was over.
    pub timed_out: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output; panics with everything it said if the program failed.
    pub fn ok(self) -> String {
        assert!(
            self.success,
            "{} failed:\n{}{}",
            self.command, self.stdout, self.stderr
        );
        self.stdout
    }

    /// The standard output as JSON; panics if the program failed or did not print JSON.
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).expect("the program prints JSON")
    }
}
