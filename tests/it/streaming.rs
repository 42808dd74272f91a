//! A layer of any length goes from standard input to a registry in flat memory and without a file.

use std::{
    env, fs,
    io::{self, Write},
    path::PathBuf,
    process::{ChildStdin, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use wharf::{Client, Hasher};
use wharf_reference::{Algorithm, Digest};
use wharf_registry::{DiskBackend, Registry};
use wharf_testkit::{Sandbox, noise};

use crate::program::command;

/// The most memory of the program, in KiB.
const MOST: u64 = 64 << 10;
/// The length of the layer in MiB, unless `WHARF_STREAM` states another.
const LENGTH: u64 = 256;
const MIB: usize = 1 << 20;

/// The other end of a pipe, and a digest of all that went through it.
struct Pipe {
    stdin: ChildStdin,
    hasher: Hasher,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stdin.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdin.flush()
    }
}

/// What is seen of the program when it has taken all of the layer but its end.
struct Seen {
    /// The largest resident memory so far, in KiB.
    peak: u64,
    temporary: Vec<PathBuf>,
    digest: Digest,
}

/// Writes a tar of one file in gzip's format, without compressing it: what is measured is the other end.
fn write_layer(stdin: ChildStdin, length: u64, look: impl FnOnce() -> (u64, Vec<PathBuf>)) -> Seen {
    let pipe = Pipe {
        stdin,
        hasher: Hasher::new(Algorithm::Sha256).unwrap(),
    };
    let mut layer = GzEncoder::new(pipe, Compression::none());
    let mut header = tar::Header::new_gnu();
    header.set_path("data").unwrap();
    header.set_mode(0o644);
    header.set_size(length * MIB as u64);
    header.set_cksum();
    layer.write_all(header.as_bytes()).unwrap();
    let content = noise(1, MIB);
    for _ in 0..length {
        layer.write_all(&content).unwrap();
    }
    let (peak, temporary) = look();
    layer.write_all(&[0; 1024]).unwrap();
    let pipe = layer.finish().unwrap();
    Seen {
        peak,
        temporary,
        digest: pipe.hasher.finish().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_of_any_length_goes_from_a_pipe_to_a_registry_in_flat_memory() {
    let length = env::var("WHARF_STREAM").ok().and_then(|text| text.parse().ok());
    let length = length.unwrap_or(LENGTH);
    let sandbox = Sandbox::new();
    let backend = DiskBackend::open(sandbox.path("registry")).await.unwrap();
    let server = Registry::open(backend).await.unwrap().serve().await.unwrap();
    let name = format!("{}/streamed:1", server.registry());
    let to = format!("docker://{name}");
    let mut program = command(
        &sandbox,
        "append",
        &["-q", "--tls-verify=false", "-f", "-", "-t", &to],
    );
    program.env("TMPDIR", sandbox.path("tmp"));
    program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let (stdin, id) = (child.stdin.take().unwrap(), child.id());
    let temporary = sandbox.path("tmp");
    let look = move || {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let peak = peak.trim().trim_end_matches(" kB").parse().unwrap();
        let files = fs::read_dir(temporary).unwrap();
        (peak, files.map(|entry| entry.unwrap().path()).collect())
    };
    let writing = tokio::task::spawn_blocking(move || write_layer(stdin, length, look));
    let seen = writing.await.unwrap();
    let ending = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = ending.await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let digest = String::from_utf8(output.stdout).unwrap().trim().to_owned();

    assert!(seen.peak < MOST, "{} KiB for a layer of {length} MiB", seen.peak);
    assert!(seen.temporary.is_empty(), "{:?}", seen.temporary);
    let client = Client::builder()
        .with_plain_http(server.registry())
        .build()
        .unwrap();
    let manifest = client.manifest(&name).await.unwrap();
    assert_eq!(manifest.digest().to_string(), digest);
    assert_eq!(*manifest.layers()[0].digest(), seen.digest);
    assert!(manifest.layers()[0].size() > length * MIB as u64);
}
