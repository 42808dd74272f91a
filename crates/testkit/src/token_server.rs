use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{rand::SystemRandom, signature};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
};

use crate::{Request, TestCa, TestCertificate, response, wire};

/// Names the key that signs the tokens.
const KEY_ID: &str = "token-signer";

/// The actions that a principal may do in a repository.
#[derive(Debug, Clone)]
pub struct Grant {
    /// A repository's name, or a prefix of it that ends in `*`.
    pub repository: String,
    /// `pull`, `push`, `delete`.
    pub actions: Vec<String>,
}

impl Grant {
    /// These actions, separated by commas, on this repository or pattern.
    pub fn new(repository: &str, actions: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            actions: actions.split(',').map(str::to_owned).collect(),
        }
    }

    fn allows(&self, repository: &str, action: &str) -> bool {
        let covers = match self.repository.strip_suffix('*') {
            Some(prefix) => repository.starts_with(prefix),
            None => repository == self.repository,
        };
        covers
            && self
                .actions
                .iter()
                .any(|allowed| allowed == action || allowed == "*")
    }
}

/// A token that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The user, empty for nobody.
    pub user: String,
    /// `GET`, `POST password` or `POST refresh_token`.
    pub by: String,
    /// The scopes asked for, in order.
    pub scopes: Vec<String>,
}

/// A token server as Docker's registry expects it (distribution, *Token Authentication Specification*): on a
/// thread of its own, with tokens that the registry verifies by a certificate.
///
/// It is well behaved. A server that lies is a script of the hostile kit.
#[derive(Debug)]
pub struct TokenServer {
    state: Arc<State>,
    address: SocketAddr,
    host: String,
    scheme: &'static str,
    stop: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct State {
    users: BTreeMap<String, (String, Vec<Grant>)>,
    anonymous: Vec<Grant>,
    service: String,
    lifetime: u64,
    signer: TestCertificate,
    authority: TestCa,
    issued: Mutex<Vec<Issued>>,
    serial: AtomicU64,
}

/// Makes a [`TokenServer`].
#[derive(Debug)]
pub struct TokenServerBuilder {
    users: BTreeMap<String, (String, Vec<Grant>)>,
    anonymous: Vec<Grant>,
    lifetime: u64,
    host: Option<String>,
    tls: Option<TestCertificate>,
}

impl TokenServer {
    /// Starts from a server without users, whose tokens live for five minutes.
    pub fn builder() -> TokenServerBuilder {
        TokenServerBuilder {
            users: BTreeMap::new(),
            anonymous: Vec::new(),
            lifetime: 300,
            host: None,
            tls: None,
        }
    }

    /// Where tokens are had, for the challenge's `realm`.
    pub fn realm(&self) -> String {
        format!("{}://{}:{}/token", self.scheme, self.host, self.address.port())
    }

    /// The challenge's `service`.
    pub fn service(&self) -> &str {
        &self.state.service
    }

    /// The `iss` of the tokens.
    pub const ISSUER: &'static str = "wharf-testkit";

    /// The certificate with which a registry verifies the tokens, in PEM.
    pub fn root_pem(&self) -> &str {
        self.state.authority.pem()
    }

    /// The key with which a registry verifies the tokens, as a JSON Web Key Set (RFC 7517).
    pub fn jwks(&self) -> String {
        let key = self.state.key();
        let point = signature::KeyPair::public_key(&key).as_ref();
        let (x, y) = point[1..].split_at(32); // after the mark of an uncompressed point
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID, "x": part(x), "y": part(y),
        });
        json!({ "keys": [jwk] }).to_string()
    }

    /// Every token handed out so far.
    pub fn issued(&self) -> Vec<Issued> {
        self.state.issued.lock().expect("no test panicked here").clone()
    }
}

impl TokenServerBuilder {
    /// Adds a user.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str, grants: &[Grant]) -> Self {
        self.users
            .insert(name.to_owned(), (password.to_owned(), grants.to_vec()));
        self
    }

    /// The grants of requests without a user.
    #[must_use]
    pub fn anonymous(mut self, grants: &[Grant]) -> Self {
        self.anonymous = grants.to_vec();
        self
    }

    /// How long a token lives, in seconds.
    #[must_use]
    pub const fn lifetime(mut self, seconds: u64) -> Self {
        self.lifetime = seconds;
        self
    }

    /// The name of this machine in the realm, as `localhost`; its address by default.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        self.host = Some(name.to_owned());
        self
    }

    /// Serves TLS with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: TestCertificate) -> Self {
        self.tls = Some(certificate);
        self
    }

    /// Starts it on a free port of the loopback address.
    pub fn start(self) -> TokenServer {
        let authority = TestCa::new();
        let state = Arc::new(State {
            users: self.users,
            anonymous: self.anonymous,
            service: "wharf-test-registry".to_owned(),
            lifetime: self.lifetime,
            signer: authority.issue(&["token-signer"]),
            authority,
            issued: Mutex::new(Vec::new()),
            serial: AtomicU64::new(0),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let serving = serve(listener, Arc::clone(&state), self.tls);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! { () = serving => (), _ = stopped => () }
            });
        });
        TokenServer {
            state,
            address,
            host: self.host.unwrap_or_else(|| address.ip().to_string()),
            scheme,
            stop: Some(stop),
        }
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(()); // the thread may have ended already
        }
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>, tls: Option<TestCertificate>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let acceptor =
        tls.map(|certificate| tokio_rustls::TlsAcceptor::from(certificate.server_config(&[], None)));
    while let Ok((stream, _)) = listener.accept().await {
        let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
        tokio::spawn(async move {
            match acceptor {
                None => connection(stream, &state).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, &state).await;
                    }
                }
            }
        });
    }
}

async fn connection(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = wire::read_request(&mut stream, &mut buffer).await {
        let (status, body) = state.answer(&request);
        let headers = [("Content-Type", "application/json")];
        let bytes = response(status, &headers, body.to_string().as_bytes());
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

impl State {
    fn answer(&self, request: &Request) -> (u16, Value) {
        let denied = |message: &str| {
            (
                401,
                json!({ "errors": [{ "code": "UNAUTHORIZED", "message": message }] }),
            )
        };
        let post = request.method == "POST";
        let fields = |name: &str| {
            if post {
                request.form(name)
            } else {
                request.query(name)
            }
        };
        let first = |name: &str| fields(name).into_iter().next().unwrap_or_default();
        if request.path() != "/token" {
            return (404, json!({}));
        }
        let grant_type = first("grant_type");
        let user = match (post, grant_type.as_str()) {
            (true, "refresh_token") => first("refresh_token")
                .strip_prefix("refresh-of-")
                .map(str::to_owned),
            (true, "password") => self.check(&first("username"), &first("password")),
            (true, _) => return (400, json!({ "errors": [{ "code": "UNSUPPORTED" }] })),
            (false, _) => match request.basic() {
                Some((name, password)) => self.check(&name, &password),
                None => Some(String::new()),
            },
        };
        let Some(user) = user else {
            return denied("wrong user or password");
        };
        // A POST carries its scopes in one field, a GET repeats the field.
        let scopes: Vec<String> = fields("scope")
            .iter()
            .flat_map(|scope| scope.split(' '))
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        let token = self.token(&user, &scopes);
        let wants_refresh = first("offline_token") == "true" || first("access_type") == "offline";
        let by = if post {
            format!("POST {grant_type}")
        } else {
            "GET".to_owned()
        };
        let mut body = json!({ "token": token, "access_token": token, "expires_in": self.lifetime });
        if wants_refresh && !user.is_empty() {
            body["refresh_token"] = json!(format!("refresh-of-{user}"));
        }
        let issued = Issued { user, by, scopes };
        self.issued.lock().expect("no test panicked here").push(issued);
        (200, body)
    }

    fn check(&self, name: &str, password: &str) -> Option<String> {
        let (expected, _) = self.users.get(name)?;
        (expected == password).then(|| name.to_owned())
    }

    fn key(&self) -> signature::EcdsaKeyPair {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = signature::EcdsaKeyPair::from_pkcs8(algorithm, self.signer.key_der(), &SystemRandom::new());
        key.expect("a P-256 key")
    }

    /// A JWT for as much of the scopes as the user may have.
    fn token(&self, user: &str, scopes: &[String]) -> String {
        let grants = self.users.get(user).map_or(&self.anonymous, |(_, grants)| grants);
        let access: Vec<Value> = scopes.iter().filter_map(|scope| allowed(grants, scope)).collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let header = json!({
            "typ": "JWT", "alg": "ES256", "kid": KEY_ID, "x5c": [STANDARD.encode(self.signer.der())],
        });
        let claims = json!({
            "iss": TokenServer::ISSUER, "sub": user, "aud": self.service,
            "nbf": now - 5, "iat": now, "exp": now + self.lifetime,
            "jti": format!("{}", self.serial.fetch_add(1, Ordering::Relaxed)),
            "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signed = self.key().sign(&SystemRandom::new(), message.as_bytes());
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(signed.expect("a signature"))
        )
    }
}

/// The allowed part of `type:name:actions` as a token states it, `None` if nothing of it is.
fn allowed(grants: &[Grant], scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let may = |action: &&str| grants.iter().any(|grant| grant.allows(name, action));
    let actions: Vec<&str> = actions.split(',').filter(may).collect();
    (!actions.is_empty()).then(|| json!({ "type": kind, "name": name, "actions": actions }))
}
