//! A daemon that answers what a test writes, on a socket of this machine or a port of loopback.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The way in which a daemon treats a request.
#[derive(Debug, Clone)]
pub enum DaemonAct {
    /// Reads the body to its end.
    Receive,
    /// Reads this many bytes of the body at least.
    ReceiveSome(usize),
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends these bytes until nobody reads them.
    SendForEver(Vec<u8>),
    /// Keeps the connection open until the client closes it.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct DaemonRequest {
    /// The line and the headers.
    pub head: String,
    /// The body, without its framing in chunks.
    pub body: Vec<u8>,
    /// True if the body ended as the protocol says.
    pub is_whole: bool,
}

/// A daemon that states its version to `/_ping`, and follows a script for every other request. It stops with the test.
pub struct ScriptedDaemon {
    address: String,
    requests: mpsc::Receiver<DaemonRequest>,
}

impl ScriptedDaemon {
    /// At a socket in this directory.
    pub fn at_socket(directory: &Path, version: &str, script: &[DaemonAct]) -> Self {
        fs::create_dir_all(directory).expect("a folder");
        let path = directory.join("daemon.sock");
        fs::remove_file(&path).ok(); // that of another one
        let listener = UnixListener::bind(&path).expect("a socket");
        let accept = move || listener.accept().map(|(stream, _)| stream);
        Self::start(format!("unix://{}", path.display()), accept, version, script)
    }

    /// At a port of loopback.
    pub fn at_port(version: &str, script: &[DaemonAct]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("a port"));
        let accept = move || listener.accept().map(|(stream, _)| stream);
        Self::start(address, accept, version, script)
    }

    /// At a port of loopback, behind TLS.
    pub fn at_tls_port(config: Arc<ServerConfig>, version: &str, script: &[DaemonAct]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("tcp://{}", listener.local_addr().expect("a port"));
        let accept = move || {
            let (stream, _) = listener.accept()?;
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            Ok(StreamOwned::new(connection, stream))
        };
        Self::start(address, accept, version, script)
    }

    fn start<S: Read + Write + Send + 'static>(
        address: String,
        mut accept: impl FnMut() -> io::Result<S> + Send + 'static,
        version: &str,
        script: &[DaemonAct],
    ) -> Self {
        let (sender, requests) = mpsc::channel();
        let (version, script) = (version.to_owned(), Arc::new(script.to_vec()));
        thread::spawn(move || {
            while let Ok(stream) = accept() {
                let (sender, version, script) = (sender.clone(), version.clone(), Arc::clone(&script));
                thread::spawn(move || {
                    Connection(io::BufReader::new(stream)).serve(&version, &script, &sender);
                });
            }
        });
        Self { address, requests }
    }

    /// The address, as `unix:///...` or `http://...`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next request that was no ping, when its script is done. Waits for it.
    pub fn request(&self) -> DaemonRequest {
        self.requests.recv().expect("the daemon runs")
    }
}

impl fmt::Debug for ScriptedDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedDaemon")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

struct Connection<S>(io::BufReader<S>);

impl<S: Read + Write> Connection<S> {
    fn serve(mut self, version: &str, script: &[DaemonAct], requests: &mpsc::Sender<DaemonRequest>) {
        while let Some(head) = self.head() {
            if head.contains("/_ping ") {
                let version = if version.is_empty() {
                    String::new()
                } else {
                    format!("Api-Version: {version}\r\n")
                };
                let pong = format!("HTTP/1.1 200 OK\r\n{version}Content-Length: 2\r\n\r\nOK");
                if self.send(pong.as_bytes()).is_err() {
                    return;
                }
                continue;
            }
            let mut request = DaemonRequest {
                head,
                ..DaemonRequest::default()
            };
            for act in script {
                self.act(act, &mut request);
            }
            requests.send(request).ok(); // the test may be over
            return;
        }
    }

    fn act(&mut self, act: &DaemonAct, request: &mut DaemonRequest) {
        match act {
            DaemonAct::Receive => {
                request.is_whole = self.receive(&mut request.body, usize::MAX).unwrap_or(false);
            }
            DaemonAct::ReceiveSome(least) => {
                self.receive(&mut request.body, *least); // as much as comes
            }
            DaemonAct::Send(bytes) => {
                self.send(bytes).ok(); // the client may have enough
            }
            DaemonAct::SendForEver(bytes) => while self.send(bytes).is_ok() {},
            DaemonAct::Hang => {
                io::copy(&mut self.0, &mut io::sink()).ok(); // until it is closed
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)?;
        self.0.get_mut().flush()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        io::BufRead::read_line(&mut self.0, &mut line).ok()?;
        (!line.is_empty()).then_some(line)
    }

    fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.trim().is_empty() {
                return Some(head);
            }
            head.push_str(&line);
        }
    }

    /// Reads chunks; whether the last one came.
    fn receive(&mut self, body: &mut Vec<u8>, least: usize) -> Option<bool> {
        while body.len() < least {
            let size = usize::from_str_radix(self.line()?.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk).ok()?;
            chunk.truncate(size);
            body.extend_from_slice(&chunk);
            if size == 0 {
                return Some(true);
            }
        }
        Some(false)
    }
}
