//! Buckets are created by signed requests, as each store wants them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{digest, hmac};

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The SHA-256 digest of an empty body.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Creates a bucket of S3 with this key. `host` is the address of the server.
pub(super) fn create_s3(host: &str, bucket: &str, [key, secret]: [&str; 2]) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = i64::try_from(now.expect("a clock").as_secs()).expect("a clock");
    let now = wharf_content::format_timestamp(seconds).expect("a clock");
    let (date, time) = now.split_once('T').expect("a date and a time");
    let (day, time) = (date.replace('-', ""), time.replace(':', ""));
    let moment = format!("{day}T{}Z", time.get(..6).expect("hours, minutes, seconds"));
    let names = "host;x-amz-content-sha256;x-amz-date";
    let request = format!(
        "PUT\n/{bucket}\n\nhost:{host}\nx-amz-content-sha256:{NOTHING}\nx-amz-date:{moment}\n\n{names}\n{NOTHING}"
    );
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let digest = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}");
    let start = format!("AWS4{secret}").into_bytes();
    let parts = [day.as_str(), "us-east-1", "s3", "aws4_request"];
    let signing: Vec<u8> = parts.iter().fold(start, |key: Vec<u8>, part| sign(&key, part));
    let signature = hex(&sign(&signing, &text));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}");
    put(
        host,
        &format!("/{bucket}"),
        &format!(
            "x-amz-date: {moment}\r\nx-amz-content-sha256: {NOTHING}\r\nAuthorization: {authorization}\r\n"
        ),
    );
}

/// Creates a container of Azure's blob storage with the key of this account.
pub(super) fn create_azure(host: &str, container: &str, [account, key]: [&str; 2]) {
    let moment = httpdate::fmt_http_date(SystemTime::now());
    let version = "2021-08-06";
    let empty = "\n".repeat(12);
    let text = format!(
        "PUT{empty}x-ms-date:{moment}\nx-ms-version:{version}\n/{account}/{account}/{container}\nrestype:container"
    );
    let key = STANDARD.decode(key).expect("a key in base64");
    let signature = STANDARD.encode(sign(&key, &text));
    put(
        host,
        &format!("/{account}/{container}?restype=container"),
        &format!(
            "x-ms-date: {moment}\r\nx-ms-version: {version}\r\nAuthorization: SharedKey {account}:{signature}\r\n"
        ),
    );
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a PUT without a body, which must succeed.
fn put(host: &str, path: &str, headers: &str) {
    let mut stream = TcpStream::connect(host).expect("the server listens");
    stream.set_read_timeout(Some(ANSWER)).expect("a limit of time");
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // what came tells
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap_or_default();
    assert!(status.starts_with('2'), "PUT {path}: {answer}");
}
