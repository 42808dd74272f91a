//! A file system of which some changes are not on the disk yet.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Fate, recording::Change};
use wharf_testkit::Random;

type Inode = usize;

/// The state on the disk, and, while changes are replayed, the state that processes see.
pub(crate) struct Disk {
    /// On the disk.
    files: HashMap<Inode, File>,
    entries: HashMap<(Inode, String), Inode>,
    /// As processes see it.
    seen: HashMap<(Inode, String), Inode>,
    directories: Vec<Inode>,
    next: Inode,
    /// What is not on the disk yet, in order.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    nanoseconds: u32,
    mode: u32,
}

enum Pending {
    Bytes {
        file: Inode,
        at: usize,
        bytes: Vec<u8>,
    },
    Length {
        file: Inode,
        length: usize,
    },
    Mark {
        file: Inode,
        nanoseconds: u32,
    },
    Enter {
        directory: Inode,
        name: String,
        inode: Inode,
    },
    Leave {
        directory: Inode,
        name: String,
        inode: Inode,
    },
    Move {
        from: (Inode, String),
        to: (Inode, String),
        inode: Inode,
    },
}

const ROOT: Inode = 0;

impl Disk {
    /// What a directory holds, all of it on the disk.
    pub(crate) fn read(path: &Path) -> Self {
        let mut disk = Self {
            files: HashMap::new(),
            entries: HashMap::new(),
            seen: HashMap::new(),
            directories: vec![ROOT],
            next: 1,
            pending: Vec::new(),
        };
        disk.read_into(ROOT, path);
        disk.seen = disk.entries.clone();
        disk
    }

    fn read_into(&mut self, directory: Inode, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;

        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let inode = self.new_inode();
            let name = entry.file_name().into_string().unwrap();
            self.entries.insert((directory, name), inode);
            if entry.file_type().unwrap().is_dir() {
                self.directories.push(inode);
                self.read_into(inode, &entry.path());
                continue;
            }
            let metadata = entry.metadata().unwrap();
            let modified = metadata
                .modified()
                .unwrap()
                .duration_since(SystemTime::UNIX_EPOCH);
            let file = File {
                bytes: std::fs::read(entry.path()).unwrap(),
                nanoseconds: modified.unwrap().subsec_nanos(),
                mode: metadata.permissions().mode(),
            };
            self.files.insert(inode, file);
        }
    }

    fn new_inode(&mut self) -> Inode {
        self.next += 1;
        self.next - 1
    }

    /// Does the changes, and lets the power fail; how many of them were uncertain then.
    pub(crate) fn replay(&mut self, changes: &[Change], fate: Fate) -> usize {
        for change in changes {
            self.change(change);
        }
        let pending = std::mem::take(&mut self.pending);
        let uncertain = pending.len();
        let mut random = Random::new(if let Fate::Seeded(seed) = fate { seed } else { 0 });
        for (number, change) in pending.into_iter().enumerate() {
            let data = matches!(
                change,
                Pending::Bytes { .. } | Pending::Length { .. } | Pending::Mark { .. }
            );
            let kept = match fate {
                Fate::Lost => false,
                Fate::Kept => true,
                Fate::Empty => !data,
                Fate::AllBut(lost) => number != lost,
                Fate::Seeded(_) => random.coin(),
            };
            match change {
                Pending::Bytes { file, at, bytes } if matches!(fate, Fate::Seeded(_)) && kept => {
                    let torn = match random.below(3) {
                        0 => bytes,
                        1 => bytes[..random.index(bytes.len() + 1)].to_vec(),
                        _ => vec![0; bytes.len()],
                    };
                    self.apply(Pending::Bytes {
                        file,
                        at,
                        bytes: torn,
                    });
                }
                change if kept => self.apply(change),
                _ => {}
            }
        }
        uncertain
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Create(path) => {
                let (directory, name) = self.place(path);
                if !self.seen.contains_key(&(directory, name.clone())) {
                    let inode = self.new_inode();
                    self.files.insert(
                        inode,
                        File {
                            mode: 0o600,
                            ..File::default()
                        },
                    );
                    self.enter(directory, name, inode);
                }
            }
            Change::Directory(path) => {
                let (directory, name) = self.place(path);
                let inode = self.new_inode();
                self.directories.push(inode);
                self.enter(directory, name, inode);
            }
            Change::Write { path, at, bytes } => {
                let Some(file) = self.find(path) else { return };
                let (at, bytes) = (usize::try_from(*at).unwrap(), bytes.clone());
                self.pending.push(Pending::Bytes { file, at, bytes });
            }
            Change::Length { path, length } => {
                let Some(file) = self.find(path) else { return };
                let length = usize::try_from(*length).unwrap();
                self.pending.push(Pending::Length { file, length });
            }
            Change::Mark { path, nanoseconds } => {
                let Some(file) = self.find(path) else { return };
                self.pending.push(Pending::Mark {
                    file,
                    nanoseconds: *nanoseconds,
                });
            }
            Change::Sync(path) => {
                let Some(inode) = self.find(path) else { return };
                self.sync(inode);
            }
            Change::Rename { from, to } => {
                let (from, to) = (self.place(from), self.place(to));
                let inode = self.seen[&from];
                if self.seen.get(&to) == Some(&inode) {
                    return; // two names of one file: nothing happens
                }
                self.seen.remove(&from);
                self.seen.insert(to.clone(), inode);
                self.pending.push(Pending::Move { from, to, inode });
            }
            Change::Link { from, to } => {
                let (from, (directory, name)) = (self.place(from), self.place(to));
                let inode = self.seen[&from];
                self.enter(directory, name, inode);
            }
            Change::Remove(path) => {
                let (directory, name) = self.place(path);
                let inode = self
                    .seen
                    .remove(&(directory, name.clone()))
                    .expect("it was there");
                self.pending.push(Pending::Leave {
                    directory,
                    name,
                    inode,
                });
            }
            Change::Acknowledged => {}
        }
    }

    fn enter(&mut self, directory: Inode, name: String, inode: Inode) {
        self.seen.insert((directory, name.clone()), inode);
        self.pending.push(Pending::Enter {
            directory,
            name,
            inode,
        });
    }

    /// What is pending about the file, or about the entries of the directory, goes to the disk.
    fn sync(&mut self, inode: Inode) {
        for change in std::mem::take(&mut self.pending) {
            let covered = match &change {
                Pending::Bytes { file, .. } | Pending::Length { file, .. } | Pending::Mark { file, .. } => {
                    *file == inode
                }
                Pending::Enter { directory, .. } | Pending::Leave { directory, .. } => *directory == inode,
                Pending::Move { to, .. } => to.0 == inode,
            };
            if covered {
                self.apply(change);
            } else {
                self.pending.push(change);
            }
        }
    }

    fn apply(&mut self, change: Pending) {
        match change {
            Pending::Bytes { file, at, bytes } => {
                let file = self.files.get_mut(&file).expect("a file");
                let end = at + bytes.len();
                file.bytes.resize(file.bytes.len().max(end), 0);
                file.bytes[at..end].copy_from_slice(&bytes);
            }
            Pending::Length { file, length } => {
                self.files.get_mut(&file).expect("a file").bytes.resize(length, 0);
            }
            Pending::Mark { file, nanoseconds } => {
                self.files.get_mut(&file).expect("a file").nanoseconds = nanoseconds;
            }
            Pending::Enter {
                directory,
                name,
                inode,
            } => drop(self.entries.insert((directory, name), inode)),
            Pending::Leave {
                directory,
                name,
                inode,
            } => self.leave(&(directory, name), inode),
            Pending::Move { from, to, inode } => {
                self.leave(&from, inode);
                self.entries.insert(to, inode);
            }
        }
    }

    fn leave(&mut self, place: &(Inode, String), inode: Inode) {
        if self.entries.get(place) == Some(&inode) {
            self.entries.remove(place);
        }
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        let mut inode = ROOT;
        for name in path {
            inode = *self.seen.get(&(inode, name.to_str().unwrap().to_owned()))?;
        }
        Some(inode)
    }

    fn place(&self, path: &Path) -> (Inode, String) {
        let directory = path.parent().map_or(ROOT, |parent| {
            self.find(parent)
                .unwrap_or_else(|| panic!("no directory {}", parent.display()))
        });
        (directory, path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    /// Writes what is on the disk into a directory.
    pub(crate) fn write(&self, to: &Path) {
        use std::os::unix::fs::PermissionsExt;

        let mut waiting = vec![(ROOT, to.to_owned())];
        while let Some((directory, path)) = waiting.pop() {
            std::fs::create_dir_all(&path).unwrap();
            for ((parent, name), inode) in &self.entries {
                if *parent != directory {
                    continue;
                }
                let path: PathBuf = path.join(name);
                if self.directories.contains(inode) {
                    waiting.push((*inode, path));
                    continue;
                }
                let content = &self.files[inode];
                std::fs::write(&path, &content.bytes).unwrap();
                let file = std::fs::File::options().append(true).open(&path).unwrap();
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                let modified = Duration::new(now.as_secs(), content.nanoseconds);
                file.set_modified(SystemTime::UNIX_EPOCH + modified).unwrap();
                file.set_permissions(PermissionsExt::from_mode(content.mode))
                    .unwrap();
            }
        }
    }
}
