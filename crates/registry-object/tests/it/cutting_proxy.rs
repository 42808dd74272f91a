use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wharf_registry_object::Database;
use wharf_testkit::PostgreSql;

use super::open;

/// A proxy before a server at a port of loopback, which can cut a connection at a statement.
pub(super) struct CuttingProxy {
    port: u16,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    /// The text to cut at, and whether the server gets it.
    next: Mutex<Option<(String, bool)>>,
    cuts: AtomicUsize,
}

impl CuttingProxy {
    /// A proxy before a server, and a database of the server that is opened through the proxy.
    pub(super) async fn before(server: &PostgreSql, name: &str) -> (Self, Database) {
        let proxy = Self::start(server.port()).await;
        let url = server
            .tcp_url(name)
            .replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port));
        let database = open(&(url + "&sslmode=disable")).await.expect("a database");
        (proxy, database)
    }

    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let orders = Arc::new(Orders::default());
        let shared = Arc::clone(&orders);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server))
                    .await
                    .expect("the server");
                tokio::spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, orders }
    }

    /// Cuts the next connection that sends this text; before, the server carries it out or does not get it.
    pub(super) fn cut(&self, at: &str, is_carried_out: bool) {
        *self.orders.next.lock().expect("no panic") = Some((at.to_owned(), is_carried_out));
    }

    /// How many connections were cut.
    pub(super) fn cuts(&self) -> usize {
        self.orders.cuts.load(Ordering::SeqCst)
    }
}

impl Orders {
    /// Whether the connection is cut at these bytes, and whether the server gets them.
    fn take(&self, bytes: &[u8]) -> Option<bool> {
        let mut next = self.next.lock().expect("no panic");
        let (text, is_carried_out) = next.as_ref()?;
        let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let is_carried_out = *is_carried_out;
        found.then(|| {
            *next = None;
            self.cuts.fetch_add(1, Ordering::SeqCst);
            is_carried_out
        })
    }
}

/// Both directions; dropping the streams closes them.
async fn pass(mut client: TcpStream, mut server: TcpStream, orders: Arc<Orders>) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                let cut = orders.take(&up[..length]);
                if cut != Some(false) && server.write_all(&up[..length]).await.is_err() {
                    return;
                }
                if cut == Some(true) {
                    let _ = server.read(&mut down).await; // the answer, which shows that it was carried out
                }
                if cut.is_some() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
