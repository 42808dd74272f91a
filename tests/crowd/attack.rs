//! The attackers, as a process of its own, and this side of the pipe to it.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read as _},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::siege::COLD_SIZE;

/// The address to attack, in the environment of the process that does.
pub(crate) const ADDRESS: &str = "WHARF_CROWD_ATTACK";
const REPOSITORY: &str = "WHARF_CROWD_REPOSITORY";
const COLD: &str = "WHARF_CROWD_COLD";

/// The registry's limit on each of these, from the connection to the answer or the end, and what a busy machine may
/// add. A run has to be longer to meet it.
const LIMIT: Duration = Duration::from_secs(30);
const SLACK: Duration = Duration::from_secs(10);
/// For so long all ranges are of one blob.
const BLOB: Duration = Duration::from_millis(400);
/// The most problems that are told.
const KEPT: usize = 10;

#[derive(Clone, Copy)]
enum Attack {
    /// A wrong password, of users that exist and of others.
    Guess,
    /// The same, but the answer is not waited for.
    Leave,
    /// A form that comes a byte at a time.
    Drip,
    /// A connection without a request, or with the beginning of one.
    Idle,
    /// A part of a blob that nobody has read.
    Range,
    /// An anonymous token for as much as one may ask.
    Token,
}

/// Who does so: how many at a time from one address, each with so long a pause after each attempt, and how the
/// registry may answer them. Those it has no room for are answered 503 or not at all.
struct Plan {
    name: &'static str,
    attack: Attack,
    attackers: u64,
    pause: Duration,
    answers: &'static [u16],
}

const fn plan(
    name: &'static str,
    attack: Attack,
    attackers: u64,
    pause: u64,
    answers: &'static [u16],
) -> Plan {
    Plan {
        name,
        attack,
        attackers,
        pause: Duration::from_millis(pause),
        answers,
    }
}

const PLANS: [Plan; 6] = [
    plan("guesses", Attack::Guess, 24, 100, &[401, 429]),
    plan("logins left", Attack::Leave, 4, 100, &[]),
    plan("slow forms", Attack::Drip, 24, 100, &[408]),
    plan("idle connections", Attack::Idle, 160, 1000, &[408]),
    plan("cold ranges", Attack::Range, 16, 100, &[206]),
    plan("tokens", Attack::Token, 8, 100, &[200]),
];

/// What became of the attackers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) problems: Vec<String>,
}

impl Outcome {
    fn add(&mut self, plan: &Plan, attempt: Result<io::Result<Option<Answer>>, String>) {
        let what = match &attempt {
            Ok(Ok(Some(answer))) => answer.status.to_string(),
            Ok(Ok(None)) => "ended".to_owned(),
            Ok(Err(_)) => "closed".to_owned(),
            Err(_) => "unanswered".to_owned(),
        };
        let problem = match attempt {
            Ok(Ok(Some(answer))) => answer.problem(plan),
            Ok(_) => None,
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem.filter(|_| self.problems.len() < KEPT) {
            self.problems.push(format!("{}: {problem}", plan.name));
        }
        let counts = self.counts.entry(plan.name.to_owned()).or_default();
        *counts.entry(what).or_default() += 1;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, counts) in &self.counts {
            write!(f, "  {name}:")?;
            for (what, count) in counts {
                write!(f, " {what} {count}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The process of the attackers.
pub(crate) struct Attackers {
    child: Child,
    stdin: ChildStdin,
}

impl Attackers {
    pub(crate) fn start(address: &str, repository: &str, cold: &[String]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ADDRESS, address)
            .env(REPOSITORY, repository)
            .env(COLD, cold.join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        Self { child, stdin }
    }

    /// Lets them all go at once.
    pub(crate) fn end(self) -> Outcome {
        drop(self.stdin);
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "the attackers failed");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

struct Target {
    address: SocketAddr,
    repository: String,
    cold: Vec<String>,
    started: Instant,
    outcome: Mutex<Outcome>,
}

/// Attacks until standard input ends, then prints what became of it.
pub(crate) fn attack(address: &str) {
    let target = Arc::new(Target {
        address: address.parse().unwrap(),
        repository: std::env::var(REPOSITORY).unwrap(),
        cold: std::env::var(COLD)
            .unwrap()
            .split(',')
            .map(str::to_owned)
            .collect(),
        started: Instant::now(),
        outcome: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for (plan, host) in PLANS.iter().zip(1..) {
        for number in 0..plan.attackers {
            runtime.spawn(Arc::clone(&target).attacker(plan, Ipv4Addr::new(127, 0, 1, host), number));
        }
    }
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(runtime);
    println!(
        "{}",
        serde_json::to_string(&*target.outcome.lock().unwrap()).unwrap()
    );
}

impl Target {
    async fn attacker(self: Arc<Self>, plan: &'static Plan, from: Ipv4Addr, number: u64) {
        for attempt in 0.. {
            let made = timeout(LIMIT + SLACK, self.attempt(plan.attack, from, number + attempt)).await;
            let made = made.map_err(|_| "neither answered nor closed in time".to_owned());
            self.outcome.lock().unwrap().add(plan, made);
            sleep(plan.pause).await;
        }
    }

    async fn attempt(&self, attack: Attack, from: Ipv4Addr, number: u64) -> io::Result<Option<Answer>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let mut stream = socket.connect(self.address).await?;
        match attack {
            Attack::Guess => ask(&mut stream, &login(number)).await,
            Attack::Leave => {
                stream.write_all(login(number).as_bytes()).await?;
                sleep(Duration::from_millis(20)).await; // until it is waited for, or checked
                Ok(None)
            }
            Attack::Drip => drip(stream).await,
            Attack::Idle => {
                if number.is_multiple_of(2) {
                    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n").await?;
                }
                answer(&mut stream).await
            }
            Attack::Range => {
                let token = ask(&mut stream, &self.token(1)).await?;
                let Some(token) = token.and_then(|answer| answer.token()) else {
                    return Ok(None);
                };
                let blob = self.started.elapsed().as_millis() / BLOB.as_millis();
                let blob = usize::try_from(blob).unwrap() % self.cold.len();
                let first = usize::try_from(number).unwrap() * 1009 % (COLD_SIZE - 100);
                let request = format!(
                    "GET /v2/{}/blobs/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
                     Range: bytes={first}-{}\r\n\r\n",
                    self.repository,
                    self.cold[blob],
                    first + 99
                );
                ask(&mut stream, &request).await
            }
            Attack::Token => ask(&mut stream, &self.token(64)).await,
        }
    }

    fn token(&self, scopes: usize) -> String {
        let scope = format!("&scope=repository:{}:pull", self.repository);
        format!(
            "GET /token?service=x{} HTTP/1.1\r\nHost: x\r\n\r\n",
            scope.repeat(scopes)
        )
    }
}

/// A request for a token with a password that is none: every other one of a user that exists.
fn login(number: u64) -> String {
    let user = if number.is_multiple_of(2) {
        "honest-0-0".to_owned()
    } else {
        format!("nobody-{number}")
    };
    let form = format!("grant_type=password&username={user}&password={number}");
    format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// Sends a form a byte at a time, until that is answered.
async fn drip(mut stream: TcpStream) -> io::Result<Option<Answer>> {
    let (mut reader, mut writer) = stream.split();
    let head = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n";
    writer.write_all(head).await?;
    let dripping = async {
        loop {
            writer.write_all(b"a").await?;
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        answer = answer(&mut reader) => answer,
        failed = dripping => failed,
    }
}

async fn ask(stream: &mut TcpStream, request: &str) -> io::Result<Option<Answer>> {
    stream.write_all(request.as_bytes()).await?;
    answer(stream).await
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// The next answer, or `None` at the end of the connection.
async fn answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Option<Answer>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(Answer { status, head, body }))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(own, value)| (own == name).then_some(value))
}

impl Answer {
    fn token(&self) -> Option<String> {
        let document: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(document.get("token")?.as_str()?.to_owned())
    }

    /// What is wrong with this as an answer to such an attack.
    fn problem(&self, plan: &Plan) -> Option<String> {
        let asks_to_wait = [429, 503].contains(&self.status);
        if asks_to_wait && header(&self.head, "retry-after").is_none() {
            return Some(format!("{} without Retry-After", self.status));
        }
        if self.status == 206 && self.body.len() != 100 {
            return Some(format!("a range of {} bytes", self.body.len()));
        }
        let is_expected = self.status == 503 || plan.answers.contains(&self.status);
        (!is_expected).then(|| format!("answered {}", self.status))
    }
}
