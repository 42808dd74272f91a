use std::{
    fmt,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Runtime;
use wharf_http::{ReqwestConnector, RetryPolicy, Timeouts};
use wharf_testkit::{
    Image,
    hostile::{
        Budget, Meter, OriginOptions,
        scene::{Scene, tag},
    },
};

use crate::ask::{Ask, Counted};

/// One attack and what it may cost.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) ask: Ask,
    /// What the hosts do.
    pub(crate) set: Box<dyn Fn(&Scene)>,
    pub(crate) options: OriginOptions,
    /// Whether tries that failed are made again.
    pub(crate) retries: bool,
    /// Whether the client is dropped after a moment instead of awaited.
    pub(crate) dropped: bool,
    pub(crate) budget: Budget,
    /// Bytes of bodies that the client may take from its transport.
    pub(crate) taken: u64,
    /// Bytes that may be allocated at once.
    pub(crate) heap: u64,
}

/// What a client may take beyond a limit before it sees that it is beyond: one read of the transport's.
pub(crate) const ONE_READ: u64 = 64 << 10;

impl Case {
    pub(crate) fn new(what: impl Into<String>, ask: Ask, set: impl Fn(&Scene) + 'static) -> Self {
        Self {
            what: what.into(),
            ask,
            set: Box::new(set),
            options: OriginOptions::default(),
            retries: false,
            dropped: false,
            budget: Budget::default(),
            taken: ONE_READ,
            heap: 16 << 20,
        }
    }

    pub(crate) fn with_retries(mut self) -> Self {
        self.retries = true;
        self
    }

    pub(crate) fn with_taken(mut self, limit: u64) -> Self {
        self.taken = limit + ONE_READ;
        self.budget.sent = limit + Budget::sockets();
        self
    }

    pub(crate) fn with_requests(mut self, requests: u64) -> Self {
        self.budget.requests = requests;
        self.budget.received = (64 << 10).max(requests * 512);
        self
    }

    pub(crate) fn with_connections(mut self, connections: u64) -> Self {
        self.budget.connections = connections;
        self.budget.sent = self.budget.sent.max(connections * Budget::sockets());
        self
    }

    pub(crate) fn with_heap(mut self, bytes: u64) -> Self {
        self.heap = bytes;
        self
    }

    pub(crate) fn over_http2(mut self) -> Self {
        self.options = OriginOptions::default().http2();
        self.what.push_str(", HTTP/2");
        self
    }

    /// Runs it: its figures, and what was too much.
    fn run(&self, runtime: &Runtime) -> (Figures, Vec<String>) {
        let scene = runtime.block_on(Scene::speaking(&self.options));
        runtime.block_on(warm_up(&scene));
        (self.set)(&scene);
        let taken = Arc::new(AtomicU64::new(0));
        let mut builder = scene.builder();
        if !self.retries {
            builder = builder.with_retry(RetryPolicy::never());
        }
        let connector = ReqwestConnector::new()
            .with_timeouts(timeouts())
            .with_dns_resolver(Arc::new(scene.stage.names()));
        let counted = Counted {
            inner: Arc::new(connector),
            taken: Arc::clone(&taken),
        };
        let client = builder.with_connect(Arc::new(counted)).build().unwrap();
        let meter = Meter::start(&scene.stage);
        let mut ended = None;
        let heap = allocation_counter::measure(|| {
            ended = runtime.block_on(async {
                let asking = self.ask.of(&scene, &client);
                let limit = if self.dropped {
                    Duration::from_millis(300)
                } else {
                    Duration::from_secs(60)
                };
                tokio::time::timeout(limit, asking).await.ok()
            });
        });
        drop(client);
        let spent = runtime.block_on(meter.stop(&scene.stage));
        let figures = Figures {
            cases: 1,
            requests: spent.requests,
            connections: spent.connections,
            sent: spent.sent,
            taken: taken.load(Ordering::Relaxed),
            beyond: taken
                .load(Ordering::Relaxed)
                .saturating_sub(self.taken - ONE_READ),
            heap: heap.bytes_max,
            resident: spent.resident.unwrap_or(0),
            files: spent.files,
            millis: u64::try_from(spent.time.as_millis()).unwrap_or(u64::MAX),
        };
        let mut wrong = self.budget.exceeded_by(&spent);
        if figures.taken > self.taken {
            wrong.push(format!("{} bytes taken instead of {}", figures.taken, self.taken));
        }
        if figures.heap > self.heap {
            wrong.push(format!(
                "{} bytes allocated instead of {}",
                figures.heap, self.heap
            ));
        }
        match ended {
            Some(Ok(())) if self.ask.reads() => wrong.push("it ended well".to_owned()),
            None if !self.dropped => wrong.push("it did not end".to_owned()),
            _ => (),
        }
        (figures, wrong)
    }
}

fn timeouts() -> Timeouts {
    let moment = Duration::from_secs(2);
    Timeouts::default()
        .with_connect(moment)
        .with_head(moment)
        .with_idle(moment)
}

/// An ordinary exchange, so that what is built once is there before anything is counted.
async fn warm_up(scene: &Scene) {
    let image = Image::small("warm");
    scene.registry.serve_image("team/app", "v1", &image);
    scene.anonymous().manifest(&tag("v1")).await.unwrap();
    scene.registry.clear();
}

/// Runs all cases and prints their figures.
pub(crate) fn run_all(cases: &[Case]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut ok = true;
    for case in cases {
        let (figures, wrong) = case.run(&runtime);
        println!("case {}", figures.write());
        for wrong in wrong {
            println!("{}: {wrong}", case.what);
            ok = false;
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What cases did cost: each figure is the largest of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) cases: u64,
    requests: u64,
    connections: u64,
    sent: u64,
    taken: u64,
    beyond: u64,
    heap: u64,
    resident: u64,
    files: u64,
    millis: u64,
}

impl Figures {
    fn all(&mut self) -> [&mut u64; 10] {
        [
            &mut self.cases,
            &mut self.requests,
            &mut self.connections,
            &mut self.sent,
            &mut self.taken,
            &mut self.beyond,
            &mut self.heap,
            &mut self.resident,
            &mut self.files,
            &mut self.millis,
        ]
    }

    fn write(mut self) -> String {
        let numbers = self.all().map(|number| number.to_string());
        numbers.join(" ")
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut figures = Self::default();
        let mut words = text.split(' ');
        for number in figures.all() {
            *number = words.next()?.parse().ok()?;
        }
        Some(figures)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let cases = self.cases + other.cases;
        let mut other = *other;
        for (mine, other) in self.all().into_iter().zip(other.all()) {
            *mine = (*mine).max(*other);
        }
        self.cases = cases;
    }

    pub(crate) const fn head() -> &'static str {
        "| script | cases | requests | connections | KiB sent | KiB taken | KiB beyond the limit | KiB of heap | KiB of RSS | files left | ms |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    }

    pub(crate) fn named(&self, name: &str) -> String {
        format!("| `{name}` {self}")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes.div_ceil(1024);
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.cases,
            self.requests,
            self.connections,
            kib(self.sent),
            kib(self.taken),
            kib(self.beyond),
            kib(self.heap),
            kib(self.resident),
            self.files,
            self.millis,
        )
    }
}
