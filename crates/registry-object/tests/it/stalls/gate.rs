//! A place where a process stops.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

/// Lets steps pass, but for one at which it was armed: this one, and those that follow, wait.
#[derive(Debug)]
pub(super) struct Gate {
    /// The steps that still pass, and who is told when there is none left; `None`: all pass.
    left: Mutex<Option<(usize, Arc<Notify>)>>,
    is_open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            left: Mutex::default(),
            is_open: watch::Sender::new(true),
        }
    }
}

impl Gate {
    /// Closes after so many steps, and tells when the next one is reached.
    pub(super) fn arm(&self, steps: usize) -> Arc<Notify> {
        let reached = Arc::new(Notify::new());
        *self.left.lock().expect("no panic") = Some((steps, Arc::clone(&reached)));
        reached
    }

    pub(super) fn release(&self) {
        *self.left.lock().expect("no panic") = None;
        self.is_open.send_replace(true);
    }

    async fn pass(&self) {
        if let Some((left, reached)) = &mut *self.left.lock().expect("no panic") {
            if *left == 0 {
                self.is_open.send_replace(false);
                reached.notify_one();
            } else {
                *left -= 1;
            }
        }
        let opened = self
            .is_open
            .subscribe()
            .wait_for(|is_open| *is_open)
            .await
            .map(drop);
        opened.expect("the gate outlives who waits at it");
    }
}

/// A proxy before a server at a port of loopback, each of whose messages to the server is a step.
pub(super) struct Proxy;

impl Proxy {
    /// Starts one, and returns its port.
    pub(super) async fn start(server: u16, gate: Arc<Gate>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server))
                    .await
                    .expect("the server");
                tokio::spawn(pass(client, server, Arc::clone(&gate)));
            }
        });
        port
    }
}

async fn pass(client: TcpStream, server: TcpStream, gate: Arc<Gate>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        gate.pass().await;
        if to_server.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A store of which each request is a step, and the end of each put another.
#[derive(Debug)]
pub(super) struct Stalling {
    inner: Arc<InMemory>,
    gate: Arc<Gate>,
}

impl Stalling {
    pub(super) const fn new(inner: Arc<InMemory>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl fmt::Display for Stalling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that stalls")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Stalling {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.gate.pass().await;
        let put = self.inner.put_opts(location, payload, options).await;
        self.gate.pass().await;
        put
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.gate.pass().await;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (inner, gate) = (Arc::clone(&self.inner), Arc::clone(&self.gate));
        let begun = async move {
            gate.pass().await;
            inner.delete_stream(locations)
        };
        stream::once(begun).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
