//! One run: a registry, a proxy that harms bytes, a client, and a look at what came of it.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use wharf_auth::{Credential, Fixed};
use wharf_content::{Blob, ErrorKind, Target};
use wharf_distribution::{Client, ClientBuilder, Remote};
use wharf_http::RetryPolicy;
use wharf_reference::{Registry as Name, Repository, Tag};
use wharf_registry::{Fault, Injected, Registry};
use wharf_testkit::{
    Image,
    hostile::{Answer, Direction, Match, OriginOptions, Stage, WireProxy},
};

use crate::plan::{Access, Plan, Task, Trouble};

/// More simulated time than any operation may take, whatever happens.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);
/// One run in so many is against a server that answers nonsense.
const NONSENSE_EVERY: u64 = 8;
/// How often a caller reads a blob that arrived wrong.
const READS: u32 = 3;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) seed: u64,
    pub(crate) plan: Option<Plan>,
    /// Faults that happened.
    pub(crate) hits: u64,
    /// Content that had to be moved, in bytes, and what went over the wire for it.
    pub(crate) content: u64,
    pub(crate) moved: u64,
    /// The error the client ended with.
    pub(crate) error: Option<(ErrorKind, String)>,
    pub(crate) simulated: Duration,
    pub(crate) hung: bool,
    pub(crate) panicked: bool,
    pub(crate) wrong: Vec<String>,
    pub(crate) leaks: Vec<String>,
}

impl Record {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            plan: None,
            hits: 0,
            content: 0,
            moved: 0,
            error: None,
            simulated: Duration::ZERO,
            hung: false,
            panicked: false,
            wrong: Vec::new(),
            leaks: Vec::new(),
        }
    }

    pub(crate) fn panicked(seed: u64) -> Self {
        Self {
            panicked: true,
            ..Self::new(seed)
        }
    }

    /// Whether the client failed although what went wrong would have passed.
    pub(crate) fn gave_up_early(&self) -> bool {
        self.error.is_some() && self.plan.as_ref().is_some_and(Plan::must_succeed)
    }

    /// What came of it, in one line that is the same whenever the run is repeated.
    pub(crate) fn outcome(&self) -> String {
        let task = self.plan.as_ref().map(|plan| plan.task);
        let error = self.error.as_ref().map(|(kind, _)| kind);
        format!(
            "{} {task:?} hits {} moved {} in {:?}, {error:?}{}",
            self.seed,
            self.hits,
            self.moved,
            self.simulated,
            if self.is_bad() { ", BAD" } else { "" }
        )
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.hung || self.panicked || !self.wrong.is_empty() || !self.leaks.is_empty() || self.gave_up_early()
    }
}

/// Does the run of this seed.
pub(crate) fn simulate(seed: u64) -> Record {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    if seed.is_multiple_of(NONSENSE_EVERY) {
        return runtime.block_on(crate::nonsense::simulate(seed));
    }
    runtime.block_on(simulate_paused(seed))
}

async fn simulate_paused(seed: u64) -> Record {
    let plan = Plan::draw(seed);
    let mut record = Record::new(seed);
    let stage = Stage::new();
    let password = stage.secret("password", &[]);
    let evil = stage
        .origin_with("127.0.0.1", OriginOptions::default().plain())
        .await;
    evil.on(Match::any(), Answer::challenge("Basic realm=\"evil\""));

    let proxy = WireProxy::bind(plan.troubles.iter().filter_map(of_wire).collect()).await;
    // Two doors to one content: one for the client, one to look behind it.
    let open = Registry::memory();
    let registry = guard(
        open.clone(),
        plan.access,
        &password,
        &format!("http://{}", proxy.address()),
    );
    let server = registry.clone().serve().await.unwrap();
    let back = open.serve().await.unwrap();
    proxy.pass_on(server.address());
    let image = image(&plan);
    let back_name = back.address().to_string();
    let direct = remote(&plain(&back_name).build().unwrap(), &back_name);
    if plan.task != Task::Push && plan.task != Task::PushChunks {
        push(&direct, &image).await.unwrap();
    }
    let injected = inject(&registry, &plan, &evil.url("/taken"));

    let name = proxy.address().to_string();
    let credential = Credential::basic("alice", password);
    let fixed = Fixed::new(Name::parse(&name).unwrap(), credential);
    let client = plain(&name)
        .with_credentials(Arc::new(fixed))
        .with_retry(RetryPolicy::default().with_seed(seed))
        .build()
        .unwrap();
    let through = remote(&client, &name);
    let started = tokio::time::Instant::now();
    let ended = tokio::time::timeout(LONGEST, perform(plan.task, &through, &image)).await;
    record.simulated = started.elapsed();
    match ended {
        Err(_) => record.hung = true,
        Ok(Err(Failure::Wrong(what))) if plan.garbles_unprotected() => {
            record.error = Some((ErrorKind::Other, what));
        }
        Ok(Err(Failure::Wrong(what))) => record.wrong.push(what),
        Ok(Err(Failure::Error(error))) => {
            let error = stage.inspect(error);
            record.error = Some((error.kind(), error.to_string()));
        }
        Ok(Ok(())) => {}
    }
    record.hits = proxy.hits() + injected.iter().map(Injected::hits).sum::<u64>();
    let direction = if matches!(plan.task, Task::Push | Task::PushChunks) {
        Direction::Up
    } else {
        Direction::Down
    };
    record.moved = proxy.bytes(direction);
    if matches!(plan.task, Task::Pull | Task::Push | Task::PushChunks) {
        record.content = image
            .blobs()
            .iter()
            .map(|(descriptor, _)| descriptor.size())
            .sum();
    }

    injected.iter().for_each(Injected::remove);
    let pushed = matches!(plan.task, Task::Push | Task::PushChunks) && record.error.is_none() && !record.hung;
    if pushed && let Err(failure) = pull(&direct, &image).await {
        let what = format!("what was pushed cannot be pulled: {failure:?}");
        match failure {
            // It is there under a name that nobody gave it, which over plain http nobody can tell.
            Failure::Error(error) if error.kind() == ErrorKind::NotFound && plan.garbles_requests() => {
                record.error = Some((ErrorKind::Other, what));
            }
            _ => record.wrong.push(what),
        }
    }
    record.leaks = stage.findings();
    if !record.leaks.is_empty() {
        std::mem::forget(stage); // its end would panic, which says less than the record
    }
    record.plan = Some(plan);
    record
}

fn of_wire(trouble: &Trouble) -> Option<wharf_testkit::hostile::WireFault> {
    match trouble {
        Trouble::Wire(fault) => Some(*fault),
        _ => None,
    }
}

fn guard(registry: Registry, access: Access, password: &str, external: &str) -> Registry {
    let registry = registry.with_external_url(external);
    match access {
        Access::Open => registry,
        Access::Basic => registry.with_basic("alice", password),
        Access::Tokens(life) => registry.with_basic("alice", password).with_token_lifetime(life),
    }
}

fn inject(registry: &Registry, plan: &Plan, evil: &str) -> Vec<Injected> {
    let faults = plan.troubles.iter().filter_map(|trouble| match trouble {
        Trouble::Wire(_) => None,
        Trouble::Registry { fault, .. } => Some(fault.clone()),
        Trouble::Redirect(endpoint) => Some(Fault::redirect(evil).on(*endpoint).times(1)),
    });
    faults.map(|fault| registry.inject(fault)).collect()
}

fn image(plan: &Plan) -> Image {
    let mut builder = Image::builder();
    for (number, length) in plan.layers.iter().enumerate() {
        builder = builder.noise(plan.content ^ number as u64, *length);
    }
    builder.finish()
}

fn plain(name: &str) -> ClientBuilder {
    Client::builder().with_plain_http(Name::parse(name).unwrap())
}

fn remote(client: &Client, name: &str) -> Remote {
    client.remote(&Repository::parse(&format!("{name}/team/app")).unwrap())
}

/// Why a task did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It ended well for the client, and is wrong.
    Wrong(String),
    Error(wharf_content::Error),
}

impl From<wharf_distribution::Error> for Failure {
    fn from(error: wharf_distribution::Error) -> Self {
        Self::Error(error.into())
    }
}

async fn perform(task: Task, remote: &Remote, image: &Image) -> Result<(), Failure> {
    match task {
        Task::Pull => pull(remote, image).await,
        Task::Push | Task::PushChunks => push(remote, image).await,
        Task::Mount => mount(remote, image).await,
        Task::Tags => tags(remote).await,
        Task::Login => Ok(remote
            .client()
            .check_credentials(&remote.repository().registry())
            .await?),
    }
}

fn tag() -> Tag {
    Tag::parse("v1").unwrap()
}

async fn pull(remote: &Remote, image: &Image) -> Result<(), Failure> {
    let manifest = remote.manifest(&Target::from(tag())).await?;
    if manifest != *image.manifest() {
        return Err(Failure::Wrong("the manifest is another".to_owned()));
    }
    let mut reading = JoinSet::new();
    for (descriptor, bytes) in image.blobs() {
        let (remote, descriptor, bytes) = (remote.clone(), descriptor.clone(), bytes.clone());
        reading.spawn(async move {
            let mut tries = 0;
            loop {
                tries += 1;
                match remote.blob(&descriptor)?.read_to_end(u64::MAX).await {
                    Ok(read) if read == bytes => return Ok(()),
                    Ok(_) => return Err(Failure::Wrong(format!("{} has other bytes", descriptor.digest()))),
                    Err(error) if error.kind() == ErrorKind::Mismatch && tries < READS => {}
                    Err(error) => return Err(Failure::Error(error)),
                }
            }
        });
    }
    while let Some(read) = reading.join_next().await {
        read.unwrap()?;
    }
    Ok(())
}

async fn push(remote: &Remote, image: &Image) -> Result<(), Failure> {
    for (descriptor, bytes) in image.blobs() {
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).map_err(Failure::Error)?;
        remote.push_blob(blob).await?;
    }
    Ok(remote.push_manifest(image.manifest(), Some(&tag())).await?)
}

async fn mount(remote: &Remote, image: &Image) -> Result<(), Failure> {
    let other = Repository::new(&remote.repository().registry(), "other/app").unwrap();
    let other = remote.client().remote(&other);
    for (descriptor, bytes) in image.blobs() {
        if !other.mount(descriptor, remote.repository()).await? {
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).map_err(Failure::Error)?;
            other.push_blob(blob).await?;
        }
        if !other.has_blob(descriptor).await? {
            return Err(Failure::Wrong(format!("{} was not mounted", descriptor.digest())));
        }
    }
    Ok(())
}

async fn tags(remote: &Remote) -> Result<(), Failure> {
    let tags = remote.tags().collect().await?;
    if tags == [tag()] {
        Ok(())
    } else {
        Err(Failure::Wrong(format!("the tags are {tags:?}")))
    }
}
