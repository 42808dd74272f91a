use std::{
    ffi::{OsStr, OsString},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

/// How long a server may take until it accepts connections.
const START: Duration = Duration::from_secs(60);
/// Runs the server for as long as its standard input is open, so that no server and no file outlives the test,
/// however the test ends. It obeys the lines `kill`, `start`, `stop` and `continue`.
const SUPERVISOR: &str = r#"
directory=$1; signal=$2; shift 2
start() { "$@" </dev/null 2>&1 & server=$!; }
# And its children, each of which may be in a process group of its own.
all() { for process in "$server" $(pgrep -P "$server"); do kill -"$1" "$process"; done; }
end() { kill -CONT "$server" 2>/dev/null; kill -"$signal" "$server" 2>/dev/null; wait "$server"; }
start "$@"
while read -r line; do
    case $line in
        kill) end; echo killed ;;
        start) start "$@" ;;
        stop) all STOP; echo stopped ;;
        continue) all CONT; echo continued ;;
    esac
done
end
if [ -f "$directory/elsewhere" ]; then xargs rm -f <"$directory/elsewhere"; fi
rm -rf "$directory"
"#;

/// A server that ends, and whose directory is removed, with the files that its file `elsewhere` names, when this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Supervised {
    supervisor: Child,
    input: Mutex<Option<ChildStdin>>,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Supervised {
    /// Starts a server by a shell, with the shell's account and environment, and waits for a line with `ready`, which is returned. `signal`
    /// is that which ends it.
    ///
    /// Fails with everything that the server printed if it ends, prints a line with `hopeless`, or takes too long; the
    /// directory is left then.
    pub(super) fn start<S: AsRef<OsStr>>(
        mut shell: Command,
        directory: &Path,
        signal: &str,
        server: impl IntoIterator<Item = S>,
        [ready, hopeless]: [&str; 2],
    ) -> Result<(Self, String), String> {
        let (reader, writer) = io::pipe().expect("a pipe");
        shell.args(["-c", SUPERVISOR, "sh"]).arg(directory).arg(signal);
        shell.args(server.into_iter().map(|part| OsString::from(part.as_ref())));
        shell.current_dir(directory).stdin(Stdio::piped());
        shell.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        shell.process_group(0); // an interrupt of the terminal is for the test, whose end closes the input
        let mut supervisor = shell.spawn().expect("the supervisor starts");
        drop(shell); // it holds ends of the pipe
        let input = supervisor.stdin.take();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let _ = sender.send(line); // nobody reads the log of a server that was dropped
            }
        });
        let mut server = Self {
            supervisor,
            input: Mutex::new(input),
            lines: Mutex::new(lines),
        };
        match server.wait_for(ready, hopeless) {
            Ok(line) => Ok((server, line)),
            Err(log) => {
                server.abandon();
                Err(log)
            }
        }
    }

    /// Ends the server as a failure of the machine would: without a goodbye to its clients.
    pub(super) fn kill(&self) {
        self.tell("kill");
        self.expect("killed");
    }

    /// Stops the server and its children by SIGSTOP.
    pub(super) fn stall(&self) {
        self.tell("stop");
        self.expect("stopped");
    }

    /// Lets the server go on after [`Supervised::stall`].
    pub(super) fn go_on(&self) {
        self.tell("continue");
        self.expect("continued");
    }

    /// Starts the server again after [`Supervised::kill`], by the same command, and waits for a line with `ready`.
    pub(super) fn start_again(&self, ready: &str) {
        self.tell("start");
        self.expect(ready);
    }

    /// The lines that the server has printed since it was ready, or since the last call, before a line with `part`.
    pub(super) fn log_until(&self, part: &str) -> Vec<String> {
        let lines = self.lines.lock().expect("nobody panics with the log");
        let next = || lines.recv_timeout(START).expect("the server prints it");
        std::iter::from_fn(|| Some(next()).filter(|line| !line.contains(part))).collect()
    }

    fn tell(&self, line: &str) {
        let mut input = self.input.lock().expect("nobody panics with the pipe");
        let input = input.as_mut().expect("the pipe is open until the end");
        writeln!(input, "{line}").expect("the supervisor reads");
    }

    fn expect(&self, part: &str) {
        let read = self.wait_for(part, "\0");
        read.unwrap_or_else(|log| panic!("the server does not print {part:?}:\n{log}"));
    }

    fn wait_for(&self, part: &str, hopeless: &str) -> Result<String, String> {
        let lines = self.lines.lock().expect("nobody panics with the log");
        let mut log = String::new();
        while let Ok(line) = lines.recv_timeout(START) {
            if line.contains(part) {
                return Ok(line);
            }
            log.push_str(&line);
            log.push('\n');
            if line.contains(hopeless) {
                break;
            }
        }
        Err(log)
    }

    /// Ends the supervisor and not its files, which a second attempt uses.
    fn abandon(&mut self) {
        if let Some(input) = self.input.get_mut().expect("nobody panics with the pipe") {
            let _ = writeln!(input, "kill"); // a supervisor that has ended has nothing to end
        }
        let _ = self.wait_for("killed", "\0"); // it says so, or has ended
        let _ = self.supervisor.kill();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.input.lock().expect("nobody panics with the pipe").take());
        let _ = self.supervisor.wait(); // it has ended whatever it says
    }
}
