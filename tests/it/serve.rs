//! The registry as a program: `examples/serve`, from its first line to its exit code.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use wharf_testkit::{Image, Sandbox, TestCa, require_peers, sha256};

use crate::program::{self, Ended, ended, run};

pub(crate) const CREDENTIALS: &str = "ada:correct-horse";
pub(crate) const AUTHORIZATION: &str = "Basic YWRhOmNvcnJlY3QtaG9yc2U="; // of these credentials

/// The program while it serves; killed when dropped.
pub(crate) struct Serve {
    child: Child,
    pub(crate) url: String,
}

impl Serve {
    /// Starts it on an unused port over `root` in the sandbox, and waits for its first line.
    pub(crate) fn start(sandbox: &Sandbox, flags: &[&str]) -> Self {
        let mut child = program::command(sandbox, "serve", &["--listen", "127.0.0.1:0", "--root", "root"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut url = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        let url = url.trim_end().to_owned();
        Self { child, url }
    }

    /// Host and port as they stand in an image's name.
    pub(crate) fn name(&self) -> &str {
        self.url.split("//").nth(1).expect("the first line is a URL")
    }

    /// A connection that has been answered once and is kept alive.
    fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.name()).expect("it listens");
        let guard = Some(Duration::from_mins(1)); // so that a failure is no hanging test
        stream.set_read_timeout(guard).expect("a timeout");
        let request = format!("HEAD /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        assert!(head(&mut stream).starts_with("HTTP/1.1 200 "));
        stream
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        ended(Command::new("kill").args(["-s", name, &id])).ok();
    }

    /// Waits for its end after a signal; panics unless it ended well.
    pub(crate) fn ended_well(mut self) {
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Status line and headers of the next answer that has no body.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

/// Writes the users' file.
pub(crate) fn users(sandbox: &Sandbox) {
    let (user, password) = CREDENTIALS.split_once(':').expect("a colon");
    let mut htpasswd = Command::new("htpasswd");
    let line = ended(htpasswd.args(["-n", "-b", "-B", "-C", "4", user, password])).ok();
    sandbox.write("htpasswd", line);
}

/// Ours pulls `reference` into a store of this name, and gets the image.
fn assert_pulled(sandbox: &Sandbox, reference: &str, store: &str, image: &Image) {
    let arguments = ["--creds", CREDENTIALS, reference, "--store", store];
    let pulled = run(sandbox, "pull", &arguments);
    assert_eq!(pulled.last_line(), image.manifest().digest().to_string());
}

#[test]
fn images_go_in_and_out_and_outlive_the_program() {
    require_peers!("skopeo", "htpasswd");
    for (tls, flags) in [
        (false, ["--htpasswd", "htpasswd", "--tokens"].as_slice()),
        (
            true,
            &[
                "--htpasswd",
                "htpasswd",
                "--tls-cert",
                "cert.pem",
                "--tls-key",
                "key.pem",
            ],
        ),
    ] {
        let (sandbox, ca) = (Sandbox::new(), TestCa::new());
        users(&sandbox);
        let certificate = ca.issue(&["127.0.0.1"]);
        certificate.write(&sandbox.path("cert.pem"), &sandbox.path("key.pem"));
        let reach = |serve: &Serve| {
            let name = serve.name().to_owned();
            if tls {
                assert_eq!(serve.url, format!("https://{name}"));
                sandbox.trust(&name, ca.pem());
            } else {
                assert_eq!(serve.url, format!("http://{name}"));
                let location = format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n");
                sandbox.registries_conf(&location);
            }
            name
        };
        let image = Image::builder().files(&[("etc/motd", b"hello")]).finish();
        image.write_layout(&sandbox.path("layout"), "v1");

        let serve = Serve::start(&sandbox, flags);
        let name = reach(&serve);
        let (ours, theirs) = (format!("{name}/lib/ours:1"), format!("{name}/lib/theirs:1"));
        let refused = run(&sandbox, "push", &["--store", "layout", "v1", &ours]);
        refused.fails(1, &[&name]);
        let arguments = ["--creds", CREDENTIALS, "--store", "layout", "v1", &ours];
        let pushed = run(&sandbox, "push", &arguments);
        assert_eq!(pushed.last_line(), image.manifest().digest().to_string());
        let (from, to) = (format!("docker://{ours}"), format!("docker://{theirs}"));
        let credentials = ["--src-creds", CREDENTIALS, "--dest-creds", CREDENTIALS];
        let copy = ["copy", "--preserve-digests", &from, &to];
        sandbox.skopeo().run(&[&copy[..], &credentials].concat()).ok();
        assert_pulled(&sandbox, &theirs, "before", &image);
        serve.signal("TERM");
        serve.ended_well();

        let serve = Serve::start(&sandbox, flags);
        let name = reach(&serve);
        for repository in ["lib/ours", "lib/theirs"] {
            let reference = format!("{name}/{repository}:1");
            assert_pulled(&sandbox, &reference, &format!("after/{repository}"), &image);
            let docker = format!("docker://{reference}");
            let inspect = ["inspect", "--raw", "--creds", CREDENTIALS, &docker];
            let raw = sandbox.skopeo().run(&inspect).ok();
            assert_eq!(raw.as_bytes(), image.manifest().bytes());
        }
        serve.signal("INT");
        serve.ended_well();
    }
}

#[test]
fn what_is_running_is_answered_before_the_program_ends() {
    require_peers!("htpasswd");
    let sandbox = Sandbox::new();
    users(&sandbox);
    let serve = Serve::start(&sandbox, &["--htpasswd", "htpasswd"]);
    let (mut idle, mut busy) = (serve.connect(), serve.connect());
    let digest = sha256(b"first second");
    let request = format!(
        "POST /v2/lib/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\
         Authorization: {AUTHORIZATION}\r\nExpect: 100-continue\r\n\r\n"
    );
    busy.write_all(request.as_bytes()).expect("a request");
    assert!(head(&mut busy).starts_with("HTTP/1.1 100 ")); // it is running
    busy.write_all(b"first ").expect("half of a body");
    serve.signal("TERM");
    assert_eq!(idle.read(&mut [0]).expect("an orderly end"), 0); // it is ending
    busy.write_all(b"second").expect("the other half");
    assert!(head(&mut busy).starts_with("HTTP/1.1 201 "));
    serve.ended_well();
    let kept = sandbox.path("root/blobs/sha256").join(digest.encoded());
    assert_eq!(std::fs::read(kept).expect("the blob"), b"first second");
}

/// Runs it although it cannot serve, and ends it if it does all the same.
fn start_in_vain(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let serve = program::example("serve");
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(serve)
        .args(arguments)
        .current_dir(sandbox.path("."));
    ended(&mut command)
}

#[test]
fn wrong_flags_are_wrong_usage() {
    let sandbox = Sandbox::new();
    for (arguments, part) in [
        (["--root", "root", "--nope"].as_slice(), "--nope"),
        (&["--listen", "127.0.0.1:0"], "--root"),
        (&["--root", "root", "--listen", "nowhere"], "--listen"),
        (&["--root", "root", "--tls-cert", "cert.pem"], "--tls-key"),
        (&["--root", "root", "--tls-key", "key.pem"], "--tls-cert"),
        (&["--root", "root", "--anonymous-pull"], "--htpasswd"),
    ] {
        start_in_vain(&sandbox, arguments).fails(2, &[part]);
        assert!(!sandbox.path("root").exists());
    }
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "x");
    sandbox.write("other/file", "x");
    let ca = TestCa::new();
    let (one, two) = (ca.issue(&["127.0.0.1"]), ca.issue(&["127.0.0.1"]));
    one.write(&sandbox.path("cert.pem"), Path::new("/dev/null"));
    two.write(Path::new("/dev/null"), &sandbox.path("key.pem"));
    let serve = Serve::start(&sandbox, &[]);
    let taken = serve.name();
    for (arguments, part) in [
        (["--root", "file"].as_slice(), "cannot create file"),
        (&["--root", "other"], "other has files"),
        (&["--root", "root"], "another process"),
        (&["--root", "new", "--htpasswd", "missing"], "missing"),
        (&["--root", "new", "--htpasswd", "file"], "line 1"),
        (
            &["--root", "new", "--tls-cert", "cert.pem", "--tls-key", "missing"],
            "missing",
        ),
        (
            &["--root", "new", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
            "key.pem",
        ),
        (&["--root", "new", "--listen", taken], taken),
    ] {
        let listen = ["--listen", "127.0.0.1:0"];
        let listen = if arguments.contains(&"--listen") {
            [].as_slice()
        } else {
            &listen
        };
        let vain = start_in_vain(&sandbox, &[arguments, listen].concat());
        assert_eq!(vain.stderr.lines().count(), 1, "{arguments:?}: {vain:?}");
        assert_eq!(vain.stdout, "");
        vain.fails(1, &["serve: ", part]);
    }
}
