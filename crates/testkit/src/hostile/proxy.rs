use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    task::{AbortHandle, JoinSet},
};

/// Which bytes a [`WireFault`] counts and harms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the server to the client.
    Down,
    /// From the client to the server.
    Up,
}

/// The effects on the bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Harm {
    /// A bit of the byte is inverted.
    Flip,
    /// The connection ends before the byte.
    Cut,
    /// The connection is reset before the byte.
    Reset,
    /// Nothing comes any more, and the connection stays open.
    Stall,
    /// So many bytes come that nobody sent.
    Insert(u8),
    /// So many bytes do not come.
    Lose(u8),
    /// From here on this direction of the connection gives one byte a second.
    Drip,
}

/// A harm done once, to the byte at this position of all bytes that go in this direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireFault {
    /// Which way the byte goes.
    pub direction: Direction,
    /// Its position, counted over all connections.
    pub at: u64,
    /// The effect on it.
    pub harm: Harm,
}

/// Passes connections on to a server, byte by byte what it gets, and harms the bytes it was told to. It knows
/// no protocol.
#[derive(Debug)]
pub struct WireProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    upstream: OnceLock<SocketAddr>,
    /// Those that have not happened.
    faults: Mutex<Vec<WireFault>>,
    hits: AtomicU64,
    down: AtomicU64,
    up: AtomicU64,
    connections: AtomicU64,
}

impl WireProxy {
    /// Listens on a free port of the loopback address; connections wait for [`WireProxy::pass_on`].
    pub async fn bind(faults: Vec<WireFault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            faults: Mutex::new(faults),
            ..Shared::default()
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self {
            address,
            shared,
            task,
        }
    }

    /// Where the server is. Only the first call counts.
    pub fn pass_on(&self, upstream: SocketAddr) {
        let _ = self.shared.upstream.set(upstream); // a second one changes nothing
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many faults have happened.
    pub fn hits(&self) -> u64 {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// Bytes that reached the client and the server.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.counter(direction).load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for WireProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    const fn counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Down => &self.down,
            Direction::Up => &self.up,
        }
    }

    /// Takes the next bytes in this direction, up to and with the first that something happens to: how many
    /// they are of these `length`, and what happens to the last of them.
    fn take(&self, direction: Direction, length: usize) -> (usize, Option<WireFault>) {
        let mut faults = self.faults.lock().expect("the proxy does not panic");
        let counter = self.counter(direction);
        let start = counter.load(Ordering::SeqCst);
        let range = start..start + length as u64;
        let first = (0..faults.len())
            .filter(|index| faults[*index].direction == direction && range.contains(&faults[*index].at))
            .min_by_key(|index| faults[*index].at);
        let fault = first.map(|index| faults.remove(index));
        let taken = fault.map_or(length as u64, |fault| fault.at - start + 1);
        counter.fetch_add(taken, Ordering::SeqCst);
        self.hits.fetch_add(u64::from(fault.is_some()), Ordering::SeqCst);
        let taken = usize::try_from(taken).expect("no more than there are");
        (taken, fault)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(connection(client, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let Some(upstream) = shared.upstream.get() else {
        return;
    };
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return;
    };
    // Small messages must not wait for one another; without it the pass is merely slower.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        tokio::try_join!(
            pump(client_read, server_write, Direction::Up, &shared),
            pump(server_read, client_write, Direction::Down, &shared),
        )
    };
    if ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionAborted) {
        // Without it the connection ends in good order, which only the peer's framing can tell from a cut.
        let _ = client.set_zero_linger();
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut drips = false;
    let mut lost = 0;
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let mut rest = &mut buffer[..count];
        while !rest.is_empty() {
            let (taken, fault) = shared.take(direction, rest.len());
            let (bytes, more) = rest.split_at_mut(taken);
            rest = more;
            // With a harm, the last byte is the one it is about; bytes that are lost are harmed no more.
            let skipped = lost.min(bytes.len());
            lost -= skipped;
            let bytes = &mut bytes[skipped..];
            let Some(WireFault { at, harm, .. }) = fault else {
                pass(&mut to, bytes, drips).await?;
                continue;
            };
            let Some((last, before)) = bytes.split_last_mut() else {
                continue;
            };
            pass(&mut to, before, drips).await?;
            let last = std::slice::from_mut(last);
            match harm {
                Harm::Flip => {
                    last[0] ^= 1 << (at % 8);
                    pass(&mut to, last, drips).await?;
                }
                Harm::Cut => return Err(io::ErrorKind::UnexpectedEof.into()),
                Harm::Reset => return Err(io::ErrorKind::ConnectionAborted.into()),
                Harm::Stall => return until_closed(from).await,
                Harm::Insert(more) => {
                    pass(&mut to, &vec![b'0'; more.into()], drips).await?;
                    pass(&mut to, last, drips).await?;
                }
                Harm::Lose(fewer) => lost = usize::from(fewer).saturating_sub(1),
                Harm::Drip => {
                    drips = true;
                    pass(&mut to, last, drips).await?;
                }
            }
        }
    }
}

async fn pass(to: &mut WriteHalf<'_>, bytes: &[u8], drips: bool) -> io::Result<()> {
    if !drips {
        return to.write_all(bytes).await;
    }
    for byte in bytes {
        tokio::time::sleep(Duration::from_secs(1)).await;
        to.write_all(&[*byte]).await?;
    }
    Ok(())
}

/// Takes what comes and passes nothing on.
async fn until_closed(mut from: ReadHalf<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    while from.read(&mut buffer).await? > 0 {}
    std::future::pending().await
}
