//! Keys of GnuPG in the home of a sandbox.

use std::{fs, path::PathBuf};

use wharf_testkit::Sandbox;

/// Makes a key of an algorithm and returns its fingerprint.
pub(crate) fn key(sandbox: &Sandbox, algorithm: &str) -> String {
    let home = sandbox.path("home/.gnupg");
    fs::create_dir_all(&home).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = sandbox.tool("gpg", &["--batch".into(), "--passphrase".into(), String::new()]);
    gpg.run(&[
        "--quick-gen-key",
        "Ada <ada@example.com>",
        algorithm,
        "sign",
        "never",
    ])
    .ok();
    let listed = gpg.run(&["--with-colons", "--list-keys"]).ok();
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::"));
    fingerprint.unwrap().trim_end_matches(':').to_owned()
}

/// A file with the public key.
pub(crate) fn export(sandbox: &Sandbox, fingerprint: &str) -> PathBuf {
    let file = sandbox.path("key.gpg");
    let gpg = sandbox.tool("gpg", &["--batch".into()]);
    gpg.run(&["--output", file.to_str().unwrap(), "--export", fingerprint])
        .ok();
    file
}
