//! A registry as a program.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks")]

mod arguments;
mod checking;
mod importing;
mod mistakes;
mod notify;
mod operators;
mod redirecting;
mod reload;
mod report;
mod storage;
mod upstream;

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use wharf_registry::{GcOptions, Limits, Metrics, Readiness, Registry};

use self::{
    arguments::Arguments,
    operators::Operators,
    reload::Reloadable,
    report::{Report, say},
    upstream::Behind,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    raise_file_limit();
    let ended = if arguments.fsck {
        checking::run(&arguments)
    } else {
        run(&arguments).map(|()| ExitCode::SUCCESS)
    };
    match ended {
        Ok(status) => status,
        Err(error) => {
            eprintln!("serve: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Lets this process open as many files as the system allows it to ask for: each connection takes two.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised); // else there are fewer connections at a time
}

#[tokio::main]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let reloadable = Reloadable::load(arguments)?;
    let metrics = Metrics::default();
    let registry = open(arguments, &reloadable, &metrics).await?;
    if arguments.importing.run(&registry).await? {
        return Ok(());
    }
    let serving = match reloadable.tls() {
        Some(tls) => registry.serve_tls(arguments.listen, tls).await,
        None => registry.serve_on(arguments.listen).await,
    };
    let server = serving.map_err(|error| mistakes::listening(&error, arguments.listen, "--listen"))?;
    let readiness = Readiness::watch(server.service());
    if let Some(address) = arguments.metrics {
        let operators = Operators {
            metrics,
            readiness: readiness.clone(),
            registry: server.service().clone(),
        };
        let address = operators.serve(address).await?;
        say(format_args!("serve: metrics at http://{address}/metrics"));
    }
    if arguments.gc > 0 {
        tokio::spawn(collect(
            server.service().clone(),
            arguments.gc,
            garbage(arguments),
        ));
    }
    // Before anybody is told that it serves: else a signal could come too early and be its end.
    let mut hangup = signal(SignalKind::hangup())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    for warning in mistakes::warnings(arguments) {
        say(format_args!("serve: warning: {warning}"));
    }
    println!("{}", server.url());
    loop {
        tokio::select! {
            _ = hangup.recv() => match reloadable.reload() {
                Ok(()) => {
                    // Of users who may be gone.
                    if let Err(error) = server.service().revoke_tokens().await {
                        say(format_args!("serve: cannot revoke tokens, which are valid for minutes: {error}"));
                    }
                    say(format_args!("serve: read passwords, keys and certificates again"));
                }
                Err(error) => say(format_args!("serve: kept what was read before: {error:#}")),
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    readiness.drain();
    let drain = Duration::from_secs(arguments.drain);
    if tokio::time::timeout(drain, server.shutdown()).await.is_err() {
        say(format_args!("serve: gave up on requests that are still running"));
    }
    Ok(())
}

async fn open(arguments: &Arguments, reloadable: &Reloadable, metrics: &Metrics) -> anyhow::Result<Registry> {
    let mut limits = Limits::default();
    limits.blob = arguments.max_blob;
    limits.repository = arguments.quota;
    limits.user = arguments.user_quota;
    let mut registry = storage::open(arguments)
        .await?
        .with_limits(limits)
        .with_delete(!arguments.no_delete)
        .with_sparse(arguments.sparse)
        .with_observer(Report::new(arguments.log, metrics.clone()));
    if let Some(url) = &arguments.external_url {
        registry = registry.with_external_url(url);
    }
    registry = reloadable.authenticate(registry, arguments);
    if let Some(upstream) = &arguments.upstream {
        registry = registry.with_upstream(Behind::new(upstream)?);
    }
    registry = arguments.redirecting.apply(registry);
    registry = arguments.notify.subscribe(registry).await?;
    if arguments.read_only {
        registry = registry.with_read_only(true);
    }
    Ok(registry)
}

fn garbage(arguments: &Arguments) -> GcOptions {
    GcOptions::default()
        .with_grace(Duration::from_secs(arguments.gc_grace))
        .with_untagged(arguments.gc_untagged)
}

/// Collects garbage, again and again.
async fn collect(registry: Registry, seconds: u64, options: GcOptions) {
    let mut interval = tokio::time::interval(Duration::from_secs(seconds));
    interval.tick().await; // the first comes at once
    loop {
        interval.tick().await;
        match registry.collect_garbage(&options).await {
            Ok(report) if report.content > 0 => {
                say(format_args!(
                    "serve: removed {} blobs, {} bytes",
                    report.content, report.bytes
                ));
            }
            Ok(_) => {}
            Err(error) => say(format_args!("serve: cannot collect garbage: {error}")),
        }
    }
}
