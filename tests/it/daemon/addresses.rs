//! Where a daemon is, and what is said if it is not there.

use std::{io::Write as _, net::TcpListener, os::unix::net::UnixListener, thread};

use wharf::{Client, Daemon, ErrorKind, store::Memory};
use wharf_testkit::{Sandbox, ScriptedDaemon, TestCa, skip};

use super::{answer, daemon};
use crate::program::command;

#[tokio::test]
async fn a_daemon_that_is_not_there_is_named_with_what_to_do() {
    let sandbox = Sandbox::new();
    let refusing = sandbox.path("refusing.sock");
    drop(UnixListener::bind(&refusing).unwrap()); // its file stays, and nobody listens
    let file = sandbox.write("file", "");
    let long = format!("/{}", "x".repeat(200));
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let missing = sandbox.path("missing.sock");
    for (address, part) in [
        (
            format!("unix://{}", missing.display()),
            "there is no such socket; start the daemon",
        ),
        (
            format!("unix://{}", refusing.display()),
            "nobody answers there; start the daemon",
        ),
        (format!("unix://{}", file.display()), "nobody answers there"),
        (format!("unix://{long}"), "cannot use the daemon at unix:///xxx"),
        (
            format!("http://{closed}"),
            "nobody answers there; start the daemon",
        ),
    ] {
        let daemon = Daemon::new(address.parse().unwrap());
        let error = daemon
            .get(&"app:1".parse().unwrap(), &Memory::new())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(daemon.writer().await.unwrap_err().to_string().contains(part));
    }
}

#[tokio::test]
async fn a_server_that_is_no_daemon_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for status in ["404 Not Found", "500 Oops"] {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let daemon = Daemon::new(format!("http://{address}").parse().unwrap());
    let error = daemon.writer().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("does not speak Docker's API"),
        "{error}"
    );
    assert_eq!(daemon.writer().await.unwrap_err().kind(), ErrorKind::Server);
}

/// The proxy of the environment is for registries; a socket of this machine has none.
#[tokio::test]
async fn no_proxy_stands_before_a_daemon() {
    let sandbox = Sandbox::new();
    for scripted in [
        ScriptedDaemon::at_socket(&sandbox.path("daemon"), "1.41", &[answer("404 Not Found", "")]),
        ScriptedDaemon::at_port("1.41", &[answer("404 Not Found", "")]),
    ] {
        let proxies = wharf::http::ProxySettings::default()
            .with_http("http://127.0.0.1:1")
            .unwrap();
        let client = Client::builder()
            .with_proxies(proxies)
            .with_daemon(daemon(&scripted))
            .build()
            .unwrap();
        let error = client.inspect("docker-daemon:app:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
}

#[tokio::test]
async fn a_daemon_behind_tls_wants_the_right_certificates() {
    let sandbox = Sandbox::new();
    let (ca, other, clients) = (TestCa::new(), TestCa::new(), TestCa::new());
    let config = ca
        .issue(&["127.0.0.1"])
        .server_config(&["h2", "http/1.1"], Some(&clients));
    let scripted = ScriptedDaemon::at_tls_port(
        config,
        "1.41",
        &[answer("404 Not Found", "{\"message\":\"none\"}")],
    );
    let client = clients.issue_client("client");
    let directory = |name: &str, authority: Option<&TestCa>, with_client: bool| {
        std::fs::create_dir_all(sandbox.path(name)).unwrap();
        if let Some(authority) = authority {
            sandbox.write(&format!("{name}/ca.pem"), authority.pem());
        }
        if with_client {
            client.write(
                &sandbox.path(format!("{name}/cert.pem")),
                &sandbox.path(format!("{name}/key.pem")),
            );
        }
        sandbox.path(name)
    };
    let host = || scripted.address().parse().unwrap();
    for (directory, kind) in [
        (directory("right", Some(&ca), true), ErrorKind::NotFound),
        (directory("no-authority", None, true), ErrorKind::Tls),
        (directory("other", Some(&other), true), ErrorKind::Tls),
        (directory("no-client", Some(&ca), false), ErrorKind::Tls),
    ] {
        let daemon = Daemon::new(host()).with_certificates(&directory).unwrap();
        let error = daemon
            .get(&"app:1".parse().unwrap(), &Memory::new())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{}: {error:?}", directory.display());
    }
    // The client is asked for a certificate that it has only half of, or no directory.
    sandbox.write("half/cert.pem", client.pem());
    for (name, kind, part) in [
        ("half", ErrorKind::Invalid, "cert.pem is there without"),
        ("absent", ErrorKind::NotFound, "there is no directory"),
    ] {
        let error = Daemon::new(host())
            .with_certificates(sandbox.path(name))
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let plain = Daemon::docker()
        .with_certificates(sandbox.path("right"))
        .unwrap_err();
    assert!(plain.to_string().contains("is not encrypted"), "{plain}");
}

/// A socket of another user, as Docker's is for who is not in its group. Root may open it in any case, so that root runs
/// the example as nobody.
#[test]
fn a_socket_that_may_not_be_opened_is_denied() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    let sandbox = Sandbox::new();
    let socket = sandbox.path("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let with_mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    with_mode(&socket, 0);
    with_mode(&sandbox.path("."), 0o755);
    let host = format!("--daemon-host=unix://{}", socket.display());
    for more in [&[][..], &["--config"], &["--raw"]] {
        let arguments = [&[&*host, "docker-daemon:app:1"], more].concat();
        let mut command = command(&sandbox, "inspect", &arguments);
        if rustix::process::getuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let output = match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return skip("nobody cannot run the examples in this directory");
            }
            output => output.unwrap(),
        };
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["docker.sock", "denied"] {
            assert!(said.to_lowercase().contains(part), "{said}");
        }
    }
}
