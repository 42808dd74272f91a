//! What each client does, round after round, and how it knows that it is right.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use wharf::{
    Client, Credential, Descriptor, Digest, Error, ErrorKind, MediaType, Name, Options, Registry, Repository,
    Sink as _, Source as _, Tag, Target, content::Blob, distribution::Remote, store::Memory,
};
use wharf_testkit::{Image, Random, sha256};

use crate::{
    Settings,
    server::{PASSWORD, Served, user},
    tally::Tally,
};

/// Where everybody finds layers to mount, and where everybody leaves an image.
const BASE: &str = "crowd/base";
const SHARED: &str = "crowd/shared";
/// Tags of one client, moved again and again.
const TAGS: u64 = 3;

pub(crate) struct Crowd {
    served: Arc<Served>,
    registry: Registry,
    seed: u64,
    clients: u64,
    base: Image,
    /// What each client's tag in the shared repository is, while it is there.
    shared: Vec<Mutex<Option<Digest>>>,
    collected: AtomicU64,
}

/// One client with everything it knows.
struct Visitor<'a> {
    crowd: &'a Crowd,
    number: u64,
    client: Client,
    own: Remote,
    shared: Remote,
    random: Random,
    tally: Tally,
    /// What its own tags are.
    tags: BTreeMap<Tag, Image>,
}

/// Why a step failed.
type Step = Result<(), String>;

fn because(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn by_tag(tag: &Tag) -> Target {
    Name::from(tag.clone()).into()
}

impl Crowd {
    /// Fills what everybody shares.
    pub(crate) async fn prepare(served: Arc<Served>, settings: &Settings) -> Self {
        let registry = Registry::parse(&served.address).unwrap();
        let base = Image::builder()
            .noise(settings.seed, 300_000)
            .noise(!settings.seed, 2000)
            .finish();
        let crowd = Self {
            served,
            registry,
            seed: settings.seed,
            clients: settings.clients,
            base,
            shared: (0..settings.clients).map(|_| Mutex::default()).collect(),
            collected: AtomicU64::new(0),
        };
        let remote = crowd.remote(&crowd.connect(0), BASE);
        push(&remote, &crowd.base, &tag("v1"))
            .await
            .expect("the base can be pushed");
        crowd
    }

    /// A client with connections and tokens of its own.
    fn connect(&self, number: u64) -> Client {
        let credential = Credential::basic(user(number), PASSWORD);
        let builder = Client::builder().with_plain_http(self.registry.clone());
        builder
            .with_credential(self.registry.clone(), credential)
            .build()
            .unwrap()
    }

    fn remote(&self, client: &Client, path: &str) -> Remote {
        client
            .distribution()
            .remote(&Repository::new(&self.registry, path).unwrap())
    }

    /// One client from its coming to its going; it leaves nothing behind.
    pub(crate) async fn client(&self, number: u64, phase: u64, rounds: u64, until: Option<Instant>) -> Tally {
        let client = self.connect(number);
        let own = self.remote(&client, &format!("crowd/own-{number}"));
        let shared = self.remote(&client, SHARED);
        let seed = [self.seed, phase, number]
            .into_iter()
            .fold(0, |seed: u64, part| seed.wrapping_mul(1_000_003) + part);
        let mut visitor = Visitor {
            crowd: self,
            number,
            client,
            own,
            shared,
            random: Random::new(seed),
            tally: Tally::default(),
            tags: BTreeMap::new(),
        };
        let goes_on = |round| until.map_or(round < rounds, |until| Instant::now() < until);
        for round in (0..).take_while(|round| goes_on(*round)) {
            let done = visitor.round(round).await;
            if let Err((step, why)) = done {
                visitor
                    .tally
                    .went_wrong(format!("client {number}, round {round}, {step}: {why}"));
            }
            visitor.tally.rounds += 1;
        }
        if let Err(why) = visitor.leave().await {
            visitor
                .tally
                .went_wrong(format!("client {number}, leaving: {why}"));
        }
        visitor.tally
    }
}

impl Visitor<'_> {
    async fn round(&mut self, round: u64) -> Result<(), (&'static str, String)> {
        self.push(round).await.map_err(|why| ("push", why))?;
        self.pull().await.map_err(|why| ("pull", why))?;
        self.share().await.map_err(|why| ("share", why))?;
        self.pull_from_another()
            .await
            .map_err(|why| ("pull from another", why))?;
        self.list().await.map_err(|why| ("list", why))?;
        self.refer().await.map_err(|why| ("refer", why))?;
        if self.random.coin() {
            self.delete().await.map_err(|why| ("delete", why))?;
        }
        if self.random.number().is_multiple_of(8) {
            self.break_off().await.map_err(|why| ("break off", why))?;
        }
        if self.number == round % self.crowd.clients {
            let served = Arc::clone(&self.crowd.served);
            let collected = tokio::task::spawn_blocking(move || served.collect())
                .await
                .map_err(|error| ("collect", because(error)))?;
            self.crowd.collected.fetch_add(collected, Ordering::Relaxed);
            self.tally.did("collections");
        }
        Ok(())
    }

    /// An image on top of the shared layers, which are mounted.
    fn image(&mut self) -> Image {
        let mut image = Image::builder();
        for _ in 0..=self.random.number() % 3 {
            let length = match self.random.number() % 16 {
                0 => 1_500_000, // several writes
                1..=4 => 100_000,
                _ => 2000,
            };
            image = image.noise(self.random.number(), length);
        }
        image.finish()
    }

    async fn push(&mut self, round: u64) -> Step {
        for (descriptor, _) in self.crowd.base.blobs() {
            let from = Repository::new(&self.crowd.registry, BASE).unwrap();
            if !self.own.mount(descriptor, &from).await.map_err(because)? {
                return Err("the mount was not done".to_owned());
            }
            self.tally.did("mounts");
        }
        let tag = tag(&format!("t{}", round % TAGS));
        let image = self.image();
        push(&self.own, &image, &tag).await.map_err(because)?;
        self.tags.insert(tag, image);
        self.tally.did("pushes");
        Ok(())
    }

    /// One of its own images, byte for byte.
    async fn pull(&mut self) -> Step {
        let images = self.tags.iter().collect::<Vec<_>>();
        let (tag, image) = self.random.pick(&images);
        let pulled = pull(&self.own, &by_tag(tag)).await.map_err(because)?;
        if pulled.digest != *image.manifest().digest() {
            return Err(format!(
                "{tag} is {}, not {}",
                pulled.digest,
                image.manifest().digest()
            ));
        }
        for (descriptor, bytes) in image.blobs() {
            if pulled
                .blobs
                .get(descriptor.digest())
                .is_none_or(|pulled| pulled != bytes)
            {
                return Err(format!("{} has other bytes", descriptor.digest()));
            }
        }
        self.tally.moved(pulled.bytes());
        self.tally.did("pulls");
        Ok(())
    }

    /// Copies one of its images to where everybody looks; no blob's bytes move.
    async fn share(&mut self) -> Step {
        let images = self.tags.keys().collect::<Vec<_>>();
        let tag = self.random.pick(&images).clone();
        let name = Name::parse(&user(self.number)).unwrap();
        let options = Options::default().with_name(name);
        let (from, to) = (Arc::new(self.own.clone()), Arc::new(self.shared.clone()));
        let report = wharf::copy::copy(from, to, &by_tag(&tag), options)
            .await
            .map_err(because)?;
        let place = self.place(self.number);
        *place.lock().unwrap() = Some(report.digest().clone());
        self.tally.did("copies");
        Ok(())
    }

    fn place(&self, number: u64) -> &Mutex<Option<Digest>> {
        self.crowd.shared.get(usize::try_from(number).unwrap()).unwrap()
    }

    /// What another client has left, which may be replaced or deleted meanwhile.
    async fn pull_from_another(&mut self) -> Step {
        let other = self.random.number() % self.crowd.clients;
        let place = self.place(other);
        let before = place.lock().unwrap().clone();
        let name = tag(&user(other));
        match pull(&self.shared, &by_tag(&name)).await {
            Ok(pulled) => {
                self.tally.moved(pulled.bytes());
                self.tally.did("pulls from others");
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let after = self.place(other).lock().unwrap().clone();
                match (before, after) {
                    (Some(before), Some(after)) if before == after => Err(because(error)),
                    _ => Ok(()), // it was not there yet, or it was just moved or deleted
                }
            }
            Err(error) => Err(because(error)),
        }
    }

    async fn list(&mut self) -> Step {
        let mut listed = self.own.tags().collect().await.map_err(because)?;
        listed.sort();
        let expected = self.tags.keys().cloned().collect::<Vec<_>>();
        if listed != expected {
            return Err(format!("the tags are {listed:?}, not {expected:?}"));
        }
        self.tally.did("tag lists");
        if self.random.number().is_multiple_of(4) {
            let listed = self
                .client
                .distribution()
                .catalog(&self.crowd.registry, 1000)
                .await
                .map_err(because)?;
            if !listed.contains(self.own.repository()) {
                return Err("the catalog lacks its repository".to_owned());
            }
            self.tally.did("catalogs");
        }
        Ok(())
    }

    /// Signs one of its images, so to speak.
    async fn refer(&mut self) -> Step {
        let images = self.tags.values().collect::<Vec<_>>();
        let subject = self.random.pick(&images).manifest().descriptor().clone();
        let kind = MediaType::parse("application/vnd.example.signature").unwrap();
        let salt = self.random.number();
        let referrer = Image::builder()
            .subject(&subject)
            .artifact_type(kind.clone())
            .noise(salt, 100)
            .finish();
        push_blobs(&self.own, &referrer).await.map_err(because)?;
        self.own
            .push_manifest(referrer.manifest(), None)
            .await
            .map_err(because)?;
        let listed = self
            .own
            .referrers(subject.digest(), Some(&kind))
            .await
            .map_err(because)?;
        let entry = listed
            .iter()
            .find(|entry| entry.digest() == referrer.manifest().digest());
        let entry = entry.ok_or("the referrer is not listed")?;
        let found = self
            .own
            .referrer(entry, subject.digest())
            .await
            .map_err(because)?;
        if found.bytes() != referrer.manifest().bytes() {
            return Err("the referrer has other bytes".to_owned());
        }
        self.tally.did("referrers");
        Ok(())
    }

    /// A tag, or the manifest that it leads to; either way the tag is gone.
    async fn delete(&mut self) -> Step {
        let tags = self.tags.keys().collect::<Vec<_>>();
        let tag = self.random.pick(&tags).clone();
        let image = self.tags.remove(&tag).unwrap();
        if self.random.coin() {
            self.own.delete_tag(&tag).await.map_err(because)?;
        } else {
            self.own
                .delete_manifest(image.manifest().digest())
                .await
                .map_err(because)?;
        }
        self.tally.did("deletes");
        match self.own.resolve(&by_tag(&tag)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(because(error)),
            Ok(_) => Err(format!("{tag} is still there")),
        }
    }

    /// Begins to push and stops, somewhere.
    async fn break_off(&mut self) -> Step {
        let image = Image::builder().noise(self.random.number(), 3_000_000).finish();
        let after = Duration::from_micros(self.random.number() % 300_000);
        let pushed = tokio::time::timeout(after, push_blobs(&self.own, &image)).await;
        self.tally.did(if pushed.is_err() {
            "pushes broken off"
        } else {
            "pushes not broken off"
        });
        pushed.unwrap_or(Ok(())).map_err(because)
    }

    /// Deletes what it has; nobody needs to be told of what garbage collection finds by itself.
    async fn leave(&mut self) -> Step {
        for tag in std::mem::take(&mut self.tags).into_keys() {
            self.own.delete_tag(&tag).await.map_err(because)?;
        }
        if self.place(self.number).lock().unwrap().take().is_some() {
            self.shared
                .delete_tag(&tag(&user(self.number)))
                .await
                .map_err(because)?;
        }
        Ok(())
    }
}

pub(crate) async fn push(to: &Remote, image: &Image, tag: &Tag) -> Result<(), Error> {
    let store = Memory::new();
    let name = Name::from(tag.clone());
    for (descriptor, bytes) in image.blobs() {
        store
            .push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone())?)
            .await?;
    }
    store.push_manifest(image.manifest(), Some(&name)).await?;
    let options = Options::default().with_name(name.clone());
    wharf::copy::copy(Arc::new(store), Arc::new(to.clone()), &name.into(), options).await?;
    Ok(())
}

async fn push_blobs(to: &Remote, image: &Image) -> Result<(), wharf::distribution::Error> {
    for (descriptor, bytes) in image.blobs() {
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).expect("a blob of the right size");
        to.push_blob(blob).await?;
    }
    Ok(())
}

/// What was pulled, hashed once more.
pub(crate) struct Pulled {
    digest: Digest,
    blobs: BTreeMap<Digest, bytes::Bytes>,
}

impl Pulled {
    fn bytes(&self) -> u64 {
        self.blobs.values().map(|bytes| bytes.len() as u64).sum()
    }
}

pub(crate) async fn pull(from: &Remote, target: &Target) -> Result<Pulled, Error> {
    let store = Memory::new();
    let report = wharf::copy::copy(
        Arc::new(from.clone()),
        Arc::new(store.clone()),
        target,
        Options::default(),
    )
    .await?;
    let manifest = store.manifest(&report.digest().clone().into()).await?;
    let mut blobs = BTreeMap::new();
    for descriptor in manifest.blobs() {
        let descriptor: &Descriptor = descriptor;
        let bytes = store
            .blob(descriptor)
            .await?
            .read_to_end(descriptor.size())
            .await?;
        if sha256(&bytes) != *descriptor.digest() {
            return Err(Error::new(ErrorKind::Mismatch, "a client accepted wrong bytes"));
        }
        blobs.insert(descriptor.digest().clone(), bytes);
    }
    Ok(Pulled {
        digest: sha256(manifest.bytes()),
        blobs,
    })
}
