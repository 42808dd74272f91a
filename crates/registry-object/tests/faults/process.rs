//! One process, which is told what to do.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
    thread,
};

use tokio::sync::{
    Mutex as AsyncMutex,
    mpsc::{self, UnboundedReceiver},
};

use crate::{
    engines::Engines,
    worker::{self, Mode},
};

/// A process that serves; killed when dropped.
pub(crate) struct Process {
    child: Mutex<Child>,
    orders: Mutex<ChildStdin>,
    pub(crate) address: String,
    lines: AsyncMutex<UnboundedReceiver<String>>,
}

impl Process {
    /// Starts one, and waits until it serves; the error is what it said when it ended.
    pub(crate) async fn start(engines: &Engines, mode: Mode) -> Result<Self, String> {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(mode.argument())
            .args(engines.arguments(0))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a worker starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (line, mut lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for told in output.map_while(Result::ok) {
                let _ = line.send(told); // the test may have ended
            }
        });
        let orders = child.stdin.take().expect("a pipe");
        let serves = lines.recv().await.expect("it says whether it serves");
        let Some(address) = serves.strip_prefix("serves http://") else {
            child.wait().expect("it has ended");
            return Err(serves);
        };
        Ok(Self {
            address: address.to_owned(),
            child: Mutex::new(child),
            orders: Mutex::new(orders),
            lines: AsyncMutex::new(lines),
        })
    }

    /// Makes it collect, and waits for the end.
    pub(crate) async fn collect(&self) {
        self.order(worker::COLLECT);
        while let Some(line) = self.line().await {
            assert!(!line.starts_with("failed"), "{line}");
            if line.starts_with("met") {
                return;
            }
        }
        panic!("it has ended");
    }

    /// Whether it is ready, or why not. The first time it is, and is looked at from then on.
    pub(crate) async fn readiness(&self) -> Result<(), String> {
        self.order(worker::READINESS);
        while let Some(line) = self.line().await {
            match line.split_once(' ') {
                Some(("ready", _)) => return Ok(()),
                Some(("unready", reason)) => return Err(reason.to_owned()),
                _ => {}
            }
        }
        panic!("it has ended");
    }

    /// Waits until it is not ready, and returns the reason.
    pub(crate) async fn unready(&self) -> String {
        loop {
            if let Err(reason) = self.readiness().await {
                return reason;
            }
            tokio::time::sleep(worker::LOOK).await;
        }
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        while self.readiness().await.is_err() {
            tokio::time::sleep(worker::LOOK).await;
        }
    }

    /// Makes it answer what is running, and end; it has to end well.
    pub(crate) async fn drain(self) {
        self.order(worker::DRAIN);
        while self.line().await.is_some() {}
        let status = self.child.lock().expect("no panic").wait().expect("it ends");
        assert!(status.success(), "{status}");
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.lock().expect("no panic").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success(), "the process is there");
    }

    fn order(&self, order: u8) {
        let written = self.orders.lock().expect("no panic").write_all(&[order]);
        written.expect("it reads");
    }

    async fn line(&self) -> Option<String> {
        self.lines.lock().await.recv().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child.lock().expect("no panic");
        let _ = child.kill(); // it may have ended
        let _ = child.wait();
    }
}
