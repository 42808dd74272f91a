//! Skopeo and Docker's registry: what each program signs by a key of GnuPG, the other accepts, from a lookaside store in
//! a directory and behind a web server.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use wharf_testkit::{DockerRegistry, Image, Index, Sandbox, require_peers, skip};

use crate::{
    gpg,
    program::{Ended, run},
};

/// Serves the files of a directory by plain HTTP until the test program ends.
fn serve(directory: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let directory = directory.clone();
            // A client that goes away is no failure.
            thread::spawn(move || drop(answer(&stream, &directory)));
        }
    });
    address
}

fn answer(mut stream: &TcpStream, directory: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path
        .trim_start_matches('/')
        .replace("%3D", "=")
        .replace("%40", "@");
    let (status, body) = match fs::read(directory.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// A registry, a key of GnuPG, and a policy by which all images of the registry must be signed by it.
struct Peers {
    registry: DockerRegistry,
    sandbox: Sandbox,
    key: String,
    web: SocketAddr,
}

impl Peers {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        // The engine of some builds of Skopeo knows no Ed25519.
        let key = gpg::key(&sandbox, "rsa2048");
        let public = gpg::export(&sandbox, &key);
        let policy = format!(
            r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{"docker":{{"":[{{"type":"signedBy","keyType":"GPGKeys","keyPath":"{}","signedIdentity":{{"type":"matchExact"}}}}]}}}}}}"#,
            public.display()
        );
        sandbox.write("policy.json", policy);
        fs::create_dir(sandbox.path("sigs")).unwrap();
        let peers = Self {
            registry: DockerRegistry::start(),
            web: serve(sandbox.path("sigs")),
            sandbox,
            key,
        };
        peers.read_from(&peers.directory());
        peers
    }

    fn directory(&self) -> String {
        format!("file://{}", self.sandbox.path("sigs").display())
    }

    /// Where signatures are read from; they are written to the directory in any case.
    fn read_from(&self, lookaside: &str) {
        let text = format!(
            "default-docker:\n  lookaside: {lookaside}\n  lookaside-staging: {}\n",
            self.directory()
        );
        self.sandbox.write("registries.d/default.yaml", text);
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.name())
    }

    fn text(&self, name: &str) -> String {
        self.sandbox.path(name).to_str().unwrap().to_owned()
    }

    /// An example, with the host's files of the sandbox.
    fn ours(&self, example: &str, arguments: &[&str]) -> Ended {
        let (policy, stores) = (self.text("policy.json"), self.text("registries.d"));
        let host = [
            "--tls-verify=false",
            "--policy",
            &policy,
            "--registries-d",
            &stores,
        ];
        run(&self.sandbox, example, &[&host, arguments].concat())
    }

    fn signs(&self) -> [&str; 2] {
        ["--sign-by", &self.key]
    }

    /// Both programs accept an image, wherever its signatures are read from, or both refuse it.
    fn both_accept(&self, name: &str, expected: bool) {
        let name = self.name(name);
        for lookaside in [self.directory(), format!("http://{}", self.web)] {
            self.read_from(&lookaside);
            let (from, to) = (format!("docker://{name}"), format!("dir:{}", self.text("copied")));
            let copy = ["copy", "--all", "--src-tls-verify=false", &from, &to];
            let theirs = self.sandbox.skopeo().run(&copy);
            assert_eq!(theirs.success, expected, "{name} {lookaside}: {theirs:?}");
            assert!(
                theirs.success || theirs.stderr.contains("Source image rejected"),
                "{theirs:?}"
            );
            let ours = self.ours("verify", &[&name]);
            let code = i32::from(!expected);
            assert_eq!(ours.code, Some(code), "{name} {lookaside}: {ours:?}");
        }
        self.read_from(&self.directory());
    }

    fn layout(&self, directory: &str, content: &str) -> Image {
        let image = Image::small(content);
        image.write_layout(&self.sandbox.path(directory), "app");
        image
    }
}

#[test]
fn what_is_signed_here_while_it_is_pushed_copied_and_where_it_is_skopeo_accepts() {
    require_peers!("docker-registry", "skopeo", "gpg");
    let peers = Peers::new();
    let store = peers.text("store");
    peers.layout("store", "one");
    let push = |more: &[&str], name: &str| {
        let name = peers.name(name);
        peers
            .ours("push", &[more, &["--store", &store, "app", &name]].concat())
            .ok();
    };
    push(&peers.signs(), "team/pushed:1");
    peers.both_accept("team/pushed:1", true);

    let [from, to] = ["team/pushed:1", "other/copied:1"].map(|name| format!("docker://{}", peers.name(name)));
    peers
        .ours("copy", &[&peers.signs()[..], &[&from, &to]].concat())
        .ok();
    peers.both_accept("other/copied:1", true);

    push(&[], "team/signed:1");
    peers.both_accept("team/signed:1", false);
    let name = peers.name("team/signed:1");
    for _ in 0..2 {
        peers.ours("sign", &[&peers.signs()[..], &[&name]].concat()).ok();
    }
    peers.both_accept("team/signed:1", true);

    // The name is signed, and the bytes are.
    push(&[], "team/signed:2");
    peers.both_accept("team/signed:2", false);
    peers.layout("store", "another");
    push(&[], "team/pushed:1");
    peers.both_accept("team/pushed:1", false);
    let as_other = ["--sign-identity", &peers.name("team/pushed:1")];
    let elsewhere = peers.name("team/staged:1");
    let signs = [
        &peers.signs()[..],
        &as_other,
        &["--store", &store, "app", &elsewhere],
    ]
    .concat();
    peers.ours("push", &signs).ok();
    peers.both_accept("team/staged:1", false);
}

/// Of an index, Skopeo judges the index and each of its images.
#[test]
fn an_index_that_is_signed_here_skopeo_accepts_with_all_its_images() {
    require_peers!("docker-registry", "skopeo", "gpg");
    let peers = Peers::new();
    let index = Index::of(vec![Image::small("one"), Image::small("two")]);
    index.write_layout(&peers.sandbox.path("index"), "both");
    let (store, name) = (peers.text("index"), peers.name("team/both:1"));
    peers
        .ours("push", &["--all", "--store", &store, "both", &name])
        .ok();
    let copied = |expected: bool| {
        let (from, to) = (
            format!("docker://{name}"),
            format!("dir:{}", peers.text("copied")),
        );
        let copy = ["copy", "--all", "--src-tls-verify=false", &from, &to];
        assert_eq!(peers.sandbox.skopeo().run(&copy).success, expected);
    };
    copied(false);
    peers.ours("sign", &[&peers.signs()[..], &[&name]].concat()).ok();
    copied(true);
    let signatures = fs::read_dir(peers.sandbox.path("sigs/team")).unwrap().count();
    assert_eq!(signatures, 3);
}

#[test]
fn what_skopeo_signs_while_it_copies_and_alone_is_accepted_here() {
    require_peers!("docker-registry", "skopeo", "gpg");
    let peers = Peers::new();
    let image = peers.layout("store", "one");
    let from = format!("oci:{}:app", peers.text("store"));
    let copy = |more: &[&str], name: &str| {
        let to = format!("docker://{}", peers.name(name));
        let all = [&["copy", "--dest-tls-verify=false"], more, &[&from, &to]].concat();
        peers.sandbox.skopeo().run(&all)
    };
    let signed = copy(&peers.signs(), "team/app:1");
    if signed.stderr.contains("signing is not supported") {
        return skip("this Skopeo was built without GnuPG");
    }
    signed.ok();
    peers.both_accept("team/app:1", true);
    // Ours come behind it.
    let name = peers.name("team/app:1");
    peers.ours("sign", &[&peers.signs()[..], &[&name]].concat()).ok();
    peers.both_accept("team/app:1", true);
    let held = |repository: &str| {
        let digest = image.manifest().digest().encoded();
        peers
            .sandbox
            .path(format!("sigs/team/{repository}@sha256={digest}"))
    };
    assert_eq!(fs::read_dir(held("app")).unwrap().count(), 2);

    copy(&[], "team/alone:1").ok();
    peers.both_accept("team/alone:1", false);
    let manifest = peers.sandbox.write("manifest.json", image.manifest().bytes());
    let (manifest, out) = (manifest.to_str().unwrap(), peers.text("signature"));
    let name = peers.name("team/alone:1");
    let alone = ["standalone-sign", manifest, &name, &peers.key, "-o", &out];
    peers.sandbox.skopeo().run(&alone).ok();
    fs::create_dir_all(held("alone")).unwrap();
    fs::copy(&out, held("alone").join("signature-1")).unwrap();
    peers.both_accept("team/alone:1", true);
    copy(&[], "team/alone:2").ok();
    peers.both_accept("team/alone:2", false);
}
