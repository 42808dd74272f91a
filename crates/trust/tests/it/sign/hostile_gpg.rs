//! Programs in the place of gpg that fail, lie or do not end: what they say of a signature is never believed.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use wharf_config::HelperEnvironment;
use wharf_content::{ErrorKind, Sign as _};
use wharf_trust::{GpgProgram, Signer};

use super::{environment, file, image, openpgp::public_of, path, program, signed};
use crate::{
    golden,
    support::{NAME, reference},
};

/// A program that exports the key of a file, and signs by these lines of a shell.
fn script(directory: &Path, public: &Path, signs: &str) -> PathBuf {
    let path = directory.join("gpg");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--export*) exec cat '{}' ;; esac\n{signs}\n",
        public.display()
    );
    replace(&path, &text);
    path
}

/// Writes a program. Not the file itself, which another test's child may hold open for writing.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, text).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(fresh, path).unwrap();
}

const FORGED: &str = "echo '[GNUPG:] SIG_CREATED S 22 8 00 1 0' >&2; echo '[GNUPG:] GOODSIG x' >&2";

#[test]
fn t176_what_a_program_says_of_its_signature_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let public = directory.path().join("public");
    fs::write(&public, public_of("ed25519.gpg")).unwrap();
    let golden = |name: &str| {
        golden::directory()
            .join("signatures")
            .join(name)
            .display()
            .to_string()
    };
    for (signs, words) in [
        (FORGED.to_owned(), "would not be accepted"),
        (format!("{FORGED}; echo signature"), "would not be accepted"),
        (
            format!("{FORGED}; for last; do :; done; cat \"$last\""),
            "would not be accepted",
        ),
        (
            format!("{FORGED}; cat '{}'", golden("ed25519")),
            "is not in the keyring",
        ),
        (
            format!("{FORGED}; cat '{}'", golden("armored")),
            "armored signatures",
        ),
        (format!("{FORGED}; exit 1"), "run it by hand"),
        ("exit 3".to_owned(), "run it by hand"),
        ("kill -9 $$".to_owned(), "run it by hand"),
        (
            "echo '[GNUPG:] FAILURE sign 67108881' >&2; exit 2".to_owned(),
            "does not have the secret key",
        ),
        (
            "echo '[GNUPG:] INV_SGNR 9 x' >&2; exit 2".to_owned(),
            "does not have the secret key",
        ),
        (
            "echo '[GNUPG:] INV_SGNR 5 x' >&2; exit 2".to_owned(),
            "expired, was revoked",
        ),
        (
            "echo '[GNUPG:] FAILURE sign 83886179' >&2; exit 2".to_owned(),
            "got no passphrase",
        ),
        (
            "echo canary >&2; echo canary; exit 2".to_owned(),
            "run it by hand",
        ),
    ] {
        let program = program().with_path(script(directory.path(), &public, &signs));
        let error = signed(&Signer::gpg("any", program)).unwrap_err();
        let text = format!("{error:?}");
        assert!(
            text.contains(words) && !text.contains("canary"),
            "{signs}: {text}"
        );
    }
}

/// The program has a good signature by its key, for something else.
#[test]
fn a_signature_over_another_payload_or_by_another_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let keys = golden::directory().join("keys/ed25519.gpg");
    let message = golden::directory().join("signatures/ed25519");
    let program = program().with_path(script(
        directory.path(),
        &keys,
        &format!("cat '{}'", message.display()),
    ));
    let error = signed(&Signer::gpg("any", program)).unwrap_err();
    assert!(
        error.to_string().contains("it is over another payload"),
        "{error}"
    );

    // It signs the payload by another key than the one that it was asked for, and exports that.
    let made = directory.path().join("made");
    let public = directory.path().join("public");
    fs::write(&public, public_of("ed25519.gpg")).unwrap();
    let signer = Signer::openpgp(file("ed25519.gpg")).unwrap();
    let wharf_content::Signature::Simple(message) = signed(&signer).unwrap() else {
        panic!("it is no simple signature");
    };
    fs::write(&made, &message).unwrap();
    let lies = format!("cat '{}'", made.display());
    let program = self::program().with_path(script(directory.path(), &public, &lies));
    // The payloads have the same second in them only if the clock stands still.
    let summary =
        wharf_trust::UntrustedSummary::read_without_verifying(&wharf_content::Signature::Simple(message))
            .unwrap();
    let ask = |key: &str| signed(&Signer::gpg(key, program.clone()).with_clock(move || summary.time));
    ask("any").unwrap();
    let key = summary.key.unwrap();
    let (long, short) = (&key[24..], &key[32..]);
    for right in [
        key.clone(),
        key.to_lowercase(),
        format!("{key}!"),
        format!("0x{key}"),
        format!("0X{long}!"),
        format!("{} {} {}", &key[..8], &key[8..20], &key[20..]),
        long.to_owned(),
        short.to_owned(),
    ] {
        ask(&right).unwrap_or_else(|error| panic!("{right}: {error}"));
    }
    let zeros = "0".repeat(40);
    let refused = || {
        [
            zeros.clone(),
            format!("{zeros}!"),
            format!("0x{zeros}"),
            format!("0x{}", &zeros[24..]),
            format!("{} {}", &zeros[..20], &zeros[20..]),
            zeros[24..].to_owned(),
            zeros[32..].to_owned(),
        ]
    };
    let is_refused = |wrong: &str| {
        let error = ask(wrong).unwrap_err().to_string();
        assert!(
            error.contains(&format!("it signed with another key, {key}")),
            "{error}"
        );
    };
    for wrong in refused() {
        is_refused(&wrong);
    }
    // It claims to be by the key that was asked for, which nobody has signed.
    fs::write(&made, claiming(&fs::read(&made).unwrap(), &[0; 20])).unwrap();
    let lie = wharf_content::Signature::Simple(fs::read(&made).unwrap().into());
    let claimed = wharf_trust::UntrustedSummary::read_without_verifying(&lie)
        .unwrap()
        .key;
    assert_eq!(claimed, Some(zeros.clone()));
    for wrong in refused() {
        is_refused(&wrong);
    }
    ask(&key).unwrap();
}

/// A message of this crate's form, with a fingerprint beside what is signed of its last packet.
fn claiming(message: &[u8], fingerprint: &[u8; 20]) -> Vec<u8> {
    let mut packets = Vec::new();
    let mut rest = message;
    while let [head, 0xff, a, b, c, d, more @ ..] = rest {
        let (body, after) = more.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        packets.push((*head, body.to_vec()));
        rest = after;
    }
    let (_, signature) = packets.last_mut().unwrap();
    let at = 6 + usize::from(u16::from_be_bytes([signature[4], signature[5]]));
    let size = u16::from_be_bytes([signature[at], signature[at + 1]]);
    let claim = [&[22, 33, 4], fingerprint.as_slice()].concat();
    let larger = size + u16::try_from(claim.len()).unwrap();
    let end = at + 2 + usize::from(size);
    signature.splice(end..end, claim);
    signature.splice(at..at + 2, larger.to_be_bytes());
    let packet = |(head, body): (u8, Vec<u8>)| {
        let size = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[head, 0xff], size.as_slice(), &body].concat()
    };
    packets.into_iter().flat_map(packet).collect()
}

#[test]
fn a_program_that_does_not_end_or_writes_without_end_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let public = path("public.gpg");
    let with = |signs: &str| {
        let program = program()
            .with_path(script(directory.path(), &public, signs))
            .with_timeout(Duration::from_millis(500));
        signed(&Signer::gpg("any", program)).unwrap_err()
    };
    let error = with("sleep 600");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("did not end within 500ms"), "{error}");
    let error = with("exec yes");
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let error = with("exec yes >&2");
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}

/// Nobody waits for it any more: it does not go on until its time is over.
#[test]
fn a_program_is_killed_when_the_signing_is_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let started = directory.path().join("started");
    assert!(Command::new("mkfifo").arg(&started).status().unwrap().success());
    let say = format!("echo $$ > '{}'; exec sleep 600", started.display());
    // Once while it exports the key, once while it signs.
    for exports in [true, false] {
        let path = script(directory.path(), &path("public.gpg"), &say);
        if exports {
            replace(&path, &format!("#!/bin/sh\n{say}\n"));
        }
        let program = program()
            .with_path(path)
            .with_timeout(Duration::from_secs(24 * 60 * 60));
        let cancelled = AtomicBool::new(false);
        let (error, id) = thread::scope(|scope| {
            let cancel = scope.spawn(|| {
                let id = fs::read_to_string(&started).unwrap();
                cancelled.store(true, Ordering::Release);
                id
            });
            let signer = Signer::gpg("any", program);
            let signed = signer.sign_cancellable(&image(), &reference(NAME), &cancelled);
            (signed.unwrap_err(), cancel.join().unwrap())
        });
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        let alive = Command::new("kill").args(["-0", id.trim()]).output().unwrap();
        assert!(!alive.status.success(), "{id} is alive");
    }
    // One that was cancelled before is not run at all.
    let missing = program().with_path(directory.path().join("missing"));
    let signer = Signer::gpg("any", missing);
    let signed = signer.sign_cancellable(&image(), &reference(NAME), &AtomicBool::new(true));
    assert_eq!(signed.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn the_program_comes_from_an_absolute_directory() {
    let directory = tempfile::tempdir().unwrap();
    let public = path("public.gpg");
    let script = script(directory.path(), &public, "exit 1");
    let error = |program: GpgProgram| signed(&Signer::gpg("any", program)).unwrap_err().to_string();
    let said = error(GpgProgram::new(HelperEnvironment::new("")));
    assert!(said.contains("no program gpg in the search path"), "{said}");
    let said = error(GpgProgram::new(HelperEnvironment::new(".:relative")));
    assert!(said.contains("no program gpg in the search path"), "{said}");
    let said = error(GpgProgram::new(environment()).with_path("gpg"));
    assert!(said.contains("not absolute"), "{said}");
    let said = error(GpgProgram::new(environment()).with_path(directory.path().join("missing")));
    assert!(said.contains("it cannot be run"), "{said}");
    let said = error(GpgProgram::new(HelperEnvironment::new(directory.path())));
    assert!(said.contains(script.to_str().unwrap()), "{said}");
}

/// A secret is not an argument, where every user of the machine could read it, nor in the environment.
#[test]
fn the_payload_is_a_private_file_and_the_passphrase_no_argument() {
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let signs = format!(
        "{{ echo \"$*\"; env; for last; do :; done; ls -ln \"$last\"; cat; }} > '{}'; exit 1",
        seen.display()
    );
    let program = program()
        .with_path(script(directory.path(), &path("public.gpg"), &signs))
        .with_passphrase("correct-horse".into());
    signed(&Signer::gpg("some key", program)).unwrap_err();
    let seen = fs::read_to_string(&seen).unwrap();
    let (before, last) = seen.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(last, "correct-horse");
    assert!(!before.contains("correct-horse"), "{before}");
    assert!(before.contains("--local-user some key --output -"), "{before}");
    assert!(
        before.lines().any(|line| line.starts_with("-rw------- ")),
        "{before}"
    );
}
