//! What cannot be served, and how it is said.

use std::path::Path;

use wharf_testkit::{Sandbox, TestCa};

use super::Serve;
use crate::program::start_in_vain;

#[test]
fn wrong_flags_are_wrong_usage() {
    let sandbox = Sandbox::new();
    for (arguments, parts) in [
        (
            ["--root", "root", "--nope"].as_slice(),
            ["--nope", "--help"].as_slice(),
        ),
        (&["--root", "root", "--no-deletes"], &["--no-delete"]), // what was meant
        (&["--listen", "127.0.0.1:0"], &["--root"]),
        (
            &["--root", "root", "--listen", "nowhere"],
            &["--listen", "127.0.0.1:5000"],
        ),
        (
            &["--root", "root", "--listen", "localhost"],
            &["an IP address and a port"],
        ),
        (
            &["--root", "root", "--listen", "1.2.3.4:99999"],
            &["an IP address and a port"],
        ),
        (&["--root", "root", "--metrics", "9090"], &["--metrics", "a port"]),
        (&["--root", "root", "--tls-cert", "cert.pem"], &["--tls-key"]),
        (&["--root", "root", "--tls-key", "key.pem"], &["--tls-cert"]),
        (&["--root", "root", "--anonymous-pull"], &["--htpasswd"]),
        (
            &["--root", "root", "--token-keys", "keys.json"],
            &["--token-realm", "--token-issuer"],
        ),
        (
            &["--root", "root", "--token-realm", "https://x"],
            &["--token-keys"],
        ),
        (&["--root", "root", "--quota", "1G"], &["--quota", "1G"]),
        (&["--root", "root", "--log", "loud"], &["off", "plain", "json"]),
        (
            &["--root", "root", "--external-url", "registry.example"],
            &["https://registry.example.com"],
        ),
        (
            &["--root", "root", "--external-url", "https://registry.example/v2/"],
            &["scheme, host and port"],
        ),
        (
            &[
                "--root",
                "root",
                "--external-url",
                "https://ada:x@registry.example",
            ],
            &["scheme, host and port"],
        ),
    ] {
        start_in_vain(&sandbox, "serve", arguments).fails(2, parts);
        assert!(!sandbox.path("root").exists());
    }
}

#[test]
fn what_may_not_have_been_meant_is_said() {
    const CLEAR: &str = "pass in clear";
    const REALM: &str = "--external-url";
    let sandbox = Sandbox::new();
    let users = ["--htpasswd", "htpasswd"];
    let tokens = ["--htpasswd", "htpasswd", "--tokens"];
    for (listen, flags, warnings) in [
        ("0.0.0.0:0", &[] as &[&str], &["may push and delete"] as &[&str]),
        ("0.0.0.0:0", &users, &[CLEAR]),
        ("0.0.0.0:0", &["--read-only"], &[]),
        ("127.0.0.1:0", &[], &[]),
        ("127.0.0.1:0", &tokens, &[]),
        ("0.0.0.0:0", &tokens, &[CLEAR, REALM]),
        (
            "0.0.0.0:0",
            &[&tokens[..], &["--external-url", "https://registry.example"]].concat(),
            &[CLEAR],
        ),
        (
            "127.0.0.1:0",
            &[&tokens[..], &["--external-url", "http://0.0.0.0:5000"]].concat(),
            &[REALM],
        ),
        (
            "127.0.0.1:0",
            &[&tokens[..], &["--external-url", "http://[::]:5000"]].concat(),
            &[REALM],
        ),
        (
            "127.0.0.1:0",
            &[&users[..], &["--external-url", "http://0.0.0.0:5000"]].concat(),
            &[],
        ),
    ] {
        sandbox.write("htpasswd", "");
        let serve = Serve::start_at(&sandbox, &[&["--listen", listen], flags].concat());
        serve.signal("TERM");
        let said = serve.said.iter().collect::<Vec<_>>(); // until its end
        assert_eq!(said.len(), warnings.len(), "{said:?}");
        for (line, warning) in said.iter().zip(warnings) {
            assert!(line.contains(warning), "{line}");
        }
        serve.ended_well();
    }
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "x");
    sandbox.write("other/file", "x");
    sandbox.write("apr1", "# people\nada:$apr1$Qi0RwJ5B$4nxXfyVvY8k4vXa6bYJcR1\n");
    sandbox.write("keys.json", "{\"keys\":[]}");
    let ca = TestCa::new();
    let (one, two) = (ca.issue(&["127.0.0.1"]), ca.issue(&["127.0.0.1"]));
    one.write(&sandbox.path("cert.pem"), Path::new("/dev/null"));
    two.write(Path::new("/dev/null"), &sandbox.path("key.pem"));
    let serve = Serve::start(&sandbox, &[]);
    let taken = serve.name();
    let keys = [
        "--token-realm",
        "https://x",
        "--token-issuer",
        "x",
        "--token-service",
        "x",
    ];
    let keys = |file: &'static str| [&["--root", "new", "--token-keys", file][..], &keys].concat();
    let tls = |cert, key| vec!["--root", "new", "--tls-cert", cert, "--tls-key", key];
    for (arguments, parts) in [
        (
            vec!["--root", "file"],
            ["file is a file", "--root is a directory"].as_slice(),
        ),
        (
            vec!["--root", "file/root"],
            &["file is a file", "choose another --root"],
        ),
        (
            vec!["--root", "other"],
            &[
                "other is not an OCI image layout and not empty",
                "choose another directory with --root",
            ],
        ),
        (
            vec!["--root", "root"],
            &["another process", "choose another directory with --root"],
        ),
        (
            vec!["--root", "new", "--htpasswd", "missing"],
            &["cannot read missing"],
        ),
        (
            vec!["--root", "new", "--htpasswd", "file"],
            &["file: line 1", "name:hash"],
        ),
        (
            vec!["--root", "new", "--htpasswd", "apr1"],
            &["apr1: line 2", "htpasswd -B"],
        ),
        (keys("missing"), &["cannot read missing"]),
        (keys("file"), &["file: not a JSON Web Key Set"]),
        (keys("keys.json"), &["keys.json: no key", "kid"]),
        (tls("cert.pem", "missing"), &["cannot read missing"]),
        (tls("cert.pem", "other"), &["cannot read other"]),
        (tls("cert.pem", "file"), &["cert.pem and file", "private key"]),
        (tls("file", "key.pem"), &["file and key.pem", "no certificate"]),
        (
            tls("key.pem", "cert.pem"),
            &["key.pem and cert.pem", "no certificate"],
        ),
        (
            tls("cert.pem", "key.pem"),
            &["cert.pem and key.pem", "do not belong together"],
        ),
        (
            vec!["--root", "new", "--upstream", "not a name"],
            &["invalid upstream", "not a name"],
        ),
        (
            vec!["--root", "new", "--listen", taken],
            &[taken, "another program listens there", "--listen"],
        ),
        (
            vec!["--root", "new", "--metrics", taken],
            &[taken, "another program listens there", "--metrics"],
        ),
        (
            vec!["--root", "new", "--listen", "192.0.2.1:5000"],
            &["192.0.2.1:5000", "this machine does not have the address"],
        ),
    ] {
        let listen: &[&str] = if arguments.contains(&"--listen") {
            &[]
        } else {
            &["--listen", "127.0.0.1:0"]
        };
        let vain = start_in_vain(&sandbox, "serve", &[&arguments, listen].concat());
        assert_eq!(vain.stderr.lines().count(), 1, "{arguments:?}: {vain:?}");
        assert_eq!(vain.stdout, "");
        vain.fails(1, &[&["serve: "], parts].concat());
    }
}
