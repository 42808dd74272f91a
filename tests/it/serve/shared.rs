//! Several processes over one database and one store.

use std::{fs, io::Write as _, thread};

use wharf_testkit::{PostgreSql, Sandbox, require_peers, sha256};

use super::{AUTHORIZATION, Reply, Serve, ask, head, users};
use crate::program::start_in_vain;

/// A database and a store, and the processes over them.
struct Cluster {
    sandbox: Sandbox,
    flags: Vec<String>,
    processes: Vec<Serve>,
}

impl Cluster {
    fn start(processes: usize, flags: &[&str]) -> Self {
        let server = PostgreSql::shared();
        Self::over(&server.socket_url(&server.create_database()), processes, flags)
    }

    /// A cluster over the database at this URL.
    fn over(database: &str, processes: usize, flags: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("database", database);
        let store = format!("file://{}", sandbox.path("store").display());
        let engines = [
            "--store",
            &store,
            "--database",
            "@database",
            "--listen",
            "127.0.0.1:0",
        ];
        let mut cluster = Self {
            flags: engines
                .iter()
                .chain(flags)
                .map(|flag| (*flag).to_owned())
                .collect(),
            sandbox,
            processes: Vec::new(),
        };
        for _ in 0..processes {
            let process = cluster.another();
            cluster.processes.push(process);
        }
        cluster
    }

    fn another(&self) -> Serve {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Serve::with(&self.sandbox, &flags)
    }

    /// Kills a process as a machine does that fails, and starts another in its place.
    fn replace(&mut self, process: usize) {
        self.processes[process].signal("KILL");
        self.processes[process] = self.another();
    }
}

fn header<'r>(reply: &'r Reply, wanted: &str) -> Option<&'r str> {
    let mut headers = reply.head.lines().filter_map(|line| line.split_once(": "));
    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| value)
}

/// The path in an answer's `Location`.
fn location(reply: &Reply) -> String {
    let location = header(reply, "location").expect("a location");
    let (_, path) = location.split_once("/v2/").expect("a path");
    format!("/v2/{path}")
}

fn manifest(config: &str, size: usize) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":{size}}},"layers":[]}}"#
    )
}

#[test]
fn an_upload_goes_through_all_processes_and_is_seen_by_each() {
    require_peers!("postgres", "psql");
    let cluster = Cluster::start(3, &[]);
    let [one, two, three] = &cluster.processes[..] else {
        panic!("three processes");
    };
    let begun = one.ask("POST", "/v2/lib/app/blobs/uploads/", b"");
    assert_eq!(begun.status, 202);
    let mut session = location(&begun);
    for (process, bytes) in [(one, b"first "), (two, b"second"), (three, b" third")] {
        let reply = process.ask("PATCH", &session, bytes);
        assert_eq!(reply.status, 202, "{reply:?}");
        session = location(&reply);
    }
    let status = one.ask("GET", &session, b"");
    assert_eq!(header(&status, "range"), Some("0-17"), "{status:?}");
    let digest = sha256(b"first second third").to_string();
    let separator = if session.contains('?') { '&' } else { '?' };
    let closed = two.ask("PUT", &format!("{session}{separator}digest={digest}"), b"");
    assert_eq!(closed.status, 201, "{closed:?}");
    let document = manifest(&digest, 18);
    let tagged = three.ask("PUT", "/v2/lib/app/manifests/v1", document.as_bytes());
    assert_eq!(tagged.status, 201, "{tagged:?}");
    for process in &cluster.processes {
        let blob = process.ask("GET", &format!("/v2/lib/app/blobs/{digest}"), b"");
        assert_eq!((blob.status, blob.body.as_str()), (200, "first second third"));
        assert_eq!(process.ask("GET", "/v2/lib/app/manifests/v1", b"").body, document);
        let tags = process.ask("GET", "/v2/lib/app/tags/list", b"");
        assert_eq!(tags.body, r#"{"name":"lib/app","tags":["v1"]}"#);
    }
    assert_eq!(one.ask("DELETE", "/v2/lib/app/manifests/v1", b"").status, 202);
    for process in &cluster.processes {
        assert_eq!(process.ask("GET", "/v2/lib/app/manifests/v1", b"").status, 404);
    }
}

/// Clients push through all processes in turn, while the processes are killed one after the other: what was
/// acknowledged is there, in each.
#[test]
fn what_was_acknowledged_outlives_the_process_that_acknowledged_it() {
    require_peers!("postgres", "psql");
    let mut cluster = Cluster::start(3, &[]);
    let mut acknowledged = Vec::new();
    for round in 0..3_usize {
        let names: Vec<&str> = cluster.processes.iter().map(Serve::name).collect();
        thread::scope(|scope| {
            let pushes: Vec<_> = (0..6_usize)
                .map(|number| {
                    let names = &names;
                    scope.spawn(move || push(names, round, number))
                })
                .collect();
            acknowledged.extend(pushes.into_iter().map(|push| push.join().expect("a push")));
        });
        // An upload is under way in the process that is killed, and goes on in another.
        let begun = cluster.processes[round].ask("POST", "/v2/lib/app/blobs/uploads/", b"");
        let session = location(&cluster.processes[round].ask("PATCH", &location(&begun), b"half "));
        cluster.replace(round);
        let other = &cluster.processes[(round + 1) % 3];
        let whole = format!("half {round}");
        let separator = if session.contains('?') { '&' } else { '?' };
        let path = format!("{session}{separator}digest={}", sha256(whole.as_bytes()));
        let closed = other.ask("PUT", &path, round.to_string().as_bytes());
        assert_eq!(closed.status, 201, "{closed:?}");
    }
    for process in &cluster.processes {
        for (path, document) in &acknowledged {
            assert_eq!(process.ask("GET", path, b"").body, *document);
        }
    }
}

/// A session that a process has begun, and of which it has answered for 9 bytes.
fn begin(process: &Serve) -> String {
    let begun = process.ask("POST", "/v2/lib/app/blobs/uploads/", b"");
    let answered = process.ask("PATCH", &location(&begun), b"answered ");
    assert_eq!(answered.status, 202, "{answered:?}");
    location(&answered)
}

/// Goes on with a session from where it is, until it has all of this.
fn finish(process: &Serve, session: &str, whole: &[u8]) {
    let status = process.ask("GET", session, b"");
    assert_eq!(status.status, 204, "{status:?}");
    let last = header(&status, "range").and_then(|range| range.strip_prefix("0-"));
    let last: usize = last.expect("a range").parse().expect("a number");
    assert!(last >= 8, "what was answered is there: {status:?}");
    let rest = process.ask("PATCH", session, &whole[last + 1..]);
    assert_eq!(rest.status, 202, "{rest:?}");
    let session = location(&rest);
    let separator = if session.contains('?') { '&' } else { '?' };
    let close = format!("{session}{separator}digest={}", sha256(whole));
    assert_eq!(process.ask("PUT", &close, b"").status, 201);
    let blob = process.ask("GET", &format!("/v2/lib/app/blobs/{}", sha256(whole)), b"");
    assert_eq!(blob.body.as_bytes(), whole);
}

#[test]
fn a_process_that_is_told_to_end_answers_the_part_under_way_and_another_goes_on() {
    require_peers!("postgres", "psql");
    let mut cluster = Cluster::start(2, &[]);
    let session = begin(&cluster.processes[0]);
    let mut busy = cluster.processes[0].half_a_request("PATCH", &session);
    cluster.processes[0].signal("TERM");
    busy.write_all(b"second").expect("the other half");
    let answer = head(&mut busy);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("range: 0-20\r\n"),
        "{answer}"
    );
    cluster.processes.remove(0).ended_well();
    finish(
        &cluster.processes[0],
        &session,
        b"answered first second, and the rest",
    );
}

/// Of a part that was not answered the session has as much as was recorded: the client asks, and loses nothing.
#[test]
fn a_part_that_a_process_gave_up_at_its_end_is_sent_again_to_another() {
    require_peers!("postgres", "psql");
    for signal in ["TERM", "KILL"] {
        let mut cluster = Cluster::start(2, &["--drain", "1"]);
        let session = begin(&cluster.processes[0]);
        let busy = cluster.processes[0].half_a_request("PATCH", &session);
        cluster.processes[0].signal(signal);
        let ending = cluster.processes.remove(0);
        if signal == "TERM" {
            ending.says("gave up on requests that are still running");
            ending.ended_well();
        }
        drop(busy);
        finish(
            &cluster.processes[0],
            &session,
            b"answered first second, and the rest",
        );
    }
}

#[test]
fn a_database_that_goes_away_and_comes_back_is_told_once_each_without_its_password() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().start();
    let url = server.tcp_url(&server.create_database()) + "&sslmode=disable";
    let cluster = Cluster::over(&url, 1, &["--metrics", "127.0.0.1:0"]);
    let process = &cluster.processes[0];
    let metrics = process.metrics();
    let ready = || ask(&metrics, "GET", "/readyz", "", b"");
    let tells = |sample: &str| {
        let text = ask(&metrics, "GET", "/metrics", "", b"").body;
        assert!(text.lines().any(|line| line == sample), "{sample}\n{text}");
    };
    assert_eq!(ready().status, 200);
    tells("wharf_backend_reachable 1");
    server.kill();
    let away = process.says("serve: not ready: ");
    assert!(away.contains("the storage does not answer: PostgreSQL"), "{away}");
    let reason = ready();
    assert_eq!(reason.status, 503, "{reason:?}");
    tells("wharf_backend_reachable 0");
    assert!(
        !format!("{away}{}", reason.body).contains(PostgreSql::PASSWORD),
        "{away}"
    );
    assert_eq!(process.ask("GET", "/v2/lib/app/tags/list", b"").status, 503);
    server.start_again();
    process.says("serve: ready: the storage answers again");
    assert_eq!(ready().status, 200);
    tells("wharf_backend_reachable 1");
    let more: Vec<String> = process.said.try_iter().collect();
    assert_eq!(
        more.iter().filter(|line| line.contains("ready")).count(),
        0,
        "{more:?}"
    );
}

/// Pushes an image of one blob, each request to the next process.
fn push(names: &[&str], round: usize, number: usize) -> (String, String) {
    let request = |count: usize, method: &str, path: &str, body: &[u8]| {
        let name = names[(round + number + count) % names.len()];
        ask(name, method, path, AUTHORIZATION, body)
    };
    let repository = format!("/v2/lib/app{}", number % 2);
    let bytes = format!("blob {round} {number}");
    let digest = sha256(bytes.as_bytes()).to_string();
    let path = format!("{repository}/blobs/uploads/?digest={digest}");
    let pushed = request(0, "POST", &path, bytes.as_bytes());
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let document = manifest(&digest, bytes.len());
    let path = format!("{repository}/manifests/v{round}.{number}");
    let pushed = request(1, "PUT", &path, document.as_bytes());
    assert_eq!(pushed.status, 201, "{pushed:?}");
    assert_eq!(request(2, "GET", &path, b"").body, document);
    (path, document)
}

/// A token that one process has issued is as good for the others, and so is its revocation.
#[test]
fn a_token_counts_in_all_processes_until_one_revokes_it() {
    require_peers!("postgres", "psql", "htpasswd");
    let mut cluster = Cluster::start(0, &["--htpasswd", "htpasswd", "--tokens"]);
    users(&cluster.sandbox);
    cluster.processes = (0..2).map(|_| cluster.another()).collect();
    let [one, other] = &cluster.processes[..] else {
        panic!("two processes");
    };
    let token = |process: &Serve| {
        let reply = process.ask("GET", "/token?scope=repository:lib/app:pull,push", b"");
        assert_eq!(reply.status, 200, "{reply:?}");
        let token: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
        format!("Bearer {}", token["token"].as_str().expect("a token"))
    };
    let begin = |process: &Serve, token: &str| {
        ask(process.name(), "POST", "/v2/lib/app/blobs/uploads/", token, b"").status
    };
    let first = token(one);
    assert_eq!((begin(one, &first), begin(other, &first)), (202, 202));
    one.signal("HUP");
    one.says("again");
    let second = token(other);
    assert_eq!((begin(one, &second), begin(other, &second)), (202, 202));
    assert_eq!(begin(one, &first), 401);
    assert_eq!(
        begin(other, &first),
        401,
        "it has asked for the key when it issued one"
    );
}

#[test]
fn engines_that_cannot_be_used_are_told_without_a_password() {
    require_peers!("postgres", "psql");
    let sandbox = Sandbox::new();
    let server = PostgreSql::shared();
    let url = server.socket_url(&server.create_database());
    let new = server.socket_url(&server.create_database());
    sandbox.write("file", "a file");
    let store = format!("file://{}", sandbox.path("store").display());
    let on_file = format!("file://{}", sandbox.path("file/store").display());
    let away = "postgres://ada:correct-horse@127.0.0.1:1/registry?connect_timeout=1&sslmode=disable";
    let first = Serve::with(
        &sandbox,
        &["--store", &store, "--database", &url, "--listen", "127.0.0.1:0"],
    );
    drop(first);
    for (flags, code, parts) in [
        (["--store", &store].as_slice(), 2, ["--database"].as_slice()),
        (&["--database", &url], 2, &["--store"]),
        (
            &["--store", &store, "--database", &url, "--root", "root"],
            2,
            &["--root"],
        ),
        (&["--root", "root", "--no-migrate"], 2, &["--database"]),
        (
            &["--store", "root", "--database", &url],
            1,
            &["does not begin with", "file://"],
        ),
        (
            &["--store", "ftp://host/x", "--database", &url],
            1,
            &["the scheme is unknown"],
        ),
        (
            &["--store", &on_file, "--database", &url],
            1,
            &["cannot be opened"],
        ),
        (
            &["--store", &store, "--database", "mysql://db/x"],
            1,
            &["postgres://"],
        ),
        (
            &["--store", &store, "--database", "@none"],
            1,
            &["cannot read --database from none"],
        ),
        (&["--store", &store, "--database", away], 1, &["127.0.0.1:1"]),
        (
            &["--store", &store, "--database", &new, "--no-migrate"],
            1,
            &["let one process migrate them"],
        ),
        (
            &["--store", &store, "--database", &new],
            1,
            &["another registry's"],
        ),
    ] {
        let ended = start_in_vain(&sandbox, "serve", &[&["--listen", "127.0.0.1:0"], flags].concat());
        assert!(!ended.stderr.contains("correct-horse"), "{}", ended.stderr);
        ended.fails(code, parts);
    }
    assert!(fs::exists(sandbox.path("store/v1/format")).expect("a store"));
}

#[test]
fn a_check_tells_by_its_status_whether_something_is_damaged() {
    require_peers!("postgres", "psql");
    let cluster = Cluster::start(1, &[]);
    let digest = sha256(b"a layer").to_string();
    let begun = cluster.processes[0].ask("POST", "/v2/lib/app/blobs/uploads/", b"");
    let session = location(&begun);
    let separator = if session.contains('?') { '&' } else { '?' };
    let close = format!("{session}{separator}digest={digest}");
    assert_eq!(cluster.processes[0].ask("PUT", &close, b"a layer").status, 201);
    let flags = cluster.flags.iter().map(String::as_str);
    let flags: Vec<&str> = flags.chain(["--fsck", "--fsck-hash", "1"]).collect();
    let whole = start_in_vain(&cluster.sandbox, "serve", &flags);
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    assert!(
        whole.stdout.ends_with("1 hashed: 0 damaged, 0 notes\n"),
        "{}",
        whole.stdout
    );
    fs::remove_dir_all(cluster.sandbox.path("store/v1/data")).expect("objects");
    let damaged = start_in_vain(&cluster.sandbox, "serve", &flags);
    assert_eq!(damaged.code, Some(4), "{}{}", damaged.stdout, damaged.stderr);
    assert!(
        damaged.stdout.starts_with("damaged: content sha256:"),
        "{}",
        damaged.stdout
    );
}
