use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time,
};
use tokio_rustls::server::TlsStream;

use super::capture::Capture;

/// One thing an origin does on a connection.
#[derive(Clone)]
pub enum Step {
    /// Sends these bytes.
    Send(Bytes),
    /// Sends these bytes so many times.
    Repeat(Bytes, u64),
    /// Sends these bytes one by one, with this pause before each.
    Drip(Bytes, Duration),
    /// Does nothing for this long.
    Delay(Duration),
    /// Waits until a test says so.
    Wait(Arc<Notify>),
    /// Tells a test that this point is reached.
    Tell(Arc<Notify>),
    /// Sends nothing more and keeps the connection open until the client closes it.
    Stall,
    /// Ends the connection in good order.
    Close,
    /// Ends the connection without TLS's goodbye: to a careful client, bytes are missing.
    Cut,
    /// Resets the connection.
    Reset,
    /// Resets the stream with this code of HTTP/2 (RFC 9113, section 7); the connection, over HTTP/1.1.
    ResetStream(u32),
    /// Says with this code of HTTP/2 that the connection ends: with code 0 when the streams that are open
    /// have ended, otherwise at once. Over HTTP/1.1 it ends in good order.
    GoAway(u32),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({})", bytes.len()),
            Self::Repeat(bytes, times) => write!(f, "Repeat({}, {times})", bytes.len()),
            Self::Drip(bytes, every) => write!(f, "Drip({}, {every:?})", bytes.len()),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::Wait(_) => f.write_str("Wait"),
            Self::Tell(_) => f.write_str("Tell"),
            Self::Stall => f.write_str("Stall"),
            Self::Close => f.write_str("Close"),
            Self::Cut => f.write_str("Cut"),
            Self::Reset => f.write_str("Reset"),
            Self::ResetStream(code) => write!(f, "ResetStream({code})"),
            Self::GoAway(code) => write!(f, "GoAway({code})"),
        }
    }
}

/// A connection, plain or encrypted, down to its socket.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    fn socket(&self) -> &TcpStream;

    /// Whether the client and this side agreed to speak HTTP/2.
    fn is_http2(&self) -> bool {
        false
    }
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn is_http2(&self) -> bool {
        self.get_ref().1.alpn_protocol() == Some(b"h2")
    }
}

/// Does the steps in order. An error is the connection's end, whoever ended it.
pub(super) async fn perform<W: Wire>(steps: Vec<Step>, wire: &mut W, capture: &Capture) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Send(bytes) => send(wire, &bytes, capture).await?,
            Step::Repeat(bytes, times) => {
                for _ in 0..times {
                    send(wire, &bytes, capture).await?;
                }
            }
            Step::Drip(bytes, every) => {
                for byte in &bytes {
                    time::sleep(every).await;
                    send(wire, &[*byte], capture).await?;
                }
            }
            Step::Delay(time) => time::sleep(time).await,
            Step::Wait(gate) => gate.notified().await,
            Step::Tell(gate) => gate.notify_one(),
            Step::Stall => return until_closed(wire, capture).await,
            Step::Close | Step::GoAway(_) => {
                wire.flush().await?;
                wire.shutdown().await?;
                // What the client still sends is read, so that the end does not become a reset.
                return until_closed(wire, capture).await;
            }
            Step::Cut => {
                wire.flush().await?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Step::Reset | Step::ResetStream(_) => {
                wire.flush().await?;
                wire.socket().set_zero_linger()?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
    wire.flush().await
}

async fn send<W: Wire>(wire: &mut W, bytes: &[u8], capture: &Capture) -> io::Result<()> {
    wire.write_all(bytes).await?;
    wire.flush().await?;
    capture.sent(bytes.len());
    Ok(())
}

async fn until_closed<W: Wire>(wire: &mut W, capture: &Capture) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        if wire.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        capture.received(&buffer);
    }
}
