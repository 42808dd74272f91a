use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use wharf_auth::Credential;
use wharf_config::{AuthFile, AuthFormat};

use super::support::key;

const LOGINS: usize = 500;
const FILE: &str = "WHARF_TEST_AUTH_FILE";
const NAME: &str = "WHARF_TEST_NAME";

/// Not a test of its own: the program that the tests below start, several at a time.
#[test]
#[ignore = "started by the other tests of this module as a process of its own"]
fn child_logs_in() {
    let (Some(path), Ok(name)) = (env::var_os(FILE).map(PathBuf::from), env::var(NAME)) else {
        return;
    };
    for number in 0..LOGINS {
        let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
        let credential = Credential::basic(format!("{name}-{number}"), "pw");
        edit.set(&key(&format!("{name}-{number}.example")), &credential)
            .unwrap();
        edit.commit().unwrap();
    }
}

#[test]
fn two_processes_logging_in_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("containers/auth.json");
    let start = |name: &str| {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "--ignored", "credentials::concurrent::child_logs_in"])
            .env(FILE, &path)
            .env(NAME, name)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut children = [start("a"), start("b")];
    // Who reads meanwhile, without the lock, sees a whole file at any moment.
    let mut reads = 0;
    while reads < 200
        && children
            .iter_mut()
            .any(|child| child.try_wait().unwrap().is_none())
    {
        AuthFile::read(&path, AuthFormat::Containers).unwrap();
        reads += 1;
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let file = AuthFile::read(&path, AuthFormat::Containers).unwrap();
    assert_eq!(
        file.entries().count(),
        2 * LOGINS,
        "after {reads} reads meanwhile"
    );
    for name in ["a", "b"] {
        for number in 0..LOGINS {
            let key = key(&format!("{name}-{number}.example"));
            let expected = Credential::basic(format!("{name}-{number}"), "pw");
            assert_eq!(file.credential(&key).unwrap(), Some(expected));
        }
    }
    let mut left: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".auth.json.lock", "auth.json"]);
}
