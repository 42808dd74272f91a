//! What a worker did to the file system, from strace's account.

use std::{collections::HashMap, fmt, path::PathBuf};

use wharf_testkit::faults::{Scenario as _, Stage, strace};

use crate::scenario::Scenario;

const CALLS: &str = "trace=openat,mkdir,mkdirat,read,write,writev,lseek,fsync,fdatasync,renameat,renameat2,\
                     rename,linkat,unlinkat,unlink,utimensat,ftruncate,pwrite64,close";

/// A change, as the disk will see it. Paths are relative to the stage.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The file is made if it is not there.
    Create(PathBuf),
    Directory(PathBuf),
    /// Bytes of the file that now has this name.
    Write {
        path: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    Length {
        path: PathBuf,
        length: u64,
    },
    /// The nanoseconds of its last write.
    Mark {
        path: PathBuf,
        nanoseconds: u32,
    },
    Sync(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
    /// The worker said that a step is done.
    Acknowledged,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, at, bytes } => {
                write!(f, "{} bytes at {at} of {}", bytes.len(), path.display())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

pub(crate) struct Recording {
    pub(crate) changes: Vec<Change>,
}

impl Recording {
    /// Runs the steps on the stage and writes down what they change.
    pub(crate) fn of(scenario: &Scenario, stage: &Stage) -> Self {
        let options = ["-y", "-xx", "-s", "4000000", "-e", CALLS];
        let ended = strace(&scenario.worker(stage), stage.path(), &options);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let mut reader = Reader {
            root: format!("{}/", stage.path().to_str().unwrap()),
            positions: HashMap::new(),
            unfinished: HashMap::new(),
            changes: Vec::new(),
        };
        ended.account.lines().for_each(|line| reader.line(line));
        let steps = reader
            .changes
            .iter()
            .filter(|change| matches!(change, Change::Acknowledged))
            .count();
        assert_eq!(steps, scenario.steps.len(), "{}", ended.stdout);
        Self {
            changes: reader.changes,
        }
    }
}

struct Reader {
    root: String,
    /// Where in its file each descriptor stands.
    positions: HashMap<u64, u64>,
    /// Calls of each thread that another has interrupted in the account.
    unfinished: HashMap<String, String>,
    changes: Vec<Change>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            self.unfinished.insert(thread.to_owned(), begun.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let begun = self.unfinished.remove(thread).unwrap();
            let (_, end) = resumed.split_once(" resumed>").unwrap();
            self.call(&format!("{begun}{end}"));
        } else if rest.contains('(') {
            self.call(rest);
        }
    }

    fn call(&mut self, call: &str) {
        let (name, rest) = call.split_once('(').unwrap();
        let Some((arguments, result)) = rest.rsplit_once(" = ") else {
            return;
        };
        let arguments = arguments.trim_end().trim_end_matches(')');
        if result.starts_with('-') || result.starts_with('?') {
            return;
        }
        let result_number = leading_number(result);
        let arguments = split(arguments);
        match name {
            "openat" => {
                self.positions.insert(result_number, 0);
                let path = self.at(&arguments[0], &arguments[1]);
                if let Some(path) = path.filter(|_| arguments[2].contains("O_CREAT")) {
                    self.changes.push(Change::Create(path));
                }
            }
            "close" => drop(self.positions.remove(&leading_number(&arguments[0]))),
            "lseek" => drop(
                self.positions
                    .insert(leading_number(&arguments[0]), result_number),
            ),
            "read" => *self.position(&arguments[0]) += result_number,
            "write" | "writev" => {
                let at = *self.position(&arguments[0]);
                *self.position(&arguments[0]) += result_number;
                self.write(&arguments, at, result_number);
            }
            "pwrite64" => self.write(&arguments, leading_number(&arguments[3]), result_number),
            "ftruncate" => {
                let length = leading_number(&arguments[1]);
                self.push(self.of_descriptor(&arguments[0]), |path| Change::Length {
                    path,
                    length,
                });
            }
            "mkdir" => self.push(self.inside(&unescape(&arguments[0])), Change::Directory),
            "mkdirat" => self.push(self.at(&arguments[0], &arguments[1]), Change::Directory),
            "fsync" | "fdatasync" => self.push(self.of_descriptor(&arguments[0]), Change::Sync),
            "unlinkat" => self.push(self.at(&arguments[0], &arguments[1]), Change::Remove),
            "renameat" | "renameat2" | "linkat" => {
                let from = self.at(&arguments[0], &arguments[1]);
                let to = self.at(&arguments[2], &arguments[3]);
                if let (Some(from), Some(to)) = (from, to) {
                    self.changes.push(if name == "linkat" {
                        Change::Link { from, to }
                    } else {
                        Change::Rename { from, to }
                    });
                }
            }
            "utimensat" => {
                let nanoseconds = arguments.last().unwrap();
                let part = arguments
                    .iter()
                    .rev()
                    .find(|argument| argument.contains("tv_nsec="))
                    .unwrap_or(nanoseconds);
                let (_, number) = part.rsplit_once("tv_nsec=").unwrap();
                let nanoseconds = u32::try_from(leading_number(number)).unwrap();
                self.push(self.of_descriptor(&arguments[0]), |path| Change::Mark {
                    path,
                    nanoseconds,
                });
            }
            other => panic!("the model does not know {other}: {call}"),
        }
    }

    fn push(&mut self, path: Option<PathBuf>, change: impl FnOnce(PathBuf) -> Change) {
        self.changes.extend(path.map(change));
    }

    fn position(&mut self, descriptor: &str) -> &mut u64 {
        self.positions.entry(leading_number(descriptor)).or_default()
    }

    fn write(&mut self, arguments: &[String], at: u64, written: u64) {
        let mut bytes: Vec<u8> = if arguments[1].starts_with('[') {
            // [{iov_base="...", iov_len=5}, ...]
            let strings = arguments[1].split("iov_base=\"").skip(1);
            strings
                .flat_map(|part| unescape_bytes(part.split('"').next().unwrap()))
                .collect()
        } else {
            unescape_bytes(arguments[1].trim_matches('"'))
        };
        bytes.truncate(usize::try_from(written).unwrap());
        if let Some(path) = self.of_descriptor(&arguments[0]) {
            assert_eq!(bytes.len() as u64, written, "the account is complete");
            self.changes.push(Change::Write { path, at, bytes });
        } else if arguments[0].starts_with("1<") && bytes.starts_with(b"done ") {
            self.changes.push(Change::Acknowledged);
        }
    }

    /// The path of `5</a/b>`, if it is on the stage.
    fn of_descriptor(&self, descriptor: &str) -> Option<PathBuf> {
        let (_, path) = descriptor.split_once('<')?;
        self.inside(&unescape(path.strip_suffix('>')?))
    }

    fn at(&self, directory: &str, name: &str) -> Option<PathBuf> {
        let name = unescape(name);
        if name.starts_with('/') {
            return self.inside(&name);
        }
        let (_, path) = directory.split_once('<')?;
        self.inside(&format!("{}/{name}", unescape(path.strip_suffix('>')?)))
    }

    fn inside(&self, path: &str) -> Option<PathBuf> {
        if path == self.root.trim_end_matches('/') {
            return Some(PathBuf::new());
        }
        path.strip_prefix(&self.root).map(PathBuf::from)
    }
}

fn leading_number(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// Splits arguments at the commas outside of strings and brackets.
fn split(arguments: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0_i32, false);
    for character in arguments.chars() {
        match character {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

fn unescape(text: &str) -> String {
    let text = text.trim_matches('"');
    if text.contains("\\x") {
        String::from_utf8(unescape_bytes(text)).unwrap()
    } else {
        text.to_owned()
    }
}

/// `\x61\x62` as bytes.
fn unescape_bytes(text: &str) -> Vec<u8> {
    let pairs = text.split("\\x").skip(1);
    pairs
        .map(|pair| u8::from_str_radix(pair.get(..2).unwrap(), 16).unwrap())
        .collect()
}
