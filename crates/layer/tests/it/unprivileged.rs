//! Tests of what binds all users but root.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use crate::apply::is_root;

/// True if a test may go on because it does not run as root. As root, it runs the test by its name once more as another
/// user, and fails if that fails.
pub(crate) fn goes_on(test: &str) -> bool {
    if !is_root() {
        return true;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [directory.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", test])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}"
    );
    false
}
