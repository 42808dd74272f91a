//! Tells failures of proxies from those of servers.

use std::error;

use super::classify::classify;
use crate::{Error, ErrorKind};

/// The messages of hyper-util for answers of proxies. Its error types are not public; the tests of proxies
/// fail if the messages change.
const LOGIN_WANTED: [&str; 2] = ["proxy authorization required", "credentials not accepted"];
const NOT_CONNECTED: [&str; 2] = ["tunnel error", "socks"];
const NOT_REACHED: [&str; 1] = ["failed to create underlying connection"];

/// The failure of a request through this proxy.
pub(super) fn explain(error: reqwest::Error, proxy: &str) -> Error {
    let has_message = |messages: &[&str]| {
        let chain = std::iter::successors(Some(&error as &(dyn error::Error + 'static)), |error| {
            error.source()
        });
        chain
            .map(|error| error.to_string().to_ascii_lowercase())
            .any(|text| messages.iter().any(|message| text.contains(message)))
    };
    let login = has_message(&LOGIN_WANTED);
    let refused = has_message(&NOT_CONNECTED) && !has_message(&NOT_REACHED);
    let plain = classify(error);
    match plain.kind() {
        _ if login => wants_login(proxy),
        // Only the proxy is resolved and connected to.
        ErrorKind::Dns | ErrorKind::Connect | ErrorKind::ConnectTimeout if !refused => {
            Error::new(ErrorKind::Proxy, format!("the proxy {proxy} cannot be reached")).with_source(plain)
        }
        _ if refused => {
            let message = format!("the proxy {proxy} does not connect to the server");
            Error::new(ErrorKind::Proxy, message).with_source(plain)
        }
        _ => plain,
    }
}

pub(super) fn wants_login(proxy: &str) -> Error {
    let message = format!(
        "the proxy {proxy} wants a user name and password (407), or others than it got; they are written into its URL, as \
         in http://USER:PASSWORD@HOST:PORT"
    );
    Error::new(ErrorKind::ProxyLogin, message)
}
