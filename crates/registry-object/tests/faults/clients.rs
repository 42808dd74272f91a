//! A client: it pushes, pulls, deletes and moves tags, through whichever process answers.

use std::sync::{Arc, atomic::Ordering};

use tokio::task::JoinHandle;
use wharf_testkit::{Random, history::Action, sha256};

use crate::crowd::{Crowd, Image, MANIFEST};

const REPOSITORIES: [&str; 3] = ["app", "lib", "tools/x"];
/// Where tags are moved, and no manifest is deleted.
const TAGGED: &str = "tagged";
const TAGS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
/// How often a client begins a push again.
const ATTEMPTS: usize = 4;

/// The clients that use a registry.
pub(crate) const CLIENTS: usize = 6;

/// Clients that run.
pub(crate) struct Clients(Vec<JoinHandle<()>>);

/// Starts clients, which do what follows from a seed.
pub(crate) fn start(crowd: &Arc<Crowd>, seed: u64) -> Clients {
    let start = |number| {
        let (crowd, mut random) = (Arc::clone(crowd), Random::new(seed ^ (number + 1)));
        tokio::spawn(async move { run(&crowd, &mut random).await })
    };
    Clients((0..CLIENTS as u64).map(start).collect())
}

impl Clients {
    /// Ends them; none has found what is wrong.
    pub(crate) async fn end(self, crowd: &Crowd) {
        crowd.is_over.store(true, Ordering::Relaxed);
        for client in self.0 {
            client.await.expect("no client has found what is wrong");
        }
    }
}

async fn run(crowd: &Crowd, random: &mut Random) {
    while !crowd.is_over.load(Ordering::Relaxed) {
        match random.below(20) {
            0..7 => push(crowd, random).await,
            7..12 => move_tag(crowd, random).await,
            12..16 => read_tag(crowd, random).await,
            16..18 => pull(crowd, random).await,
            18 => delete(crowd, random).await,
            _ => untag(crowd, random).await,
        }
    }
}

async fn push(crowd: &Crowd, random: &mut Random) {
    let (repository, image) = (random.pick(&REPOSITORIES), Image::new(random));
    for _ in 0..ATTEMPTS {
        if push_blobs(crowd, random, repository, &image).await.is_none() {
            continue;
        }
        let digest = sha256(&image.manifest);
        let path = format!("/v2/{repository}/manifests/{digest}");
        let answer = crowd.ask(random, "PUT", &path, MANIFEST, &image.manifest).await;
        if answer.is_some_and(|answer| answer.status == 201) {
            crowd.images().insert((repository.to_owned(), digest), image);
            crowd.pushes.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
    crowd.given_up.fetch_add(1, Ordering::Relaxed);
}

async fn push_blobs(crowd: &Crowd, random: &mut Random, repository: &str, image: &Image) -> Option<()> {
    for blob in &image.blobs {
        let digest = sha256(blob);
        let path = format!("/v2/{repository}/blobs/{digest}");
        let there = crowd.ask(random, "HEAD", &path, "", b"").await;
        if there.is_some_and(|answer| answer.status == 200) {
            continue;
        }
        let from = random.pick(&REPOSITORIES);
        let begin = if random.coin() {
            format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}")
        } else {
            format!("/v2/{repository}/blobs/uploads/")
        };
        let begun = crowd.ask(random, "POST", &begin, "", b"").await?;
        if begun.status == 201 {
            continue; // mounted
        }
        let (first, rest) = blob.split_at(if random.coin() { 0 } else { blob.len() / 2 });
        let mut location = begun.location?;
        if !first.is_empty() {
            // Each request to whichever process there is.
            let answer = crowd.ask(random, "PATCH", &location, BYTES, first).await?;
            location = answer.location.filter(|_| answer.status == 202)?;
        }
        let separator = if location.contains('?') { '&' } else { '?' };
        let close = format!("{location}{separator}digest={digest}");
        let answer = crowd.ask(random, "PUT", &close, BYTES, rest).await?;
        if answer.status != 201 {
            return None;
        }
    }
    Some(())
}

const BYTES: &str = "application/octet-stream";

async fn move_tag(crowd: &Crowd, random: &mut Random) {
    let (tag, image) = (random.pick(&TAGS), Image::new(random));
    if push_blobs(crowd, random, TAGGED, &image).await.is_none() {
        return;
    }
    let (digest, path) = (sha256(&image.manifest), format!("/v2/{TAGGED}/manifests/{tag}"));
    let begun = crowd.moment();
    let answer = crowd.ask(random, "PUT", &path, MANIFEST, &image.manifest).await;
    let write = Action::Write(Some(digest.to_string()));
    match answer.map(|answer| answer.status) {
        Some(201) => {
            crowd.note(tag, begun, Some(crowd.moment()), write);
            crowd.images().insert((TAGGED.to_owned(), digest), image);
        }
        Some(_) => {} // refused: a blob was collected
        None => crowd.note(tag, begun, None, write),
    }
}

async fn read_tag(crowd: &Crowd, random: &mut Random) {
    let tag = random.pick(&TAGS);
    let begun = crowd.moment();
    let method = if random.coin() { "GET" } else { "HEAD" };
    let answer = crowd
        .ask(random, method, &format!("/v2/{TAGGED}/manifests/{tag}"), "", b"")
        .await;
    let read = match answer {
        Some(answer) if answer.status == 200 => Some(answer.digest.expect("a digest")),
        Some(answer) if answer.status == 404 => None,
        Some(answer) => panic!("{tag} is read with status {}", answer.status),
        None => return,
    };
    crowd.note(tag, begun, Some(crowd.moment()), Action::Read(read));
}

async fn untag(crowd: &Crowd, random: &mut Random) {
    let tag = random.pick(&TAGS);
    let begun = crowd.moment();
    let path = format!("/v2/{TAGGED}/manifests/{tag}");
    let answer = crowd.ask(random, "DELETE", &path, "", b"").await;
    match answer.map(|answer| answer.status) {
        Some(202) => crowd.note(tag, begun, Some(crowd.moment()), Action::Write(None)),
        Some(404) => crowd.note(tag, begun, Some(crowd.moment()), Action::Read(None)),
        Some(status) => panic!("{tag} is deleted with status {status}"),
        None => crowd.note(tag, begun, None, Action::Write(None)),
    }
}

async fn delete(crowd: &Crowd, random: &mut Random) {
    let Some((repository, digest)) = any(crowd, random, true) else {
        return;
    };
    // From here on nobody relies on it.
    crowd.images().remove(&(repository.clone(), digest.clone()));
    let path = format!("/v2/{repository}/manifests/{digest}");
    crowd.ask(random, "DELETE", &path, "", b"").await;
}

/// Pulls an image that was acknowledged: if there is an answer, it is the image.
async fn pull(crowd: &Crowd, random: &mut Random) {
    let Some(key) = any(crowd, random, false) else {
        return;
    };
    let Some(image) = crowd.images().get(&key).cloned() else {
        return;
    };
    let (repository, digest) = &key;
    let manifest = (format!("/v2/{repository}/manifests/{digest}"), &image.manifest);
    let blobs = image
        .blobs
        .iter()
        .map(|blob| (format!("/v2/{repository}/blobs/{}", sha256(blob)), blob));
    for (path, bytes) in std::iter::once(manifest).chain(blobs) {
        let Some(answer) = crowd.ask(random, "GET", &path, "", b"").await else {
            return;
        };
        if !crowd.images().contains_key(&key) {
            return; // another client deletes it
        }
        assert_eq!(
            answer.status,
            200,
            "{path} was acknowledged: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert!(answer.body == *bytes, "{path} has other bytes");
    }
    crowd.pulls.fetch_add(1, Ordering::Relaxed);
}

/// Any image that was acknowledged.
fn any(crowd: &Crowd, random: &mut Random, to_delete: bool) -> Option<(String, wharf_reference::Digest)> {
    let images = crowd.images();
    let keys: Vec<_> = images
        .keys()
        .filter(|(repository, _)| !to_delete || repository != TAGGED)
        .collect();
    let count = keys.len();
    (count > 0).then(|| keys[random.index(count)].clone())
}
