//! New pairs of keys, and files with secrets.

use std::fs;

use wharf_config::Identity;
use wharf_trust::{KeyPair, PublicKey, SecretFile, Signer};

use super::{judged, requires_key, signed};
use crate::support::{NAME, reference};

#[test]
fn a_pair_is_written_read_and_signs() {
    let directory = tempfile::tempdir().unwrap();
    let prefix = directory.path().join("release.v1");
    let pair = KeyPair::generate(&"canary".into()).unwrap();
    let (private, public) = pair.write(&prefix).unwrap();
    assert_eq!(private, directory.path().join("release.v1.private"));
    assert_eq!(public, directory.path().join("release.v1.pub"));
    let text = fs::read_to_string(&private).unwrap();
    assert!(
        text.starts_with("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n"),
        "{text}"
    );
    assert!(
        text.lines()
            .all(|line| line.starts_with("-----") || line.len() <= 64),
        "{text}"
    );
    let key = fs::read(&public).unwrap();
    assert_eq!(PublicKey::from_pem(&key).unwrap(), *pair.public());
    let file = SecretFile::read(&private).unwrap();
    assert_eq!(file.warning(), None);
    let signer = Signer::cosign(&file, &"canary".into()).unwrap();
    judged(
        requires_key(&key, Identity::MatchExact),
        &reference(NAME),
        &signed(&signer).unwrap(),
    )
    .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&private), 0o600);
        assert_eq!(mode(&public) & 0o600, 0o600);
        assert_eq!(mode(&public) & 0o133, 0);
    }
}

#[test]
fn pairs_differ_and_so_do_encryptions() {
    let [one, other] = [(), ()].map(|()| KeyPair::generate(&"".into()).unwrap());
    assert_ne!(one.public(), other.public());
    let body = |pair: &KeyPair| pair.private_pem().lines().nth(3).map(str::to_owned);
    assert_ne!(body(&one), body(&other));
}

#[test]
fn nothing_is_overwritten_and_no_link_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pair = KeyPair::generate(&"".into()).unwrap();
    for (taken, left) in [("a.private", "a.pub"), ("b.pub", "b.private")] {
        fs::write(path(taken), "old").unwrap();
        let said = pair.write(&path(&taken[..1])).unwrap_err().to_string();
        assert!(said.contains(taken) && said.contains("exists already"), "{said}");
        assert_eq!(fs::read(path(taken)).unwrap(), b"old");
        assert!(!path(left).exists(), "{left}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(path("elsewhere"), path("c.private")).unwrap();
        pair.write(&path("c")).unwrap_err();
        assert!(!path("elsewhere").exists() && !path("c.pub").exists());
    }
    let said = pair.write(&path("missing/d")).unwrap_err().to_string();
    assert!(said.contains("d.private cannot be written"), "{said}");
}

#[cfg(unix)]
#[test]
fn t185_a_private_key_that_others_can_read_is_told_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cosign.key");
    fs::write(&path, "secret").unwrap();
    for (mode, told) in [
        (0o600, false),
        (0o400, false),
        (0o640, true),
        (0o604, true),
        (0o660, true),
        (0o644, true),
        (0o777, true),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let file = SecretFile::read(&path).unwrap();
        let warning = file.warning();
        assert_eq!(warning.is_some(), told, "{mode:o}");
        if let Some(warning) = warning {
            assert!(
                warning.contains("cosign.key") && warning.contains("chmod 600"),
                "{warning}"
            );
        }
    }
}

#[test]
fn files_with_secrets_are_regular_and_small() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let said = |path: &std::path::Path| SecretFile::read(path).unwrap_err().to_string();
    assert!(said(&path).contains("key cannot be read"), "{}", said(&path));
    assert!(said(directory.path()).contains("not a regular file"));
    fs::write(&path, vec![b'x'; (256 << 10) + 1]).unwrap();
    assert!(said(&path).contains("larger than 256 KiB"));
    fs::write(&path, vec![b'x'; 256 << 10]).unwrap();
    assert_eq!(SecretFile::read(&path).unwrap().as_ref().len(), 256 << 10);
    for (content, passphrase) in [
        (b"canary\n".as_slice(), Some("canary")),
        (b"canary", Some("canary")),
        (b"canary\r\nmore", Some("canary")),
        (b" canary \n", Some(" canary ")),
        (b"", Some("")),
        (b"\ncanary", Some("")),
        (b"\xff\n", None),
    ] {
        fs::write(&path, content).unwrap();
        let read = SecretFile::read(&path).unwrap().passphrase();
        assert_eq!(
            read.as_ref().ok().map(wharf_auth::Secret::expose),
            passphrase,
            "{content:?}"
        );
    }
}
