//! gzip and zstd, the programs: each reads what the other side writes.

use std::{
    fs,
    process::{Command, Stdio},
};

use wharf_layer::{Codec, Level};
use wharf_testkit::require_peers;

use crate::coded::{decode, encode, text};

/// What a program makes of a file with these bytes.
fn run(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .stdin(fs::File::open(file.path()).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_and_python_read_what_is_encoded() {
    require_peers!("gzip", "python3");
    let python = "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    for (number, length) in [(1, 0), (6, 100), (6, (3 << 20) + 5), (9, 1 << 20)] {
        let content = text(length);
        let bytes = encode(Level::new(Codec::Gzip, number).unwrap(), 2, &content, 70_000);
        run("gzip", &["--test"], &bytes);
        assert!(run("gzip", &["--decompress", "--stdout"], &bytes) == content);
        assert!(run("python3", &["-c", python], &bytes) == content);
    }
}

#[cfg(feature = "gzip")]
#[test]
fn what_gzip_writes_is_decoded() {
    require_peers!("gzip");
    let content = text(1 << 20);
    for flag in ["-1", "-6", "-9", "--rsyncable"] {
        let bytes = run("gzip", &[flag, "--stdout"], &content);
        assert!(decode(Codec::Gzip, &bytes).unwrap().0 == content, "{flag}");
    }
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_reads_what_is_encoded_and_is_decoded() {
    require_peers!("zstd");
    let content = text((3 << 20) + 5);
    for number in [1, 3, 9] {
        let bytes = encode(Level::new(Codec::Zstd, number).unwrap(), 1, &content, 70_000);
        run("zstd", &["--test"], &bytes);
        assert!(run("zstd", &["--decompress", "--stdout"], &bytes) == content);
    }
    for flags in [
        ["-1", "--stdout"].as_slice(),
        &["-12", "--stdout"],
        &["--no-check", "--stdout"],
        &["--long=27", "--stdout"],
        &["--format=zstd", "-T2", "-B1048576", "--stdout"],
    ] {
        let bytes = run("zstd", flags, &content);
        assert!(decode(Codec::Zstd, &bytes).unwrap().0 == content, "{flags:?}");
        // Several frames, as parts that were compressed each for itself.
        let twice = [bytes.as_slice(), &bytes].concat();
        assert!(
            decode(Codec::Zstd, &twice).unwrap().0 == run("zstd", &["-dc"], &twice),
            "{flags:?}"
        );
    }
}
