//! GnuPG's program, with keys of every kind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use wharf_content::ErrorKind;
use wharf_testkit::require_peers;
use wharf_trust::{GpgProgram, Signer};

use super::{PASSPHRASE, judged, program, requires_keyring, signed};
use crate::support::{NAME, reference};

/// A home directory of gpg, which ends the agents that were started in it.
pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new() -> Self {
        // Short: the socket of an agent lies in it.
        let directory = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args([
                "--batch",
                "--quiet",
                "--no-tty",
                "--no-options",
                "--pinentry-mode",
                "loopback",
            ])
            .arg("--homedir")
            .arg(self.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "gpg {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Makes a key and returns its fingerprint.
    pub(super) fn key(&self, name: &str, algorithm: &str, passphrase: &str) -> String {
        let user = format!("{name} <{name}@example.com>");
        self.gpg(&[
            "--passphrase",
            passphrase,
            "--quick-generate-key",
            &user,
            algorithm,
            "cert,sign",
            "never",
        ]);
        self.fingerprint(name)
    }

    pub(super) fn fingerprint(&self, name: &str) -> String {
        let listed = self.gpg(&[
            "--with-colons",
            "--list-keys",
            &format!("={name} <{name}@example.com>"),
        ]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    pub(super) fn export(&self, key: &str) -> Vec<u8> {
        self.gpg(&["--export", key])
    }

    pub(super) fn program(&self) -> GpgProgram {
        program().with_home(self.path())
    }

    fn configure(&self, lines: &str) {
        fs::write(self.path().join("gpg.conf"), lines).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let ended = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.path())
            .args(["--kill", "all"])
            .status();
        drop(ended);
    }
}

#[test]
fn keys_of_gpg_sign_what_is_accepted() {
    require_peers!("gpg");
    let home = Home::new();
    for algorithm in ["ed25519", "nistp256", "nistp384", "rsa2048"] {
        let key = home.key(algorithm, algorithm, "");
        let public = home.export(&key);
        for name in [
            key.as_str(),
            &key.to_lowercase(),
            &key[24..],
            &format!("{algorithm}@example.com"),
        ] {
            let signature = signed(&Signer::gpg(name, home.program())).unwrap();
            judged(requires_keyring(&public), &reference(NAME), &signature).unwrap();
        }
    }
    // A subkey signs for its primary key, named by either.
    home.gpg(&[
        "--passphrase",
        "",
        "--quick-add-key",
        &home.fingerprint("ed25519"),
        "ed25519",
        "sign",
        "never",
    ]);
    let key = home.fingerprint("ed25519");
    let signature = signed(&Signer::gpg(key.as_str(), home.program())).unwrap();
    judged(requires_keyring(&home.export(&key)), &reference(NAME), &signature).unwrap();
}

/// Of two subkeys gpg takes the newer one, unless it is told to take exactly the other.
#[test]
fn a_subkey_that_gpg_does_not_take_is_told_of() {
    require_peers!("gpg");
    let home = Home::new();
    let key = home.key("ada", "ed25519", "");
    for _ in 0..2 {
        home.gpg(&[
            "--passphrase",
            "",
            "--quick-add-key",
            &key,
            "ed25519",
            "sign",
            "never",
        ]);
    }
    let listed = String::from_utf8(home.gpg(&["--with-colons", "--list-keys"])).unwrap();
    let subkeys: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("fpr:::::::::"))
        .map(|rest| rest.trim_end_matches(':'))
        .filter(|fingerprint| *fingerprint != key)
        .collect();
    assert_eq!(subkeys.len(), 2);
    let sign = |name: &str| signed(&Signer::gpg(name, home.program()));
    let refused: Vec<&&str> = subkeys.iter().filter(|subkey| sign(subkey).is_err()).collect();
    assert_eq!(refused.len(), 1);
    let error = sign(refused[0]).unwrap_err().to_string();
    assert!(
        error.contains("it signed with another key, ") && error.contains("exclamation mark"),
        "{error}"
    );
    for subkey in &subkeys {
        let signature = sign(&format!("{subkey}!")).unwrap();
        judged(requires_keyring(&home.export(&key)), &reference(NAME), &signature).unwrap();
    }
}

/// The program runs in another directory.
#[test]
fn a_relative_home_in_the_environment_is_that_of_this_process() {
    require_peers!("gpg");
    let home = Home::new();
    let key = home.key("ada", "ed25519", "");
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = format!("{up}{}", home.path().strip_prefix("/").unwrap().display());
    let with = |home: &str| {
        let environment = super::environment().with_variable("GNUPGHOME", home);
        signed(&Signer::gpg(key.as_str(), GpgProgram::new(environment)))
    };
    with(&relative).unwrap();
    with(home.path().to_str().unwrap()).unwrap();
    let error = with("nonexistent").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no home directory nonexistent, which the variable GNUPGHOME names"),
        "{error}"
    );
    // The one that is given counts more.
    let environment = super::environment().with_variable("GNUPGHOME", "/nonexistent");
    let program = GpgProgram::new(environment).with_home(home.path());
    signed(&Signer::gpg(key.as_str(), program)).unwrap();
}

#[test]
fn a_configuration_of_gpg_changes_no_signature_or_is_found_out() {
    require_peers!("gpg");
    let home = Home::new();
    let keys =
        ["ed25519", "nistp256", "nistp384", "rsa2048"].map(|algorithm| home.key(algorithm, algorithm, ""));
    for lines in [
        "armor\ntextmode\n",
        "compress-algo bzip2\n",
        "personal-digest-preferences SHA1 SHA224 SHA512\n",
        "local-user nobody\ndefault-key nobody\n",
        "trust-model tofu\n",
    ] {
        home.configure(lines);
        for key in &keys {
            let said = signed(&Signer::gpg(key.as_str(), home.program())).map(drop);
            // Another signer is asked for, who does not exist.
            let expected = !lines.contains("local-user");
            assert_eq!(said.is_ok(), expected, "{lines}: {said:?}");
        }
    }
    home.configure("digest-algo SHA1\n");
    let error = signed(&Signer::gpg(keys[3].as_str(), home.program())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("would not be accepted: the hash SHA-1"),
        "{error}"
    );
}

#[test]
fn a_passphrase_is_given_on_standard_input() {
    require_peers!("gpg");
    let home = Home::new();
    let key = home.key("protected", "ed25519", PASSPHRASE);
    let public = home.export(&key);
    let with = |program: GpgProgram| signed(&Signer::gpg(key.as_str(), program));
    // The agent remembers a passphrase that was right.
    let forget = || {
        let mut end = Command::new("gpgconf");
        end.arg("--homedir")
            .arg(home.path())
            .args(["--kill", "gpg-agent"]);
        assert!(end.status().unwrap().success());
    };
    forget();
    let error = with(home.program().with_passphrase("wrong canary".into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().ends_with("the passphrase is wrong"), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    let signature = with(home.program().with_passphrase(PASSPHRASE.into())).unwrap();
    judged(requires_keyring(&public), &reference(NAME), &signature).unwrap();
    forget();
    for bad in ["canary\nx", "canary\r", "can\0ary"] {
        let error = with(home.program().with_passphrase(bad.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn keys_that_gpg_cannot_sign_with_are_refused_and_told_why() {
    require_peers!("gpg");
    let home = Home::new();
    let key = home.key("ada", "ed25519", "");
    let public = home.export(&key);
    home.key("weak", "rsa1024", "");
    let stranger = Home::new();
    fs::write(stranger.path().join("public"), &public).unwrap();
    stranger.gpg(&["--import", stranger.path().join("public").to_str().unwrap()]);
    for (home, key, words) in [
        (&home, "0".repeat(40), "has no such key"),
        (&home, "nobody@example.com".to_owned(), "has no such key"),
        (&home, "--version".to_owned(), "has no such key"),
        (&home, home.fingerprint("weak"), "RSA with 1024 bits"),
        (&stranger, key.clone(), "does not have the secret key"),
    ] {
        let error = signed(&Signer::gpg(key.as_str(), home.program())).unwrap_err();
        assert!(error.to_string().contains(words), "{key}: {error}");
    }
    for bad in ["", " ", "a\nb", "a\0b"] {
        let error = signed(&Signer::gpg(bad, home.program())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
    }
    let file = stranger.path().join("public");
    for (home, words) in [
        (
            PathBuf::from("/nonexistent/home"),
            "there is no home directory /nonexistent/home",
        ),
        (
            PathBuf::from("nonexistent"),
            "there is no home directory nonexistent",
        ),
        (file.clone(), file.to_str().unwrap()),
    ] {
        let error = signed(&Signer::gpg(key.as_str(), program().with_home(&home))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
