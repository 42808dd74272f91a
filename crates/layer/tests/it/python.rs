//! Archives as Python's tarfile reads them.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use wharf_layer::tar::{Kind, Member};
use wharf_testkit::sha256;

use crate::raw::Found;

/// One member, as both readers tell it. Names are cleaned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) kind: Kind,
    name: Vec<u8>,
    mode: u32,
    uid: u64,
    gid: u64,
    /// Whole seconds, rounded down.
    time: i64,
    /// Its digest.
    content: String,
}

impl Listed {
    pub(crate) fn of(found: &Found) -> Self {
        let member = &found.member;
        Self {
            kind: member.kind().clone(),
            name: member.name().to_vec(),
            mode: member.mode(),
            uid: member.uid(),
            gid: member.gid(),
            time: member.modified().seconds(),
            content: sha256(&found.content).to_string(),
        }
    }
}

/// A line for each member, fields in hexadecimal or decimal digits.
const PYTHON: &str = r#"
import math, os, sys, tarfile
def text(value):
    return value.encode("utf-8", "surrogateescape").hex()
for number in range(int(sys.argv[2])):
    print("archive")
    try:
        with tarfile.open(os.path.join(sys.argv[1], str(number)), "r:", encoding="utf-8", errors="surrogateescape") as archive:
            for m in archive:
                kind = "0" if m.isreg() else str(m.type[0] - 48)
                content = archive.extractfile(m).read() if m.isreg() and len(sys.argv) == 3 else b""
                print("member", kind, "-" + text(m.name), "-" + text(m.linkname), m.size, m.mode & 0o7777, m.uid, m.gid,
                      math.floor(m.mtime), m.devmajor, m.devminor, "-" + content.hex())
    except Exception as error:
        print("error", repr(error))
"#;

fn hex(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix('-').unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// What Python says about each of the files `0`, `1` and so on: its members, or that there is an error.
pub(crate) fn python(folder: &Path, count: usize, contents: bool) -> Vec<Result<Vec<Listed>, String>> {
    let mut command = Command::new("python3");
    command
        .arg("-")
        .arg(folder)
        .arg(count.to_string())
        .env("PYTHONIOENCODING", "utf-8");
    if !contents {
        command.arg("without contents");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PYTHON.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut archives: Vec<Result<Vec<Listed>, String>> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[0] {
            "archive" => archives.push(Ok(Vec::new())),
            "member" => match (archives.last_mut().unwrap(), listed(&fields)) {
                (Ok(members), Some(member)) => members.push(member),
                (archive, _) => *archive = Err(line.to_owned()),
            },
            _ => *archives.last_mut().unwrap() = Err(line.to_owned()),
        }
    }
    assert_eq!(archives.len(), count);
    archives
}

/// `None` for a member that no archive may have here, such as one of a negative size.
fn listed(fields: &[&str]) -> Option<Listed> {
    let number = |at: usize| fields[at].parse::<u64>().ok();
    let device = |at: usize| u32::try_from(number(at)?).ok();
    let target = hex(fields[3]);
    let kind = match fields[1] {
        "0" => Kind::File { size: number(4)? },
        "1" => Kind::HardLink { target },
        "2" => Kind::Symlink { target },
        "3" => Kind::CharacterDevice {
            major: device(9)?,
            minor: device(10)?,
        },
        "4" => Kind::BlockDevice {
            major: device(9)?,
            minor: device(10)?,
        },
        "5" => Kind::Directory,
        _ => Kind::Fifo,
    };
    // A member of that name and kind, to clean both.
    let member = Member::new(hex(fields[2]), kind).ok()?;
    Some(Listed {
        kind: member.kind().clone(),
        name: member.name().to_vec(),
        mode: u32::try_from(number(5)?).ok()?,
        uid: number(6)?,
        gid: number(7)?,
        time: fields[8].parse().ok()?,
        content: sha256(&hex(fields[11])).to_string(),
    })
}
