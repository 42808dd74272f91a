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
        edit.commit().unwrap();
    }
}

/// Runs the child under strace, which looks only at system calls on this directory and the files in it.
fn traced(dir: &Path, path: &Path, injection: Option<&str>) -> Output {
    let mut command = Command::new("strace");
    command.arg("-fqq");
    for file in ["", "auth.json", ".auth.json.lock", ".auth.json.new"] {
        command
            .arg("-P")
            .arg(dir.join(file).as_os_str().to_str().unwrap().trim_end_matches('/'));
    }
    if let Some(injection) = injection {
        command.arg("-e").arg(injection);
    }
    command
        .arg("-o")
        .arg(dir.with_extension("log"))
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "credentials::crash::child_logs_in_once"])
        .env(FILE, path)
        .output()
        .unwrap()
}

/// The names of the system calls of a run, in order.
fn calls(dir: &Path) -> Vec<String> {
    let log = fs::read_to_string(dir.with_extension("log")).unwrap();
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        Some(call.split_once('(')?.0.to_owned())
    };
    log.lines()
        .filter(|line| !line.contains("resumed>") && !line.contains("+++"))
        .filter_map(name)
        .collect()
}

#[test]
fn a_kill_at_any_system_call_leaves_the_old_file_or_the_new() {
    if Command::new("strace").arg("-V").output().is_err() {
        assert_ne!(
            env::var("WHARF_REQUIRE_PEERS").as_deref(),
            Ok("1"),
            "strace is required"
        );
        println!("skipped: strace is not installed");
        return;
    }
    let base = TempDir::new().unwrap();
    let dir = base.path().join("d");
    let path = dir.join("auth.json");
    let old = auths(&[("old.example", "old")]);
    let reset = || {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        fs::write(&path, &old).unwrap();
    };
    reset();
    let whole = traced(&dir, &path, None);
    if !whole.status.success() {
        assert_ne!(
            env::var("WHARF_REQUIRE_PEERS").as_deref(),
            Ok("1"),
            "strace must be able to trace"
        );
        println!(
            "skipped: strace cannot trace here: {}",
            String::from_utf8_lossy(&whole.stderr)
        );
        return;
    }
    let new = fs::read_to_string(&path).unwrap();
    let calls = calls(&dir);
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
        reset();
        let run = traced(
            &dir,
            &path,
            Some(&format!("inject={call}:signal=SIGKILL:when={count}")),
        );
        assert!(!run.status.success(), "{call} {count} was not hit");
        let left = fs::read_to_string(&path).unwrap();
        assert!(
            left == old || left == new,
            "after a kill at {call} {count}: {left:?}"
        );
        after.push(left == new);
        // What was left behind does not disturb the next login.
        let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
        edit.set(&key("next.example"), &Credential::basic("next", "pw"))
            .unwrap();
        edit.commit().unwrap();
        let file = AuthFile::read(&path, AuthFormat::Containers).unwrap();
        for name in ["old", "next"] {
            let credential = file.credential(&key(&format!("{name}.example"))).unwrap();
            assert_eq!(user(credential.as_ref()), Some(name));
        }
        assert!(!dir.join(".auth.json.new").exists());
    }
    // Old until the rename, new from then on: both were seen, in this order.
    assert!(
        after.is_sorted() && !after[0] && *after.last().unwrap(),
        "{after:?} {calls:?}"
    );
    println!("killed at {} system calls: {calls:?}", calls.len());
}
