//! Checks a user name and password against a registry, then stores them where Podman and Skopeo find them.
//!
//!     cargo run --release --example login -- --username ada registry.example

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::{
    io::{BufRead, IsTerminal, Write, stderr, stdin},
    process::ExitCode,
};

use clap::Parser;
use wharf::{Error, ErrorKind, Secret};

/// Log in to a registry.
#[derive(Parser)]
struct Arguments {
    /// Host, host:port, or either with a namespace
    registry: String,
    /// User name
    #[arg(short, long)]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    #[command(flatten)]
    host: common::Host,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.host.command_timeout(), login(arguments))
}

async fn login(arguments: Arguments) -> Result<(), Error> {
    let client = common::build(arguments.host.builder()?)?;
    let (username, password) = ask(arguments.username, arguments.password_stdin)?;
    let stored = client.login(&arguments.registry, &username, password).await;
    let stored = stored.map_err(|error| match error.kind() {
        ErrorKind::Storage => {
            let message =
                "the login is good but could not be stored; --authfile FILE stores it in another file";
            Error::new(ErrorKind::Storage, message).with_source(error)
        }
        _ => error,
    })?;
    common::note(format_args!("credentials stored in {}", stored.entry));
    if let Some(earlier) = stored.hidden_by {
        common::note(format_args!("warning: {earlier} is asked first and has others"));
    }
    common::print("Login Succeeded!")
}

fn ask(username: Option<String>, password_stdin: bool) -> Result<(String, Secret), Error> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::Other, "cannot read input").with_source(error);
    if password_stdin {
        let mut password = String::new();
        for line in stdin().lock().lines() {
            password.push_str(&line.map_err(failed)?);
        }
        return Ok((username.unwrap_or_default(), Secret::new(password)));
    }
    if !stdin().is_terminal() {
        let message = "standard input is not a terminal: use --username and --password-stdin";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let username = if let Some(username) = username {
        username
    } else {
        eprint!("Username: ");
        stderr().flush().map_err(failed)?;
        let mut line = String::new();
        stdin().lock().read_line(&mut line).map_err(failed)?;
        line.trim().to_owned()
    };
    let password = common::prompt::secret("Password: ", "a password")?;
    Ok((username, password))
}
