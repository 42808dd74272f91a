//! A link between a client and a server: a TCP relay that delays and paces what passes, and counts it.
//!
//! Each direction of a connection has a thread that reads and one that writes, since a thread's sleep is exact to some
//! 60 microseconds where a runtime's timers tick in milliseconds. A piece of data leaves when the pieces before it have
//! left at the link's rate, and arrives half a round trip later; both are computed from the time it came, so errors do
//! not add up. The handshake takes its round trip too: a new connection's first bytes leave one round trip late. What is
//! not simulated: loss, slow start, and other traffic.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::protocol::Protocol;

/// The most that is read at once: 1.3 ms at 25 MB/s.
const PIECE: usize = 32 * 1024;
/// The most pieces on their way in one direction: 8 MB, several times what the links here hold.
const IN_FLIGHT: usize = 256;

/// What a link does to what passes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shape {
    /// From a question to the first byte of its answer.
    pub round_trip: Duration,
    /// Bytes a second, of each connection, each way; `None` for as fast as it can.
    pub rate: Option<u64>,
}

/// What has passed a link.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traffic {
    /// Requests in the order of their arrival, as the link's [`Protocol`] has them.
    pub requests: Vec<String>,
    /// Connections.
    pub connections: u64,
    /// Bytes to the server.
    pub up: u64,
    /// Bytes from it.
    pub down: u64,
}

/// A running relay. Dropped, it accepts no more connections; those that are open go on to their end.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<String>>,
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    closed: AtomicBool,
}

impl Link {
    /// A relay to `server` on a free port of the loopback address.
    pub fn start(server: SocketAddr, shape: Shape, protocol: Protocol) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Relaxed) {
                    return;
                }
                // A connection that cannot be made is closed, which the client sees.
                let _ = relay(client, server, shape, protocol, &accepting);
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has passed so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self
                .shared
                .requests
                .lock()
                .expect("nobody panics with the lock")
                .clone(),
            connections: self.shared.connections.load(Relaxed),
            up: self.shared.up.load(Relaxed),
            down: self.shared.down.load(Relaxed),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.closed.store(true, Relaxed);
        let _ = TcpStream::connect(self.address); // wakes the thread that accepts
    }
}

fn relay(
    client: TcpStream,
    server: SocketAddr,
    shape: Shape,
    protocol: Protocol,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let accepted = Instant::now();
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    shared.connections.fetch_add(1, Relaxed);
    let counted = Arc::clone(shared);
    let up = Direction {
        from: client.try_clone()?,
        to: server.try_clone()?,
        shape,
        opens: accepted + shape.round_trip,
    };
    let mut requests_in = protocol.reader();
    up.start(move |piece| {
        counted.up.fetch_add(piece.len() as u64, Relaxed);
        for request in requests_in(piece) {
            counted
                .requests
                .lock()
                .expect("nobody panics with the lock")
                .push(request);
        }
    });
    let counted = Arc::clone(shared);
    let down = Direction {
        from: server,
        to: client,
        shape,
        opens: accepted,
    };
    down.start(move |piece| {
        counted.down.fetch_add(piece.len() as u64, Relaxed);
    });
    Ok(())
}

struct Direction {
    from: TcpStream,
    to: TcpStream,
    shape: Shape,
    /// No byte leaves before.
    opens: Instant,
}

impl Direction {
    fn start(self, mut seen: impl FnMut(&[u8]) + Send + 'static) {
        let Self {
            mut from,
            mut to,
            shape,
            opens,
        } = self;
        let (sender, pieces) = mpsc::sync_channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
        thread::spawn(move || {
            let mut free = opens;
            let mut buffer = vec![0; PIECE];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let piece = &buffer[..count];
                seen(piece);
                free = free.max(Instant::now())
                    + shape.rate.map_or(Duration::ZERO, |rate| duration(count, rate));
                if sender
                    .send((free + shape.round_trip / 2, piece.to_vec()))
                    .is_err()
                {
                    break; // the other side has gone
                }
            }
        });
        thread::spawn(move || {
            for (arrival, piece) in pieces {
                thread::sleep(arrival.saturating_duration_since(Instant::now()));
                if to.write_all(&piece).is_err() {
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

fn duration(bytes: usize, rate: u64) -> Duration {
    Duration::from_nanos(bytes as u64 * 1_000_000_000 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte with one.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    #[test]
    fn nothing_is_lost_and_everything_counted() {
        let link = Link::start(echo(), Shape::default(), Protocol::Http).unwrap();
        let mut stream = TcpStream::connect(link.address()).unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let (mut writer, bytes) = (stream.try_clone().unwrap(), sent.clone());
        let writing = thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == sent);
        let traffic = link.traffic();
        assert_eq!(
            (traffic.up, traffic.down, traffic.connections),
            (1_000_000, 1_000_000, 1)
        );
    }

    #[test]
    fn nothing_arrives_early() {
        let shape = Shape {
            round_trip: Duration::from_millis(40),
            rate: Some(1_000_000),
        };
        let link = Link::start(echo(), shape, Protocol::Http).unwrap();
        let started = Instant::now();
        let mut stream = TcpStream::connect(link.address()).unwrap();
        let mut answer = vec![0; 50_000];
        stream.write_all(&answer).unwrap();
        stream.read_exact(&mut answer[..1]).unwrap();
        assert!(
            started.elapsed() >= shape.round_trip * 2,
            "handshake and question"
        );
        stream.read_exact(&mut answer[1..]).unwrap();
        assert!(
            started.elapsed() >= shape.round_trip * 2 + Duration::from_millis(50),
            "and the rate"
        );
    }
}
