use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{net::TcpListener, task::AbortHandle};
use tokio_rustls::TlsAcceptor;

use super::{
    Origin, Traffic, logs,
    origin::Inner,
    secrets::{MARK, Secret, betrays, traces},
};
use crate::TestCa;

/// The hosts of one test, the authority they share, the names that lead to them, and the secrets in play.
///
/// Dropping it is the assertion: a secret that an origin saw without being on its list, a secret in any log
/// line of this process, or in an error shown to [`Stage::inspect`], fails the test.
#[derive(Debug)]
pub struct Stage {
    ca: TestCa,
    names: Names,
    origins: Mutex<Vec<Origin>>,
    secrets: Arc<Mutex<Vec<Secret>>>,
    tasks: Mutex<Vec<AbortHandle>>,
    findings: Mutex<Vec<String>>,
}

/// Where a name leads, for a client's resolver. Clones share the table.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<Mutex<NamesInner>>);

#[derive(Debug, Default)]
struct NamesInner {
    table: BTreeMap<String, Vec<SocketAddr>>,
    asked: Vec<String>,
    turn: usize,
}

impl Names {
    /// The addresses of this host; empty if the test has no such host. The port is the one to use where a URL
    /// names none.
    ///
    /// A name with several lists leads to the next with every call.
    pub fn lookup(&self, host: &str) -> Vec<SocketAddr> {
        let mut inner = self.0.lock().expect("names do not panic");
        inner.asked.push(host.to_owned());
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let Some(found) = inner.table.get(&host).cloned() else {
            return Vec::new();
        };
        if found.len() < 2 {
            return found;
        }
        inner.turn += 1;
        vec![found[(inner.turn - 1) % found.len()]]
    }

    /// The hosts that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.0.lock().expect("names do not panic").asked.clone()
    }
}

/// Makes new secrets of one kind.
#[derive(Debug, Clone)]
pub struct Mint {
    field: String,
    origins: BTreeSet<String>,
    secrets: Arc<Mutex<Vec<Secret>>>,
}

impl Mint {
    /// Lets another origin see the secrets that are made from now on.
    pub fn show_to(&mut self, origin: &Origin) {
        self.origins.insert(origin.name().to_owned());
    }

    /// A secret that nobody has seen.
    pub fn next(&self) -> String {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let text = format!("{MARK}0{}0{serial:06}", self.field);
        self.secrets
            .lock()
            .expect("the stage does not panic")
            .push(Secret {
                text: text.clone(),
                origins: self.origins.clone(),
            });
        text
    }
}

/// How an origin is contacted.
#[derive(Debug, Clone, Default)]
pub struct OriginOptions {
    plain: bool,
    port: bool,
    certificate_names: Option<Vec<String>>,
    certificate: Certificate,
    protocols: Protocols,
    streams: Option<u32>,
}

/// The protocols that an origin offers by ALPN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Protocols {
    #[default]
    Http1,
    Http2,
    Both,
    Silent,
    Strange,
}

impl Protocols {
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Http1 => &["http/1.1"],
            Self::Http2 => &["h2"],
            Self::Both => &["h2", "http/1.1"],
            Self::Silent => &[],
            Self::Strange => &["spdy/3"],
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Certificate {
    #[default]
    Good,
    Expired,
    Untrusted,
    Mutual,
}

impl OriginOptions {
    /// Plain http instead of TLS.
    #[must_use]
    pub const fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Reached at its port, which stands in its name, instead of the scheme's.
    #[must_use]
    pub const fn with_port(mut self) -> Self {
        self.port = true;
        self
    }

    /// Speaks HTTP/2 and nothing else: the same rules, or frames by [`Origin::speak`].
    #[must_use]
    pub const fn http2(mut self) -> Self {
        self.protocols = Protocols::Http2;
        self
    }

    /// Speaks HTTP/2 with those who offer it, and HTTP/1.1 with others, as most registries do.
    #[must_use]
    pub const fn http2_or_1(mut self) -> Self {
        self.protocols = Protocols::Both;
        self
    }

    /// Speaks HTTP/1.1 and does not take part in ALPN.
    #[must_use]
    pub const fn without_alpn(mut self) -> Self {
        self.protocols = Protocols::Silent;
        self
    }

    /// Speaks no protocol that a client of HTTP offers.
    #[must_use]
    pub const fn strange_alpn(mut self) -> Self {
        self.protocols = Protocols::Strange;
        self
    }

    /// Allows so many streams at once on a connection of HTTP/2.
    #[must_use]
    pub const fn streams(mut self, most: u32) -> Self {
        self.streams = Some(most);
        self
    }

    /// Its certificate is for these names.
    #[must_use]
    pub fn certificate_for(mut self, names: &[&str]) -> Self {
        self.certificate_names = Some(names.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Its certificate's time is over.
    #[must_use]
    pub const fn expired(mut self) -> Self {
        self.certificate = Certificate::Expired;
        self
    }

    /// Its certificate is from an authority that the test does not trust.
    #[must_use]
    pub const fn untrusted(mut self) -> Self {
        self.certificate = Certificate::Untrusted;
        self
    }

    /// It demands a client certificate of the test's authority.
    #[must_use]
    pub const fn demands_client_certificate(mut self) -> Self {
        self.certificate = Certificate::Mutual;
        self
    }
}

impl Stage {
    /// An empty stage; from here on all logs are searched for secrets.
    pub fn new() -> Self {
        logs::listen();
        Self {
            ca: TestCa::new(),
            names: Names::default(),
            origins: Mutex::default(),
            secrets: Arc::default(),
            tasks: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// A host with this name behind TLS, at the scheme's own port.
    pub async fn origin(&self, host: &str) -> Origin {
        self.origin_with(host, OriginOptions::default()).await
    }

    /// A host with this name. The name may be an address of this machine; then its port stands in its name.
    pub async fn origin_with(&self, host: &str, options: OriginOptions) -> Origin {
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let bind = literal.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let listener = TcpListener::bind((bind, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let names = options
            .certificate_names
            .clone()
            .unwrap_or_else(|| vec![host.to_owned()]);
        let names: Vec<&str> = names.iter().map(|name| name.trim_matches(['[', ']'])).collect();
        let stranger = TestCa::new();
        let ca = if options.certificate == Certificate::Untrusted {
            &stranger
        } else {
            &self.ca
        };
        let certificate = if options.certificate == Certificate::Expired {
            ca.issue_expired(&names)
        } else {
            ca.issue(&names)
        };
        let clients = (options.certificate == Certificate::Mutual).then_some(&self.ca);
        let config = certificate.server_config(options.protocols.names(), clients);
        let tls = (!options.plain).then(|| TlsAcceptor::from(config));
        let name = if options.port || literal.is_some() {
            format!("{host}:{}", address.port())
        } else {
            host.to_owned()
        };
        let origin = Origin(Arc::new(Inner {
            name,
            scheme: if options.plain { "http" } else { "https" },
            address,
            rules: Mutex::default(),
            greeting: Mutex::default(),
            speech: Mutex::default(),
            capture: super::capture::Capture::default(),
            streams: options.streams,
        }));
        self.name(host, &[address]);
        let task = tokio::spawn(origin.clone().serve(listener, tls));
        self.tasks
            .lock()
            .expect("the stage does not panic")
            .push(task.abort_handle());
        self.origins
            .lock()
            .expect("the stage does not panic")
            .push(origin.clone());
        origin
    }

    /// Lets a name lead to these addresses, one after the other if there are several.
    pub fn name(&self, host: &str, addresses: &[SocketAddr]) {
        let mut inner = self.names.0.lock().expect("names do not panic");
        inner.table.insert(host.to_ascii_lowercase(), addresses.to_vec());
    }

    /// Where names lead, for the client's resolver.
    pub fn names(&self) -> Names {
        self.names.clone()
    }

    /// The authority of all origins.
    pub const fn ca(&self) -> &TestCa {
        &self.ca
    }

    /// A new secret that only these origins may see; `field` tells in a finding what it was. Only letters and
    /// digits, so that no encoding of URLs changes it.
    pub fn secret(&self, field: &str, origins: &[&Origin]) -> String {
        self.mint(field, origins).next()
    }

    /// Makes such secrets as they are needed, for rules that hand them out.
    pub fn mint(&self, field: &str, origins: &[&Origin]) -> Mint {
        Mint {
            field: field.to_owned(),
            origins: origins.iter().map(|origin| origin.name().to_owned()).collect(),
            secrets: Arc::clone(&self.secrets),
        }
    }

    /// Lets one more origin see a secret.
    pub fn allow(&self, secret: &str, origin: &Origin) {
        let mut secrets = self.secrets.lock().expect("the stage does not panic");
        let found = secrets.iter_mut().find(|known| known.text == secret);
        found
            .expect("a secret of this stage")
            .origins
            .insert(origin.name().to_owned());
    }

    /// Looks for secrets in everything an error prints, with all its sources, and hands it back.
    pub fn inspect<E: Error>(&self, error: E) -> E {
        let mut text = format!("{error}\n{error:?}\n{error:#}\n{error:#?}\n");
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(&format!("{cause}\n{cause:?}\n{cause:#?}\n"));
            source = cause.source();
        }
        self.inspect_text("an error", &text);
        error
    }

    /// Looks for secrets in the `Debug` output of any value.
    pub fn inspect_debug(&self, value: &impl fmt::Debug) {
        self.inspect_text("a Debug output", &format!("{value:?}{value:#?}"));
    }

    /// Looks for secrets in a text.
    pub fn inspect_text(&self, what: &str, text: &str) {
        if betrays(text.as_bytes(), &traces(MARK)) {
            let finding = format!("{what} holds a secret: {text}");
            self.findings
                .lock()
                .expect("the stage does not panic")
                .push(finding);
        }
    }

    /// The traffic of each origin.
    pub fn traffic(&self) -> Vec<Traffic> {
        let origins = self.origins.lock().expect("the stage does not panic");
        origins.iter().map(Origin::traffic).collect()
    }

    /// Ends the stage without a complaint, and says which secrets were seen where they do not belong; log
    /// lines are not counted, since they are of the whole process. For clients that are observed and not
    /// tested.
    pub fn dismiss(self) -> Vec<String> {
        let found = self.sightings();
        self.secrets.lock().expect("the stage does not panic").clear();
        self.findings.lock().expect("the stage does not panic").clear();
        found
    }

    /// Everything found so far that the end of the stage will complain about.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = self.sightings();
        findings.extend(
            logs::leaks()
                .into_iter()
                .map(|line| format!("a secret was logged: {line}")),
        );
        findings
    }

    fn sightings(&self) -> Vec<String> {
        let mut findings = self.findings.lock().expect("the stage does not panic").clone();
        let origins = self.origins.lock().expect("the stage does not panic").clone();
        let secrets = self.secrets.lock().expect("the stage does not panic").clone();
        for origin in &origins {
            let received = origin.received();
            let mut others: BTreeSet<&str> = BTreeSet::new();
            for secret in secrets
                .iter()
                .filter(|secret| !secret.origins.contains(origin.name()))
            {
                if betrays(&received, &traces(&secret.text)) {
                    others.insert(&secret.text);
                }
            }
            for secret in others {
                findings.push(format!("{} was sent {secret}", origin.name()));
            }
        }
        findings
    }

    /// How many log lines of this process were searched.
    pub fn log_lines() -> u64 {
        logs::lines()
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for task in self.tasks.lock().expect("the stage does not panic").drain(..) {
            task.abort();
        }
        if std::thread::panicking() {
            return;
        }
        let findings = self.findings();
        assert!(
            findings.is_empty(),
            "secrets were seen where they do not belong:\n{}",
            findings.join("\n")
        );
    }
}
