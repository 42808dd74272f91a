use std::{
    io::{BufRead as _, BufReader},
    process::Child,
    sync::mpsc,
    thread,
    time::Duration,
};

use super::Sandbox;

/// How long the program may take to listen.
const START: Duration = Duration::from_secs(60);

/// Podman's service, with the images of a [`Sandbox`], until it is dropped.
#[derive(Debug)]
pub struct PodmanService {
    child: Child,
    address: String,
}

impl PodmanService {
    /// Starts the service at a socket of the sandbox.
    pub fn start(sandbox: &Sandbox) -> Self {
        let address = format!("unix://{}", sandbox.path("podman.sock").display());
        let mut child =
            sandbox
                .podman()
                .spawn_with_log(&["--log-level=info", "system", "service", "--time=0", &address]);
        let stderr = child.stderr.take().expect("its output is a pipe");
        let (listening, started) = mpsc::channel();
        thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.push_str(&line);
                if line.contains("API service listening") {
                    listening.send(Ok(())).ok(); // once is enough
                }
            }
            listening.send(Err(log)).ok(); // nobody waits for the end of one that listens
        });
        let service = Self { child, address };
        match started.recv_timeout(START) {
            Ok(Ok(())) => service,
            other => panic!("podman does not listen: {other:?}"),
        }
    }

    /// The address, as `unix:///...`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for PodmanService {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
