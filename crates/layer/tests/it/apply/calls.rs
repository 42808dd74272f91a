//! The system calls of unpacking, as strace shows them: a name is one component relative to a descriptor.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use wharf_testkit::require_peers;

use super::{Stage, WAYS, Way, directory, fifo, file, hard_link, layer, symlink};

/// The way in which the traced process resolves names.
const WAY: &str = "WHARF_TEST_WAY";
/// Files that are not there, and that are looked for before the first call that is judged and after the last one.
const MARKS: [&str; 2] = ["/wharf-test-begin", "/wharf-test-end"];

/// Unpacks two layers with every kind of member. Another process traces this one.
#[test]
#[ignore = "a process of the test below"]
fn unpack_for_a_trace() {
    let Ok(way) = env::var(WAY) else { return };
    let way = WAYS
        .into_iter()
        .find(|known| format!("{known:?}") == way)
        .unwrap();
    let stage = Stage::new(way);
    let lower = layer(&[
        directory("d"),
        directory("d/deep"),
        file("d/deep/file", "1"),
        file("parents/that/are/missing", "1"),
        symlink("to-d", "/d"),
        symlink("up", "../../d"),
        file("to-d/through-a-link", "2"),
        hard_link("d/linked", "parents/that/are/missing"),
        fifo("d/fifo"),
        directory("tree/a/b"),
        file("tree/a/b/c", "1"),
    ]);
    let upper = layer(&[
        file("d/.wh.deep", ""),
        file("up/.wh.linked", ""),
        file("tree/a/.wh..wh..opq", ""),
        file("d/fifo", "no fifo any more"),
        symlink("d/new", "anything at/all"),
        file("tree", "no directory any more"),
    ]);
    let root = stage.opened();
    let options = super::options();
    assert!(!Path::new(MARKS[0]).exists());
    wharf_layer::apply(&root, lower.as_slice(), &options).unwrap();
    wharf_layer::apply(&root, upper.as_slice(), &options).unwrap();
    assert!(!Path::new(MARKS[1]).exists());
}

#[test]
fn every_name_is_one_component_below_a_descriptor() {
    require_peers!("strace");
    for way in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let trace = directory.path().join("trace");
        let status = Command::new("strace")
            .args(["-f", "-qq", "-s", "4096", "-e", "trace=%file,fchmod,fchown", "-o"])
            .arg(&trace)
            .arg(env::current_exe().unwrap())
            .args(["--exact", "--ignored", "apply::calls::unpack_for_a_trace"])
            .env(WAY, format!("{way:?}"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{way:?}: {status}");
        let trace = fs::read_to_string(trace).unwrap();
        let begin = trace.lines().position(|line| line.contains(MARKS[0])).unwrap();
        let process = trace.lines().nth(begin).unwrap().split(' ').next().unwrap();
        let calls: Vec<&str> = trace
            .lines()
            .skip(begin + 1)
            .filter(|line| line.split(' ').next() == Some(process))
            .take_while(|line| !line.contains(MARKS[1]))
            .collect();
        assert!(calls.len() > 100, "{way:?}: {} calls", calls.len());
        for call in &calls {
            assert!(is_contained(call, way), "{way:?}: {call}");
        }
        for expected in [
            "openat(",
            "mkdirat(",
            "linkat(",
            "symlinkat(",
            "mknodat(",
            "unlinkat(",
        ] {
            assert!(
                calls.iter().any(|call| call.contains(expected)),
                "{way:?}: no {expected}"
            );
        }
        let by_kernel = calls.iter().filter(|call| call.contains("openat2(")).count();
        assert_eq!(by_kernel > 0, way == Way::Kernel, "{way:?}: {by_kernel}");
    }
}

/// True for a call that cannot leave the root, whatever others do to the tree.
fn is_contained(line: &str, way: Way) -> bool {
    let Some((name, arguments)) = line
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
        .split_once('(')
    else {
        return true; // a signal, an exit
    };
    // The texts among the arguments: every second part between quotes.
    let mut texts: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
    let of_process = |texts: &[&str]| {
        texts
            .first()
            .is_some_and(|path| path.starts_with("/proc/self/fd"))
    };
    match name {
        "openat2" => return way == Way::Kernel && arguments.contains("RESOLVE_IN_ROOT"),
        "fchmod" | "fchown" => return true,
        // Attributes through the descriptor of the file itself, and the question whether this is procfs.
        "chmod" | "getxattr" | "setxattr" | "removexattr" | "listxattr" | "statfs" => {
            return of_process(&texts);
        }
        _ if arguments.starts_with("AT_FDCWD") => return of_process(&texts),
        "readlinkat" => texts.truncate(1),    // then what the link has
        "symlinkat" => drop(texts.remove(0)), // any text
        _ => {}
    }
    let descriptors = match name {
        "symlinkat" => arguments.rsplit(", ").nth(1),
        _ => arguments.split(", ").next(),
    };
    let below = descriptors.is_some_and(|first| first.parse::<u32>().is_ok());
    below && texts.iter().all(|text| !text.contains('/'))
}
