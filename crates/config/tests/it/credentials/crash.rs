use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use wharf_auth::Credential;
use wharf_config::{AuthFile, AuthFormat};

use super::support::{auths, key, user};

const FILE: &str = "WHARF_TEST_AUTH_FILE";

/// Not a test of its own: the program that is killed.
#[test]
#[ignore = "started by the other tests of this module as a process of its own"]
fn child_logs_in_once() {
    if let Some(path) = env::var_os(FILE).map(PathBuf::from) {
        let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
        edit.set(&key("new.example"), &Credential::basic("new", "pw"))
            .unwrap();
        if let Err(error) = edit.commit() {
            println!("refused: {error}");
        }
    }
}

/// How the auth file is there before the login.
#[derive(Debug, Clone, Copy)]
enum Before {
    Missing,
    File,
    Link,
}

/// A directory with an auth file, which is made again for every run.
struct AuthDirectory {
    base: TempDir,
    before: Before,
}

impl AuthDirectory {
    fn new(before: Before) -> Self {
        let base = TempDir::new().unwrap();
        Self { base, before }
    }

    /// What the program is told to write to.
    fn path(&self) -> PathBuf {
        match self.before {
            Before::Link => self.base.path().join("link.json"),
            Before::Missing | Before::File => self.target(),
        }
    }

    fn target(&self) -> PathBuf {
        self.dir().join("auth.json")
    }

    fn dir(&self) -> PathBuf {
        self.base.path().join("d")
    }

    fn reset(&self) {
        let _ = fs::remove_dir_all(self.dir());
        let _ = fs::remove_file(self.base.path().join("link.json"));
        fs::create_dir(self.dir()).unwrap();
        if !matches!(self.before, Before::Missing) {
            fs::write(self.target(), auths(&[("old.example", "old")])).unwrap();
        }
        if matches!(self.before, Before::Link) {
            std::os::unix::fs::symlink("d/auth.json", self.path()).unwrap();
        }
    }

    /// What the file holds, whoever looks at it without a lock.
    fn contents(&self) -> Option<String> {
        fs::read_to_string(self.path()).ok()
    }

    /// Runs the login under strace, which looks only at system calls on the directory and the files in it.
    fn run(&self, injection: Option<&str>) -> Output {
        self.reset();
        let mut command = Command::new("strace");
        command.arg("-fqq").arg("-P").arg(self.dir());
        for file in ["auth.json", ".auth.json.lock", ".auth.json.new"] {
            command.arg("-P").arg(self.dir().join(file));
        }
        if let Some(injection) = injection {
            command.arg("-e").arg(injection);
        }
        command
            .arg("-o")
            .arg(self.log())
            .arg(env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                "credentials::crash::child_logs_in_once",
            ])
            .env(FILE, self.path())
            .output()
            .unwrap()
    }

    fn log(&self) -> PathBuf {
        self.base.path().join("log")
    }

    /// Another login after what happened.
    fn log_in_again(&self) {
        let path = self.path();
        let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
        edit.set(&key("next.example"), &Credential::basic("next", "pw"))
            .unwrap();
        edit.commit().unwrap();
        let file = AuthFile::read(&path, AuthFormat::Containers).unwrap();
        let user_of = |name: &str| file.credential(&key(name)).unwrap();
        assert_eq!(user(user_of("next.example").as_ref()), Some("next"));
        if !matches!(self.before, Before::Missing) {
            assert_eq!(user(user_of("old.example").as_ref()), Some("old"));
        }
        assert!(!self.dir().join(".auth.json.new").exists());
    }
}

/// The names of the system calls of a run, in order.
fn calls(log: &Path) -> Vec<String> {
    let log = fs::read_to_string(log).unwrap();
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        Some(call.split_once('(')?.0.to_owned())
    };
    log.lines()
        .filter(|line| !line.contains("resumed>") && !line.contains("+++"))
        .filter_map(name)
        .collect()
}

/// Whether strace can be used here; says why not.
#[expect(clippy::print_stdout, reason = "a test says why it is skipped")]
fn traceable() -> bool {
    if !wharf_testkit::peers_present(&["strace"]) {
        return false;
    }
    let run = AuthDirectory::new(Before::File).run(None);
    if !run.status.success() {
        let reason = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_ne!(
            env::var("WHARF_REQUIRE_PEERS").as_deref(),
            Ok("1"),
            "strace cannot trace: {reason}"
        );
        println!("skipped: strace cannot trace here: {reason}");
    }
    run.status.success()
}

#[test]
fn a_kill_at_any_system_call_leaves_the_old_file_or_the_new() {
    if !traceable() {
        return;
    }
    for before in [Before::Missing, Before::File, Before::Link] {
        let place = AuthDirectory::new(before);
        place.reset();
        let old = place.contents();
        assert!(place.run(None).status.success());
        let new = place.contents();
        let calls = calls(&place.log());
        for expected in ["openat", "flock", "write", "fsync", "rename"] {
            assert!(
                calls.iter().any(|call| call == expected),
                "no {expected} in {calls:?}"
            );
        }
        let mut counts = BTreeMap::<&str, usize>::new();
        let mut after = Vec::new();
        for call in &calls {
            let count = counts.entry(call).or_default();
            *count += 1;
            let run = place.run(Some(&format!("inject={call}:signal=SIGKILL:when={count}")));
            assert!(!run.status.success(), "{before:?}: {call} {count} was not hit");
            let left = place.contents();
            assert!(
                left == old || left == new,
                "{before:?}: after a kill at {call} {count}: {left:?}"
            );
            after.push(left == new);
            place.log_in_again();
        }
        // Old until the rename, new from then on: both were seen, in this order.
        assert!(
            after.is_sorted() && !after[0] && *after.last().unwrap(),
            "{after:?} {calls:?}"
        );
        println!("{before:?}: killed at {} system calls: {calls:?}", calls.len());
    }
}

/// A full disk, a failing one, and one that is read-only.
#[test]
fn a_write_that_fails_says_so_and_changes_nothing() {
    if !traceable() {
        return;
    }
    for before in [Before::Missing, Before::File, Before::Link] {
        let place = AuthDirectory::new(before);
        place.reset();
        let old = place.contents();
        for failure in [
            "write:error=ENOSPC",
            "fsync:error=EIO:when=1",
            "rename:error=EROFS",
        ] {
            let run = place.run(Some(&format!("inject={failure}")));
            assert!(run.status.success(), "{failure}");
            let said = String::from_utf8_lossy(&run.stdout).into_owned();
            let expected = format!("refused: {}: cannot be written\n", place.target().display());
            assert!(said.contains(&expected), "{failure}: {said}");
            assert_eq!(place.contents(), old, "{failure}");
            assert!(!place.dir().join(".auth.json.new").exists(), "{failure}");
            place.log_in_again();
        }
    }
}
