//! The records, as a journal of the changes that made them.
//!
//! A line is one batch: the first 16 hexadecimal digits of the sha256 of the rest, a space, and a JSON array of
//! `[key, value]`, with `null` for a removal. A last line that is cut or damaged was never acknowledged and is
//! dropped; a damaged line before the end is an error. Writers that meet share one sync.

use std::{
    collections::HashMap,
    fs,
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, task::spawn_blocking};
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Algorithm;

use super::{
    blocking,
    files::{self, At as _},
};
use crate::Change;

/// The journal is written anew when it has grown by this many bytes and to twice the size it had.
const REWRITE_AFTER: u64 = 16 * 1024 * 1024;

pub(super) struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    queue: Mutex<Queue>,
}

type Waiter = oneshot::Sender<Result<(), Error>>;

#[derive(Default)]
struct Queue {
    /// Lines, and who waits for them to be safe.
    waiting: Vec<(Vec<u8>, Waiter)>,
    /// The file, when nobody is writing to it; `None` for good after a failure that leaves its state unknown.
    file: Option<Tail>,
    broken: bool,
}

struct Tail {
    file: File,
    length: u64,
    /// The length after it was last written anew.
    compact: u64,
}

/// What a journal says.
struct Replayed {
    records: HashMap<String, String>,
    /// Where the last whole line ends.
    length: u64,
    lines: usize,
}

type Batch = Vec<(String, Option<String>)>;

impl Journal {
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let path = root.join("journal");
        let file = files::options().create(true).open(&path).at("open", &path)?;
        let replayed = replay(&path)?;
        if file.metadata().at("look at", &path)?.len() > replayed.length {
            file.set_len(replayed.length).at("truncate", &path)?;
        }
        file.sync_all().at("sync", &path)?;
        let mut tail = Tail {
            file,
            length: replayed.length,
            compact: 0,
        };
        if replayed.lines > 2 * replayed.records.len() + 1000 {
            tail = rewrite(&path, &replayed.records)?;
        }
        tail.compact = tail.length;
        let queue = Queue {
            file: Some(tail),
            ..Queue::default()
        };
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                queue: Mutex::new(queue),
            }),
        })
    }

    /// All records, in any order.
    pub(super) async fn records(&self) -> Result<Vec<(String, String)>, Error> {
        let shared = Arc::clone(&self.shared);
        blocking(move || Ok(replay(&shared.path)?.records.into_iter().collect())).await
    }

    pub(super) async fn write(&self, changes: &[Change]) -> Result<(), Error> {
        let batch: Batch = changes
            .iter()
            .map(|change| (change.key.clone(), change.value.clone()))
            .collect();
        let line = encode(&batch)?;
        let (sender, written) = oneshot::channel();
        let writer = {
            let mut queue = self.shared.queue();
            if queue.broken {
                return Err(broken(&self.shared.path));
            }
            queue.waiting.push((line, sender));
            queue.file.take()
        };
        if let Some(tail) = writer {
            let shared = Arc::clone(&self.shared);
            spawn_blocking(move || shared.drain(tail));
        }
        let interrupted = |_| Error::new(ErrorKind::Cancelled, "the runtime is shutting down");
        written.await.map_err(interrupted)?
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits until nothing does, then puts the file back.
    fn drain(&self, mut tail: Tail) {
        loop {
            let waiting = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.file = Some(tail);
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            let (lines, senders): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            let outcome = self.append(&mut tail, &lines.concat());
            let alive = outcome.is_ok() || tail.file.set_len(tail.length).is_ok();
            for sender in senders {
                let outcome = match &outcome {
                    Ok(()) => Ok(()),
                    Err(error) => Err(Error::new(error.kind(), error.to_string())),
                };
                let _ = sender.send(outcome); // who waited may have gone
            }
            // After a failed sync nothing is known of what the system still holds.
            let synced = !matches!(&outcome, Err(error) if error.kind() == ErrorKind::Corrupt);
            if !alive || !synced {
                let mut queue = self.queue();
                queue.broken = true;
                for (_, sender) in queue.waiting.drain(..) {
                    let _ = sender.send(Err(broken(&self.path)));
                }
                return;
            }
        }
    }

    fn append(&self, tail: &mut Tail, lines: &[u8]) -> Result<(), Error> {
        tail.file
            .seek(SeekFrom::Start(tail.length))
            .at("seek in", &self.path)?;
        tail.file.write_all(lines).at("write", &self.path)?;
        if let Err(error) = tail.file.sync_data() {
            let message = format!("cannot sync {}", self.path.display());
            return Err(Error::new(ErrorKind::Corrupt, message).with_source(error));
        }
        tail.length += lines.len() as u64;
        if tail.length > REWRITE_AFTER.saturating_add(tail.compact.saturating_mul(2)) {
            // A failure leaves the journal as it is: longer than it need be, but whole.
            if let Ok(compact) =
                replay(&self.path).and_then(|replayed| rewrite(&self.path, &replayed.records))
            {
                *tail = compact;
            }
        }
        Ok(())
    }
}

fn broken(path: &Path) -> Error {
    let message = format!(
        "{} could not be synced before; restart the registry",
        path.display()
    );
    Error::new(ErrorKind::Storage, message)
}

fn encode(batch: &Batch) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec(batch).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    let mut line = checksum(&json)?.into_bytes();
    line.push(b' ');
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

fn checksum(json: &[u8]) -> Result<String, Error> {
    let digest = Hasher::digest(Algorithm::Sha256, json)?;
    Ok(digest.encoded().chars().take(16).collect())
}

fn decode(line: &[u8]) -> Option<Batch> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = (line.get(..16)?, line.get(17..)?);
    if checksum(json).ok()?.as_bytes() != sum {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// Reads a journal to its last whole line.
fn replay(path: &Path) -> Result<Replayed, Error> {
    let mut replayed = Replayed {
        records: HashMap::new(),
        length: 0,
        lines: 0,
    };
    let mut file = BufReader::new(File::open(path).at("open", path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line).at("read", path)?;
        if read == 0 {
            return Ok(replayed);
        }
        let Some(batch) = decode(&line) else {
            if file.fill_buf().at("read", path)?.is_empty() {
                return Ok(replayed);
            }
            let message = format!("{} is damaged after byte {}", path.display(), replayed.length);
            return Err(Error::new(ErrorKind::Corrupt, message));
        };
        replayed.length += read as u64;
        replayed.lines += 1;
        for (key, value) in batch {
            match value {
                Some(value) => replayed.records.insert(key, value),
                None => replayed.records.remove(&key),
            };
        }
    }
}

/// Replaces the journal by one that says the same in fewer lines.
fn rewrite(path: &Path, records: &HashMap<String, String>) -> Result<Tail, Error> {
    let new = path.with_extension("new");
    let file = files::options().create(true).truncate(true).open(&new);
    let mut file = BufWriter::new(file.at("create", &new)?);
    let mut length = 0;
    for (key, value) in records {
        let line = encode(&vec![(key.clone(), Some(value.clone()))])?;
        file.write_all(&line).at("write", &new)?;
        length += line.len() as u64;
    }
    let file = file
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
        .at("write", &new)?;
    file.sync_all().at("sync", &new)?;
    fs::rename(&new, path).at("rename", &new)?;
    if let Some(directory) = path.parent() {
        files::sync_dir(directory)?;
    }
    Ok(Tail {
        file,
        length,
        compact: length,
    })
}
