//! Key files of requirements.

use bytes::Bytes;
use std::fs;
use std::path::Path;
use wharf_config::{KeySource, Requirement, SignedBy};
use wharf_trust::{KeyFile, Keyring, OpenPgp};

use crate::{
    forge::certificate,
    images::{good, key, other},
    support::{judged, trust},
};

#[test]
fn key_files_are_read_whenever_an_image_is_judged() {
    let sandbox = tempfile::tempdir().unwrap();
    let path = |name: &str| sandbox.path().join(name);
    fs::write(path("one"), certificate(&key())).unwrap();
    fs::write(path("two"), certificate(&other())).unwrap();
    fs::write(path("large"), vec![b' '; (1 << 20) + 1]).unwrap();
    let files = |names: &[&str]| -> Requirement {
        SignedBy::new(KeySource::Files(names.iter().map(|name| path(name)).collect())).into()
    };
    let said = |names: &[&str]| judged(&trust([files(names)]), &[good(&key())]);
    assert_eq!(said(&["one"]), Ok(()));
    assert_eq!(said(&["two", "one"]), Ok(()));
    assert!(said(&["two"]).unwrap_err().contains("is not in the keyring"));
    for (names, expected) in [
        (vec!["one", "missing"], "missing cannot be read: "),
        (vec!["one", ""], "is not a regular file"),
        (vec!["large"], "larger than 1 MiB"),
        (vec![], "No public keys imported: no file is named"),
    ] {
        let said = said(&names).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    let relative = SignedBy::new(KeySource::file("keys/one")).into();
    let said_of = judged(&trust([relative]), &[good(&key())]).unwrap_err();
    assert!(
        said_of.contains("the key file keys/one cannot be read: its path depends on"),
        "{said_of}"
    );
    // Changed between two judgements of the same trust.
    let trust = trust([files(&["two"])]);
    assert!(judged(&trust, &[good(&key())]).is_err());
    fs::write(path("two"), certificate(&key())).unwrap();
    assert_eq!(judged(&trust, &[good(&key())]), Ok(()));
}

#[cfg(unix)]
#[test]
fn a_key_file_may_be_a_link_and_no_pipe() {
    let sandbox = tempfile::tempdir().unwrap();
    let path = |name: &str| sandbox.path().join(name);
    fs::write(path("key"), certificate(&key())).unwrap();
    std::os::unix::fs::symlink("key", path("link")).unwrap();
    std::os::unix::fs::symlink("link", path("chain")).unwrap();
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(path("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let said = |path: &Path| {
        judged(
            &trust([SignedBy::new(KeySource::file(path)).into()]),
            &[good(&key())],
        )
    };
    assert_eq!(said(&path("chain")), Ok(()));
    for (name, expected) in [
        (path("loop"), "loop cannot be read"),
        (path("pipe"), "is not a regular file"),
        ("/dev/zero".into(), "is not a regular file"),
    ] {
        let said = said(&name).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}

/// One read of a file, whatever it is needed for, so that no change in between is seen by a half.
#[test]
fn t194_a_key_file_is_read_once_for_a_verdict() {
    use std::sync::{Arc, Mutex};
    /// Replaces the file after it was opened for the first time.
    struct Swaps(Arc<Mutex<Vec<Bytes>>>, std::path::PathBuf);
    impl OpenPgp for Swaps {
        fn open(&self, files: &[KeyFile], now: std::time::SystemTime) -> Result<Box<dyn Keyring>, String> {
            self.0
                .lock()
                .unwrap()
                .extend(files.iter().map(|file| file.content.clone()));
            fs::write(&self.1, certificate(&other())).unwrap();
            wharf_trust::NativeOpenPgp.open(files, now)
        }
    }
    let sandbox = tempfile::tempdir().unwrap();
    let path = sandbox.path().join("key");
    fs::write(&path, certificate(&key())).unwrap();
    let requirement: Requirement = SignedBy::new(KeySource::file(&path)).into();
    let seen = Arc::default();
    let trust = trust([requirement.clone(), requirement]).with_openpgp(Swaps(Arc::clone(&seen), path));
    assert_eq!(judged(&trust, &[good(&key())]), Ok(()));
    assert_eq!(*seen.lock().unwrap(), [certificate(&key()), certificate(&key())]);
}
