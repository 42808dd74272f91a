//! A registry of one image that answers with prepared bytes. It is outside the process that is measured.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use crate::image::Image;

/// The end of a request's head.
const END: &[u8] = b"\r\n\r\n";

/// Answers by path.
type Answers = HashMap<String, Vec<u8>>;

/// The registry. It serves until the process ends.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
}

impl Peer {
    pub(crate) fn start(image: &Image) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let answers = Arc::new(answers(image));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                // A client that goes away ends its thread.
                thread::spawn(move || serve(stream, &answers));
            }
        });
        Ok(Self { address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn answers(image: &Image) -> Answers {
    let answer = |media_type: &str, digest: &str, body: &[u8]| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\ndocker-content-digest: {digest}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        answer
    };
    let mut answers = Answers::new();
    answers.insert("/v2/".to_owned(), answer("application/json", "", b"{}"));
    let manifest = &image.manifest;
    let digest = manifest.digest().to_string();
    for name in [crate::works::TAG, &digest] {
        let body = answer(manifest.media_type().as_str(), &digest, manifest.bytes());
        answers.insert(format!("/v2/{}/manifests/{name}", crate::works::REPOSITORY), body);
    }
    for (digest, bytes) in &image.blobs {
        let digest = digest.to_string();
        let body = answer("application/octet-stream", &digest, bytes);
        answers.insert(format!("/v2/{}/blobs/{digest}", crate::works::REPOSITORY), body);
    }
    answers
}

fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if !head.ends_with(END) {
            continue;
        }
        let request = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let answer = match (method, answers.get(path)) {
            ("GET", Some(answer)) => answer.as_slice(),
            ("HEAD", Some(answer)) => {
                let end = answer.windows(END.len()).position(|window| window == END);
                answer
                    .get(..end.unwrap_or_default() + END.len())
                    .unwrap_or_default()
            }
            _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        };
        stream.write_all(answer)?;
    }
}
