//! The registry as a program: `examples/serve`, from its first line to its exit code.

mod access;
mod events;
mod importing;
mod mistakes;
mod operation;
mod pages;
mod redirecting;
mod shared;
mod stores;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use wharf_testkit::{Image, Sandbox, TestCa, require_peers};

use crate::program::{self, ended, run};

pub(crate) const CREDENTIALS: &str = "ada:correct-horse";
pub(crate) const AUTHORIZATION: &str = "Basic YWRhOmNvcnJlY3QtaG9yc2U="; // of these credentials
/// Longer than anything takes, so that a failure is no hanging test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The program while it serves; killed when dropped.
pub(crate) struct Serve {
    child: Child,
    pub(crate) url: String,
    /// The lines of standard error.
    said: Receiver<String>,
}

impl Serve {
    /// Starts it on an unused port over `root` in the sandbox, and waits for its first line.
    pub(crate) fn start(sandbox: &Sandbox, flags: &[&str]) -> Self {
        Self::start_over(sandbox, "root", flags)
    }

    /// As [`Serve::start`], over another directory.
    fn start_over(sandbox: &Sandbox, root: &str, flags: &[&str]) -> Self {
        Self::with(
            sandbox,
            &[&["--listen", "127.0.0.1:0", "--root", root], flags].concat(),
        )
    }

    /// As [`Serve::start`], at the addresses of these flags.
    fn start_at(sandbox: &Sandbox, flags: &[&str]) -> Self {
        Self::with(sandbox, &[&["--root", "root"], flags].concat())
    }

    fn with(sandbox: &Sandbox, flags: &[&str]) -> Self {
        Self::with_variables(sandbox, flags, &[])
    }

    /// As [`Serve::start_at`] with all flags, and with these variables in its environment.
    fn with_variables(sandbox: &Sandbox, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = program::command(sandbox, "serve", flags)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (say, said) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = say.send(line); // nobody may listen any more
            }
        });
        let mut url = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        let url = url.trim_end().to_owned();
        let started = Self { child, url, said };
        assert!(
            !started.url.is_empty(),
            "it said {:?}",
            started.said.iter().collect::<Vec<_>>()
        );
        started
    }

    /// Host and port as they stand in an image's name.
    pub(crate) fn name(&self) -> &str {
        self.url.split("//").nth(1).expect("the first line is a URL")
    }

    /// A connection that has been answered once and is kept alive.
    fn connect(&self) -> TcpStream {
        let mut stream = connect(self.name());
        let request = format!("HEAD /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        assert!(head(&mut stream).starts_with("HTTP/1.1 200 "));
        stream
    }

    /// An upload that has begun and of which half of the bytes have come.
    fn half_an_upload(&self, digest: &wharf::Digest) -> TcpStream {
        self.half_a_request("POST", &format!("/v2/lib/app/blobs/uploads/?digest={digest}"))
    }

    /// A request with a body of 12 bytes of which the first 6 have come.
    fn half_a_request(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = self.connect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\
             Authorization: {AUTHORIZATION}\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        assert!(head(&mut stream).starts_with("HTTP/1.1 100 ")); // it is running
        stream.write_all(b"first ").expect("half of a body");
        stream
    }

    /// One request of ada's, on a connection of its own.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        ask(self.name(), method, path, AUTHORIZATION, body)
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        ended(Command::new("kill").args(["-s", name, &id])).ok();
    }

    /// Waits until it says this on standard error; the whole line.
    fn says(&self, part: &str) -> String {
        loop {
            let line = self.said.recv_timeout(TIMEOUT).expect(part);
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Where it says that its metrics are: host and port.
    fn metrics(&self) -> String {
        let line = self.says("metrics at http://");
        let rest = line.split("http://").nth(1).expect("a URL");
        rest.strip_suffix("/metrics").expect("the path").to_owned()
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

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    head: String,
    pub(crate) body: String,
}

/// Asks a server on this machine for a path.
pub(crate) fn ask(address: &str, method: &str, path: &str, authorization: &str, body: &[u8]) -> Reply {
    let mut stream = connect(address);
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream
        .write_all(&[request.as_bytes(), body].concat())
        .expect("a request");
    let head = head(&mut stream);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.parse::<usize>().expect("a length"))
    });
    let length = length.filter(|_| method != "HEAD");
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body).expect("a body");
    let body = String::from_utf8(body).expect("text");
    Reply {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status"),
        head,
        body,
    }
}

/// Status line and headers of the next answer.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

/// Lets programs of the sandbox speak plain http with these registries.
fn allow_plain_http(sandbox: &Sandbox, names: &[&str]) {
    let table = |name: &&str| format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n");
    sandbox.registries_conf(&names.iter().map(table).collect::<Vec<_>>().concat());
}

/// Writes the users' file, with ada alone.
pub(crate) fn users(sandbox: &Sandbox) {
    sandbox.write("htpasswd", htpasswd(CREDENTIALS));
}

/// The line of a user.
fn htpasswd(credentials: &str) -> String {
    let (user, password) = credentials.split_once(':').expect("a colon");
    let mut htpasswd = Command::new("htpasswd");
    ended(htpasswd.args(["-n", "-b", "-B", "-C", "4", user, password])).ok()
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
                allow_plain_http(&sandbox, &[&name]);
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
