//! Scripts over HTTP/2: what an origin's steps would put on the wire as HTTP/1.1 is said in frames
//! (RFC 9113). What has no frames is an error of the stream.

mod translate;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason, RecvStream, SendStream,
    server::{Builder, Connection, SendResponse},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Mutex, mpsc},
    task::JoinSet,
    time,
};

use self::translate::{Piece, Translator};
use super::{Origin, Step, rule::BodyUse, step::Wire};
use crate::Request;

/// How a connection ends when a script wants it.
#[derive(Debug, Clone, Copy)]
enum End {
    Cut,
    Reset,
    GoAway(u32),
}

/// The state that the streams of a connection share.
#[derive(Clone)]
struct Shared {
    origin: Origin,
    end: mpsc::UnboundedSender<End>,
    ping: Arc<Mutex<PingPong>>,
}

/// Answers requests until a script or the client ends the connection.
pub(super) async fn converse<W: Wire + 'static>(origin: Origin, stream: W) -> io::Result<()> {
    let mut settings = Builder::new();
    settings
        .initial_window_size(1 << 20)
        .max_send_buffer_size(16 << 20);
    if let Some(most) = origin.0.streams {
        settings.max_concurrent_streams(most);
    }
    let (linger, resets) = mpsc::unbounded_channel();
    let wire = Resettable { wire: stream, resets };
    let mut connection: Connection<_, Bytes> = settings.handshake(wire).await.map_err(io::Error::other)?;
    let ping = connection.ping_pong().expect("it is taken once");
    let (end, mut ended) = mpsc::unbounded_channel();
    let shared = Shared {
        origin,
        end,
        ping: Arc::new(Mutex::new(ping)),
    };
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted.map_err(io::Error::other)?;
                let shared = shared.clone();
                streams.spawn(async move {
                    // An error is the end of the stream, which the script or the client wanted.
                    let _ = shared.answer(request, respond).await;
                });
                while streams.try_join_next().is_some() {}
            }
            Some(end) = ended.recv() => match end {
                End::Cut => return Ok(()),
                End::Reset => {
                    let _ = linger.send(()); // the wire is there as long as the connection
                    return Ok(());
                }
                End::GoAway(0) => connection.graceful_shutdown(),
                End::GoAway(reason) => connection.abrupt_shutdown(Reason::from(reason)),
            },
        }
    }
}

impl Shared {
    async fn answer(
        self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        let (mut request, body) = head(request);
        let capture = &self.origin.0.capture;
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        let headers: String = request.headers.iter().map(line).collect();
        capture.received(format!("{} {}\r\n{headers}\r\n", request.method, request.target).as_bytes());
        let (reply, part) = self.origin.choose(&request);
        let limit = match part {
            BodyUse::Whole => usize::MAX,
            BodyUse::UpTo(count) => count,
        };
        let whole = self.read(body, limit, &mut request).await;
        capture.request(&request);
        whole?;
        let is_head = request.method == "HEAD";
        let steps = reply(request).await;
        let mut translator = Translator::new(is_head);
        let mut stream = None;
        for step in steps {
            if translator.is_done() {
                break; // what comes after an answer, and after one to HEAD, has no frames
            }
            let bytes = match step {
                Step::Send(bytes) => (bytes, 1),
                Step::Repeat(bytes, times) => (bytes, times),
                Step::Drip(bytes, every) => {
                    for byte in bytes {
                        time::sleep(every).await;
                        let pieces = translator.feed(&[byte]);
                        self.say(pieces, &mut respond, &mut stream).await?;
                    }
                    continue;
                }
                Step::Delay(time) => {
                    time::sleep(time).await;
                    continue;
                }
                Step::Wait(gate) => {
                    gate.notified().await;
                    continue;
                }
                Step::Tell(gate) => {
                    gate.notify_one();
                    continue;
                }
                Step::Stall => break,
                Step::Close => {
                    let pieces = translator.close();
                    self.say(pieces, &mut respond, &mut stream).await?;
                    continue;
                }
                Step::Cut => self.end(End::Cut).await,
                Step::Reset => self.end(End::Reset).await,
                Step::GoAway(0) => {
                    let _ = self.end.send(End::GoAway(0)); // the connection may be gone
                    continue;
                }
                Step::GoAway(reason) => self.end(End::GoAway(reason)).await,
                Step::ResetStream(reason) => {
                    self.flush().await;
                    match &mut stream {
                        Some(stream) => stream.send_reset(Reason::from(reason)),
                        None => respond.send_reset(Reason::from(reason)),
                    }
                    return Ok(());
                }
            };
            for _ in 0..bytes.1 {
                if translator.is_done() {
                    break;
                }
                let pieces = translator.feed(&bytes.0);
                self.say(pieces, &mut respond, &mut stream).await?;
            }
        }
        if translator.is_done() {
            return Ok(());
        }
        // What the script leaves open stays open until the client gives up.
        match &mut stream {
            Some(stream) => drop(poll_fn(|context| stream.poll_reset(context)).await),
            None => drop(poll_fn(|context| respond.poll_reset(context)).await),
        }
        Ok(())
    }

    async fn read(&self, mut body: RecvStream, limit: usize, request: &mut Request) -> Result<(), h2::Error> {
        while request.body.len() < limit {
            let Some(chunk) = body.data().await else {
                return Ok(());
            };
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            self.origin.0.capture.received(&chunk);
            let room = limit - request.body.len();
            request.body.extend_from_slice(&chunk[..room.min(chunk.len())]);
        }
        Ok(())
    }

    async fn say(
        &self,
        pieces: Vec<Piece>,
        respond: &mut SendResponse<Bytes>,
        stream: &mut Option<SendStream<Bytes>>,
    ) -> Result<(), h2::Error> {
        for piece in pieces {
            match (piece, stream.as_mut()) {
                (Piece::Provisional(head), _) => respond.send_informational(head)?,
                (Piece::Head(head, end), None) => *stream = Some(respond.send_response(head, end)?),
                (Piece::Data(bytes), Some(stream)) => self.send(stream, bytes).await?,
                (Piece::End, Some(stream)) => stream.send_data(Bytes::new(), true)?,
                (Piece::Nonsense | Piece::Head(..) | Piece::Data(_) | Piece::End, _) => {
                    respond.send_reset(Reason::PROTOCOL_ERROR);
                    return Err(Reason::PROTOCOL_ERROR.into());
                }
            }
        }
        Ok(())
    }

    /// Sends as the client's windows allow.
    async fn send(&self, stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
        while !bytes.is_empty() {
            stream.reserve_capacity(bytes.len());
            let room = poll_fn(|context| stream.poll_capacity(context)).await;
            let room = room.unwrap_or_else(|| Err(Reason::CANCEL.into()))?;
            let part = bytes.split_to(room.min(bytes.len()));
            self.origin.0.capture.sent(part.len());
            stream.send_data(part, false)?;
        }
        Ok(())
    }

    /// Ends the connection when everything said so far is on the wire. The stream must not end before it:
    /// that would be said in a frame of its own.
    async fn end(&self, end: End) -> ! {
        self.flush().await;
        let _ = self.end.send(end); // the connection may be gone
        std::future::pending().await
    }

    /// Frames are written in order, except that a ping may overtake: two answered ones overtake nothing. A
    /// client that answers no ping is not waited for.
    async fn flush(&self) {
        let mut ping = self.ping.lock().await;
        for _ in 0..2 {
            let answered = time::timeout(Duration::from_secs(1), ping.ping(Ping::opaque())).await;
            if !answered.is_ok_and(|answered| answered.is_ok()) {
                return;
            }
        }
    }
}

fn head(request: http::Request<RecvStream>) -> (Request, RecvStream) {
    let (parts, body) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        headers.push(("host".to_owned(), authority.to_string()));
    }
    headers.extend(
        parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value))),
    );
    let request = Request {
        method: parts.method.to_string(),
        target: parts
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string),
        headers,
        body: Vec::new(),
        http2: true,
    };
    (request, body)
}

/// A wire that can be told to end with a reset.
struct Resettable<W: Wire> {
    wire: W,
    resets: mpsc::UnboundedReceiver<()>,
}

impl<W: Wire> Drop for Resettable<W> {
    fn drop(&mut self) {
        if self.resets.try_recv().is_ok() {
            let _ = self.wire.socket().set_zero_linger(); // otherwise it ends in good order
        }
    }
}

impl<W: Wire> AsyncRead for Resettable<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(context, buffer)
    }
}

impl<W: Wire> AsyncWrite for Resettable<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}
