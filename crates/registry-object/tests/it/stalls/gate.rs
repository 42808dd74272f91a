//! A place where a process stops.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, UploadPart, path::Path,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

/// The gate that each step passes.
#[async_trait]
pub(super) trait Steps: fmt::Debug + Send + Sync + 'static {
    /// Waits until the step may be made.
    async fn pass(&self);
}

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

    /// Lets the steps of another process pass, which has a [`FarGate`] at the address that is returned.
    pub(super) async fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let gate = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((mut step, _)) = listener.accept().await {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move {
                    gate.pass().await;
                    let _ = step.write_all(b".").await; // the process may have ended
                });
            }
        });
        address
    }
}

#[async_trait]
impl Steps for Gate {
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

/// A gate in another process, at this address, which is asked for each step.
#[derive(Debug)]
pub(super) struct FarGate(pub(super) String);

#[async_trait]
impl Steps for FarGate {
    async fn pass(&self) {
        let mut step = TcpStream::connect(&self.0).await.expect("the gate");
        step.read_exact(&mut [0]).await.expect("the gate's answer");
    }
}

/// The messages to a server that are steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    All,
    /// The heads of requests by HTTP.
    Requests,
}

impl Messages {
    fn has(self, message: &[u8]) -> bool {
        let methods: [&[u8]; 5] = [b"GET /", b"HEAD /", b"PUT /", b"POST /", b"DELETE /"];
        self == Self::All || methods.iter().any(|method| message.starts_with(method))
    }
}

/// A proxy before a server at a port of loopback, of whose messages to the server some are steps.
pub(super) struct Proxy;

impl Proxy {
    /// Starts one, and returns its port.
    pub(super) async fn start(server: u16, gate: Arc<Gate>, steps: Messages) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server))
                    .await
                    .expect("the server");
                tokio::spawn(pass(client, server, Arc::clone(&gate), steps));
            }
        });
        port
    }
}

async fn pass(client: TcpStream, server: TcpStream, gate: Arc<Gate>, steps: Messages) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        if steps.has(&buffer[..length]) {
            gate.pass().await;
        }
        if to_server.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A store of which each request is a step, and each answer another.
#[derive(Debug)]
pub(super) struct Stalling {
    inner: Arc<dyn ObjectStore>,
    gate: Arc<dyn Steps>,
}

impl Stalling {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, gate: Arc<dyn Steps>) -> Self {
        Self { inner, gate }
    }
}

impl fmt::Display for Stalling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that stalls")
    }
}

/// Between two steps.
async fn between<T>(gate: &Arc<dyn Steps>, request: impl Future<Output = T>) -> T {
    gate.pass().await;
    let answer = request.await;
    gate.pass().await;
    answer
}

#[async_trait]
impl ObjectStore for Stalling {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        between(&self.gate, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let begun = between(&self.gate, self.inner.put_multipart_opts(location, options)).await?;
        let gate = Arc::clone(&self.gate);
        Ok(Box::new(StallingUpload { inner: begun, gate }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        between(&self.gate, self.inner.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (before, after) = (Arc::clone(&self.gate), Arc::clone(&self.gate));
        let answers = self.inner.delete_stream(locations);
        let begun = stream::once(async move {
            before.pass().await;
            answers
        });
        let ended = stream::once(async move { after.pass().await });
        begun
            .flatten()
            .chain(ended.filter_map(|()| async { None }))
            .boxed()
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

/// An upload in parts to such a store.
#[derive(Debug)]
struct StallingUpload {
    inner: Box<dyn MultipartUpload>,
    gate: Arc<dyn Steps>,
}

#[async_trait]
impl MultipartUpload for StallingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (gate, part) = (Arc::clone(&self.gate), self.inner.put_part(data));
        Box::pin(async move { between(&gate, part).await })
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        between(&self.gate, self.inner.complete()).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        between(&self.gate, self.inner.abort()).await
    }
}
