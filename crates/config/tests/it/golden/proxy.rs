//! A proxy that stands for every registry: it refuses TLS, finds no image, and remembers who was asked.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub(crate) struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Serves until the process ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&proxy.seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(&stream, &seen));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who was asked, in order: `https HOST` for hosts that were left when TLS failed, `http HOST PATH` for
    /// those that were then asked for a manifest or tags over plain http.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for event in self.seen.lock().unwrap().iter() {
            let host = event.split(' ').nth(1);
            let last_is_tls = hosts
                .last()
                .is_some_and(|event| event.starts_with("https ") && event.split(' ').nth(1) == host);
            if last_is_tls {
                hosts.pop(); // the same host once more, or now over http
            }
            hosts.push(event.clone());
        }
        hosts
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut stream = stream;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        let mut header = String::new();
        while reader.read_line(&mut header).is_ok_and(|read| read > 2) {
            header.clear();
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let answer = if method == "CONNECT" {
            let host = target.trim_end_matches(":443");
            seen.lock().unwrap().push(format!("https {host}"));
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        } else if target.ends_with("/v2/") {
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        } else {
            let url = target.trim_start_matches("http://");
            let (host, path) = url.split_once("/v2/").unwrap_or((url, ""));
            let path = path.split("/manifests/").next().unwrap_or_default();
            let path = path.split("/tags/").next().unwrap_or_default();
            seen.lock().unwrap().push(format!("http {host} {path}"));
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 70\r\n\r\n\
             {\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]} "
        };
        if stream.write_all(answer.as_bytes()).is_err() || method == "CONNECT" {
            return;
        }
        line.clear();
    }
}
