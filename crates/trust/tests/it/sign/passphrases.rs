//! Files and pipes with passphrases.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
};

use wharf_trust::{Problem, SecretFile};

fn pipe(directory: &Path, mode: &str) -> PathBuf {
    let path = directory.join("pipe");
    let made = Command::new("mkfifo").args(["-m", mode]).arg(&path).status();
    assert!(made.unwrap().success());
    path
}

fn told(read: Result<SecretFile, Problem>) -> String {
    read.unwrap_err().to_string()
}

/// Writes the parts, and keeps the pipe open until the reader has ended.
fn read_from(parts: &'static [&[u8]], stays_open: bool) -> SecretFile {
    let directory = tempfile::tempdir().unwrap();
    let path = pipe(directory.path(), "600");
    let (done, is_done) = mpsc::channel::<()>();
    let writer = {
        let path = path.clone();
        thread::spawn(move || {
            let mut pipe = File::options().write(true).open(path).unwrap();
            for part in parts {
                let _ = pipe.write_all(part); // the reader has ended with its line, perhaps
            }
            if stays_open {
                let _ = is_done.recv();
            }
        })
    };
    let read = SecretFile::read_passphrase(&path).unwrap();
    drop(done);
    writer.join().unwrap();
    read
}

#[test]
fn a_passphrase_is_the_first_line_of_a_pipe() {
    for (parts, stays_open, expected) in [
        ([b"canary\n".as_slice(), b""], false, Some("canary")),
        ([b"canary", b""], false, Some("canary")),
        ([b"canary\n", b""], true, Some("canary")),
        ([b"can", b"ary\n"], true, Some("canary")),
        ([b"canary\r\n", b"more"], false, Some("canary")),
        ([b" canary \n", b"more\n"], true, Some(" canary ")),
        ([b"", b""], false, Some("")),
        ([b"\n", b"canary"], true, Some("")),
        ([b"\xff\n", b""], true, None),
    ] {
        let parts: &'static [&[u8]] = Vec::leak(parts.to_vec());
        let read = read_from(parts, stays_open);
        let passphrase = read.passphrase();
        let passphrase = passphrase.as_ref().ok().map(wharf_auth::Secret::expose);
        assert_eq!(passphrase, expected, "{parts:?}");
        assert_eq!(read.warning(), None);
    }
}

#[test]
fn a_pipe_that_never_ends_a_line_is_read_to_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = pipe(directory.path(), "600");
    let writer = {
        let path = path.clone();
        thread::spawn(move || {
            let mut pipe = File::options().write(true).open(path).unwrap();
            while pipe.write_all(&[b'x'; 4096]).is_ok() {}
        })
    };
    let said = told(SecretFile::read_passphrase(&path));
    assert!(
        said.contains("pipe cannot be read: it is larger than 256 KiB"),
        "{said}"
    );
    writer.join().unwrap();
    for (size, fits) in [(256 << 10, true), ((256 << 10) + 1, false)] {
        let file = directory.path().join("file");
        fs::write(&file, vec![b'x'; size]).unwrap();
        assert_eq!(SecretFile::read_passphrase(&file).is_ok(), fits, "{size}");
    }
}

/// Nothing is opened that is of another kind: a device, or a pipe as a key, which nobody would write to.
#[test]
fn keys_are_regular_files_and_passphrases_pipes_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = pipe(directory.path(), "600");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let socket = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for pipe in [&path, &link] {
        let said = told(SecretFile::read(pipe));
        assert!(
            said.ends_with("cannot be read: it is not a regular file"),
            "{said}"
        );
    }
    for other in [
        directory.path(),
        &socket,
        Path::new("/dev/null"),
        Path::new("/dev/zero"),
    ] {
        let said = told(SecretFile::read(other));
        assert!(said.ends_with("it is not a regular file"), "{said}");
        let said = told(SecretFile::read_passphrase(other));
        assert!(
            said.ends_with("it is neither a regular file nor a pipe"),
            "{said}"
        );
    }
    let said = told(SecretFile::read_passphrase(directory.path().join("missing")));
    assert!(said.contains("missing cannot be read: "), "{said}");
}

#[test]
fn t185_a_pipe_that_others_can_read_is_told_of() {
    for (mode, is_told) in [("600", false), ("644", true), ("622", true), ("666", true)] {
        let directory = tempfile::tempdir().unwrap();
        let path = pipe(directory.path(), mode);
        let writer = {
            let path = path.clone();
            thread::spawn(move || fs::write(path, "canary\n").unwrap())
        };
        let read = SecretFile::read_passphrase(&path).unwrap();
        writer.join().unwrap();
        assert_eq!(read.warning().is_some(), is_told, "{mode}");
        let debug = format!("{read:?} {:?}", read.warning());
        assert!(!debug.contains("canary"), "{debug}");
    }
}
