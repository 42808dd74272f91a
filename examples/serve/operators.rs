//! The address for operators: /metrics, /healthz and /readyz.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use wharf_registry::{Metrics, Readiness, Registry};

use crate::mistakes;

/// Connections at a time; one more ends the oldest.
const MAX_OPEN: usize = 16;
/// How long one may take in all.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a connection is accepted after that failed, as it does while files have run out.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head.
const MAX_HEAD: usize = 8 * 1024;

/// The answers to operators.
#[derive(Clone)]
pub(crate) struct Operators {
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Registry,
}

impl Operators {
    /// Serves them until the program ends.
    pub(crate) async fn serve(self, address: SocketAddr) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| mistakes::listening(&error, address, "--metrics"))?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            let mut open = VecDeque::<AbortHandle>::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                open.retain(|task| !task.is_finished());
                if open.len() >= MAX_OPEN
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                let operators = self.clone();
                let answered = async move { operators.answer(stream).await };
                open.push_back(tokio::spawn(tokio::time::timeout(TIMEOUT, answered)).abort_handle());
            }
        });
        Ok(address)
    }

    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Some(head) = head(&mut stream).await? else {
            return Ok(());
        };
        let mut words = head.split(|byte| matches!(byte, b' ' | b'\r'));
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let (status, body) = match (method, path) {
            (_, b"/metrics" | b"/healthz" | b"/readyz") if !matches!(method, b"GET" | b"HEAD") => {
                ("405 Method Not Allowed", String::new())
            }
            (_, b"/metrics") => ("200 OK", self.metrics.text(&self.registry)),
            (_, b"/healthz") => ("200 OK", "ok\n".to_owned()), // it answers
            (_, b"/readyz") => match self.readiness.check() {
                Ok(()) => ("200 OK", "ok\n".to_owned()),
                Err(reason) => ("503 Service Unavailable", format!("{reason}\n")),
            },
            _ => ("404 Not Found", String::new()),
        };
        let more = match status.get(..3) {
            Some("405") => "Allow: GET, HEAD\r\n",
            Some("503") => "Retry-After: 30\r\n",
            _ => "",
        };
        let length = body.len();
        let body = if method == b"HEAD" { "" } else { body.as_str() };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n{more}\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}

/// The head of a request; `None` if it ends too early or is too long.
async fn head(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
        if head.windows(4).any(|window| window == b"\r\n\r\n") {
            return Ok(Some(head));
        }
    }
    Ok(None)
}
