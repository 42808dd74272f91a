//! The embedded registry leads to its storage, and our client follows.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, channel},
    thread,
};

use wharf::{Client, Credential, Name, config::CredentialKey, content::Source as _, store::Layout};
use wharf_registry::{BackendCall, BackendFaults, MemoryBackend, Redirects, Registry, SignedUrl};

/// A storage that answers every request with these bytes, and the heads of the requests.
fn storage(bytes: Vec<u8>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (tell, heads) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.extend(byte);
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            // A client that has gone needs none.
            let _ = stream.write_all(&[answer.as_bytes(), &bytes].concat());
            if tell.send(String::from_utf8_lossy(&head).to_lowercase()).is_err() {
                return;
            }
        }
    });
    (address, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_reads_a_blob_in_the_storage_without_its_login() {
    for tokens in [false, true] {
        let (backend, faults) = BackendFaults::around(MemoryBackend::default());
        let registry = Registry::open(backend).await.unwrap().with_basic("ada", "secret");
        let registry = if tokens { registry.with_tokens() } else { registry };
        let registry = registry.with_redirects(Redirects::new().with_least_size(1000));
        let server = registry.serve().await.unwrap();
        let name = server.registry();
        let key = CredentialKey::parse(name.as_ref()).unwrap();
        let client = Client::builder()
            .with_plain_http(name.clone())
            .with_credential(key, Credential::basic("ada", "secret"))
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let image = wharf_testkit::Image::builder().noise(7, 20_000).finish();
        image.write_layout(directory.path(), "local");
        let source = Layout::open(directory.path()).await.unwrap();
        let reference = format!("{name}/lib/app:1");
        client
            .push(&source, &Name::parse("local").unwrap(), &reference)
            .await
            .unwrap();

        let manifest = source
            .manifest(&Name::parse("local").unwrap().into())
            .await
            .unwrap();
        let layer = manifest.blobs().find(|blob| blob.size() >= 1000).unwrap();
        let bytes = source
            .blob(layer)
            .await
            .unwrap()
            .read_to_end(1 << 20)
            .await
            .unwrap();
        let (address, heads) = storage(bytes.to_vec());
        let url = format!("http://{address}/bucket/key?signature=0123");
        faults.set_url(Some(SignedUrl::new(url.parse().unwrap()).unwrap()));

        let target = tempfile::tempdir().unwrap();
        let target = Layout::create(target.path()).await.unwrap();
        client.pull(&reference, &target).await.unwrap();
        assert!(faults.calls(BackendCall::Url) > 0);
        let head = heads.recv().unwrap();
        assert!(head.starts_with("get /bucket/key?signature=0123 "), "{head}");
        assert!(
            !head.contains("authorization") && !head.contains("referer"),
            "{head}"
        );
        let pulled = target
            .blob(layer)
            .await
            .unwrap()
            .read_to_end(1 << 20)
            .await
            .unwrap();
        assert_eq!(pulled, bytes);
    }
}
