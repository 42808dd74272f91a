//! Runs the example programs of the facade as a user does, in a home of their own.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::Sandbox;

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

impl Ended {
    /// Standard output; panics with everything it said unless it ended well.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The last line of standard output of a program that ended well.
    pub fn last_line(self) -> String {
        self.ok().lines().last().unwrap_or_default().to_owned()
    }

    /// Checks that it failed with this code and one clear message that contains every part.
    pub fn fails(self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in:\n{}", self.stderr);
        }
        let mut told = String::new();
        for line in self.stderr.lines() {
            let cause = line.strip_prefix("  because: ");
            assert!(
                cause.is_none_or(|cause| !told.contains(cause)),
                "repeats itself:\n{}",
                self.stderr
            );
            told.push_str(line);
        }
        for never in ["panicked", "RUST_BACKTRACE", "correct-horse"] {
            assert!(!self.stderr.contains(never), "{never:?} is in:\n{}", self.stderr);
        }
    }
}

/// The path of an example; `cargo test` builds them all.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test is a program");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("tests are built below the profile");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples`",
        path.display()
    );
    path
}

/// A command for an example in a sandbox.
pub fn command(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(example(name));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.home().join(".config"))
        .env("XDG_RUNTIME_DIR", sandbox.path("run"))
        .env("REGISTRY_AUTH_FILE", sandbox.auth_file())
        .env("CONTAINERS_REGISTRIES_CONF", sandbox.path("registries.conf"))
        .current_dir(sandbox.path("."))
        .stdin(Stdio::null());
    command
}

/// Runs an example that should fail at once although it goes on when all is well, and ends it if it does.
pub fn start_in_vain(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(example(name))
        .args(arguments)
        .current_dir(sandbox.path("."));
    ended(&mut command)
}

/// Runs an example to its end.
pub fn run(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Ended {
    ended(&mut command(sandbox, name, arguments))
}

/// Runs a command to its end.
pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
