use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Answer, Match, Rule, Step,
    capture::Capture,
    http2,
    rule::{BodyUse, Reply},
    step::{self, Wire},
};
use crate::{Request, wire};

/// One scripted host. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Origin(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) name: String,
    pub(super) scheme: &'static str,
    pub(super) address: SocketAddr,
    pub(super) rules: Mutex<Vec<Rule>>,
    pub(super) greeting: Mutex<Option<Vec<Step>>>,
    pub(super) speech: Mutex<Option<Speech>>,
    pub(super) capture: Capture,
    /// The most streams at once over HTTP/2, if it says so.
    pub(super) streams: Option<u32>,
}

/// Steps that are taken on a connection instead of reading requests.
#[derive(Debug, Clone)]
pub(super) struct Speech {
    steps: Vec<Step>,
    /// True if it is not for connections that speak HTTP/1.1.
    http2_only: bool,
}

/// How much passed through an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Connections accepted so far.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Whole requests.
    pub requests: u64,
    /// Bytes it sent, without TLS; of HTTP/2 those of bodies.
    pub sent: u64,
    /// Bytes it received, without TLS; of HTTP/2 what the frames said.
    pub received: u64,
}

impl Origin {
    /// Host, and port if it stands in the URL: what goes into an image's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The URL of this path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.0.scheme, self.0.name)
    }

    /// The address it listens at.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Adds a rule; the first that matches is taken.
    pub fn rule(&self, rule: Rule) -> &Self {
        self.0.rules.lock().expect("rules do not panic").push(rule);
        self
    }

    /// Puts a rule before all others.
    pub fn first(&self, rule: Rule) -> &Self {
        self.0.rules.lock().expect("rules do not panic").insert(0, rule);
        self
    }

    /// Adds a rule that always replies the same.
    pub fn on(&self, matching: Match, reply: impl Into<Vec<Step>>) -> &Self {
        self.rule(Rule::new(matching, reply))
    }

    /// Forgets all rules.
    pub fn clear(&self) -> &Self {
        self.0.rules.lock().expect("rules do not panic").clear();
        self
    }

    /// Does these steps with every new connection, before TLS; if they end it, nothing else happens.
    pub fn greet(&self, steps: Vec<Step>) -> &Self {
        *self.0.greeting.lock().expect("rules do not panic") = Some(steps);
        self
    }

    /// Does these steps with every new connection instead of reading requests, beneath TLS.
    pub fn speak(&self, steps: Vec<Step>) -> &Self {
        self.say_first(Speech {
            steps,
            http2_only: false,
        })
    }

    /// Does these steps with every new connection that speaks HTTP/2; those that speak HTTP/1.1 follow the rules.
    pub fn speak_over_http2(&self, steps: Vec<Step>) -> &Self {
        self.say_first(Speech {
            steps,
            http2_only: true,
        })
    }

    fn say_first(&self, speech: Speech) -> &Self {
        *self.0.speech.lock().expect("rules do not panic") = Some(speech);
        self
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.capture.requests()
    }

    /// The requests so far as `METHOD target`.
    pub fn lines(&self) -> Vec<String> {
        let line = |request: Request| format!("{} {}", request.method, request.target);
        self.requests().into_iter().map(line).collect()
    }

    /// Every byte it received, decrypted, of all connections one after the other (the first 8 MiB). Of HTTP/2
    /// it is what the frames said, written as HTTP/1.1.
    pub fn received(&self) -> Vec<u8> {
        self.0.capture.bytes()
    }

    /// Its counters.
    pub fn traffic(&self) -> Traffic {
        let [connections, open, sent, received] = self.0.capture.counters();
        Traffic {
            connections,
            open,
            requests: self.0.capture.request_count(),
            sent,
            received,
        }
    }

    pub(super) async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let (origin, tls) = (self.clone(), tls.clone());
            connections.spawn(async move {
                let _counted = origin.0.capture.connected();
                // An error is the end of the connection, which the script or the client wanted.
                let _ = origin.accept(stream, tls).await;
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn accept(&self, mut stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let greeting = self.0.greeting.lock().expect("rules do not panic").clone();
        if let Some(steps) = greeting {
            step::perform(steps, &mut stream, &self.0.capture).await?;
        }
        match tls {
            None => self.converse(stream).await,
            Some(tls) => self.converse(tls.accept(stream).await?).await,
        }
    }

    async fn converse<W: Wire + 'static>(&self, mut stream: W) -> io::Result<()> {
        let capture = &self.0.capture;
        let speech = self.0.speech.lock().expect("rules do not panic").clone();
        if let Some(speech) = speech.filter(|speech| !speech.http2_only || stream.is_http2()) {
            return step::perform(speech.steps, &mut stream, capture).await;
        }
        if stream.is_http2() {
            return http2::converse(self.clone(), stream).await;
        }
        let mut buffer = Vec::new();
        let mut seen = |bytes: &[u8]| capture.received(bytes);
        while let Some(mut request) = wire::read_head(&mut stream, &mut buffer, &mut seen).await? {
            let (reply, body) = self.choose(&request);
            let limit = match body {
                BodyUse::Whole => usize::MAX,
                BodyUse::UpTo(count) => count,
            };
            let whole = wire::read_body(&mut stream, &mut buffer, &mut seen, &mut request, limit).await;
            // A request that breaks off is captured too, for what it carried.
            capture.request(&request);
            whole?;
            let closes = request
                .header("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"));
            let steps = reply(request).await;
            step::perform(steps, &mut stream, capture).await?;
            if closes {
                return step::perform(vec![Step::Close], &mut stream, capture).await;
            }
        }
        Ok(())
    }

    pub(super) fn choose(&self, request: &Request) -> (Reply, BodyUse) {
        let mut rules = self.0.rules.lock().expect("rules do not panic");
        for rule in rules.iter_mut() {
            if rule.left == Some(0) || !rule.matching.matches(request) {
                continue;
            }
            if let Some(left) = &mut rule.left {
                *left -= 1;
            }
            return (Arc::clone(&rule.reply), rule.body);
        }
        let unknown = Rule::call(Match::any(), |request: &Request| {
            let answer = Answer::error(404, "NAME_UNKNOWN", "the script has no rule for this");
            if request.method == "HEAD" {
                answer.head_only()
            } else {
                answer
            }
        });
        (unknown.reply, BodyUse::Whole)
    }
}
