//! The same files read by Debian's skopeo and podman and by us: which hosts are contacted, in what order and
//! over what, and what is refused.
//!
//! `table.txt` holds what skopeo 1.9.3 and podman 4.3.1 did, seen by a proxy that stands for every registry.
//! Whatever is installed is compared with it where it can be; `WHARF_UPDATE_GOLDEN=1` writes it anew.

mod cases;
mod proxy;

use std::{collections::BTreeMap, thread};

use cases::{CASES, Case, Run};
use proxy::Proxy;
use wharf_config::{Failure, Generation, Intent, Locations, Registries, Resolve, ShortNames, TlsMode};
use wharf_reference::{Reference, Repository, Written};
use wharf_testkit::{Sandbox, require_peers};

use crate::support::Host;

const TABLE: &str = include_str!("table.txt");

/// What differs on purpose: the case, what we do instead, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "wildcard, domain twice",
        "http a.ex.com.ex.com x",
        "hosts are compared label by label, not by the first occurrence of the domain",
    ),
    (
        "wildcard, domain begins twice",
        "http a.ex.community.ex.com x",
        "hosts are compared label by label, not by the first occurrence of the domain",
    ),
    (
        "wildcard against equal length",
        "http exact.lan x",
        "an exact host beats a wildcard",
    ),
    (
        "mirror with a slash at the end",
        "http m.lan x | http r.lan x",
        "slashes at the end of a mirror's location are left out, as those of other locations are",
    ),
    (
        "mirror that cannot be",
        "http m.lan x | http r.lan x",
        "a place whose name is not valid is left out, the others are tried",
    ),
    (
        "blocked prefix elsewhere",
        "blocked",
        "a table blocks what its prefix matches, wherever that is moved",
    ),
    (
        "blocked, moved to a name that cannot be",
        "blocked",
        "what is blocked is said to be blocked, whatever else is wrong with it",
    ),
    (
        "short, permissive, first fails",
        "https s1.lan",
        "a registry that cannot be reached ends the search",
    ),
];

/// What was seen of each case: the hosts in order, then `blocked` or `refused`.
fn table() -> BTreeMap<&'static str, &'static str> {
    TABLE.lines().filter_map(|line| line.split_once(" => ")).collect()
}

#[test]
fn we_do_what_they_do_but_for_the_differences_on_purpose() {
    let table = table();
    assert!(CASES.len() >= 60, "{}", CASES.len());
    assert_eq!(table.len(), CASES.len());
    let mut wrong = Vec::new();
    for case in CASES {
        let theirs = table[case.name];
        let ours = ours(case);
        let difference = DIFFERENCES.iter().find(|(name, ..)| *name == case.name);
        let expected = difference.map_or(theirs, |(_, expected, _)| expected);
        if ours != expected {
            wrong.push(format!(
                "{}\n  theirs {theirs}\n  ours   {ours}\n  wanted {expected}",
                case.name
            ));
        }
        if difference.is_some() && ours == theirs {
            wrong.push(format!("{} does not differ", case.name));
        }
    }
    for (name, ..) in DIFFERENCES {
        assert!(table.contains_key(name), "no case is called {name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_what_skopeo_and_podman_do() {
    require_peers!("skopeo", "podman", "timeout");
    if !Sandbox::new().podman().run(&["info"]).success {
        let required = std::env::var("WHARF_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "podman does not run here");
        eprintln!("skipped: podman does not run here");
        return;
    }
    let chunks = CASES.chunks(CASES.len().div_ceil(4));
    let seen: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = chunks
            .map(|cases| scope.spawn(|| cases.iter().map(theirs).collect::<Vec<_>>()))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let seen: Vec<String> = CASES
        .iter()
        .zip(seen)
        .map(|(case, theirs)| format!("{} => {theirs}", case.name))
        .collect();
    if std::env::var_os("WHARF_UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/table.txt");
        std::fs::write(path, seen.join("\n") + "\n").unwrap();
        return;
    }
    for (seen, recorded) in seen.iter().zip(TABLE.lines()) {
        assert_eq!(seen, recorded);
    }
}

/// Runs the program in a home of its own, with a proxy that fails every TLS connection and finds no image.
fn theirs(case: &Case) -> String {
    let proxy = Proxy::start();
    let sandbox = Sandbox::new();
    sandbox.registries_conf(&case.conf());
    for (name, text) in case.files {
        sandbox.write(&format!("home/{name}"), cases::expand(text));
    }
    let name = case.reference();
    let remote = format!("docker://{name}");
    let tool = match case.run {
        Run::Podman => sandbox.podman(),
        Run::Inspect | Run::Delete | Run::ListTags => sandbox.skopeo(),
    };
    let tool = tool
        .env("HTTP_PROXY", &proxy.url())
        .env("HTTPS_PROXY", &proxy.url())
        // The superuser's alias file would be the machine's.
        .env("_CONTAINERS_ROOTLESS_UID", "1000");
    let output = match case.run {
        Run::Inspect => tool.run(&["inspect", "--raw", &remote]),
        Run::Delete => tool.run(&["delete", &remote]),
        Run::ListTags => tool.run(&["list-tags", &remote]),
        Run::Podman => tool.run(&["pull", "--quiet", &name]),
    };
    assert!(!output.success, "nothing can be found: {}", output.stdout);
    let mut events = proxy.seen();
    if output.stderr.contains("is blocked in") {
        events.push("blocked".to_owned());
    } else if events.is_empty() {
        events.push("refused".to_owned());
    }
    events.join(" | ")
}

/// The same from our answers, for a registry that speaks no TLS and has no image.
fn ours(case: &Case) -> String {
    let files: Vec<(String, String)> = case
        .files
        .iter()
        .map(|(name, text)| (format!("home/{name}"), cases::expand(text)))
        .chain([("registries.conf".to_owned(), case.conf())])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let host = Host::new(&files);
    let locations = Locations::none()
        .with_home(host.path("home"))
        .with_uid(1000)
        .with_registries_conf(host.path("registries.conf"))
        .with_generation(Generation::Podman5);
    let mut events = Vec::new();
    match Registries::load(&locations) {
        Ok(registries) => {
            let names = ShortNames::load(&locations, &registries);
            pull(case, &registries, &names, &mut events);
        }
        Err(_) => events.push("refused".to_owned()),
    }
    // Theirs shows in the words at the end.
    let blocked = events.iter().position(|event| event == "blocked");
    if let Some(blocked) = blocked {
        let event = events.remove(blocked);
        events.push(event);
    }
    events.join(" | ")
}

fn pull(case: &Case, registries: &Registries, names: &ShortNames, events: &mut Vec<String>) {
    let name = case.reference();
    if case.run != Run::Podman {
        let Ok(reference) = Reference::parse(&name) else {
            return events.push("refused".to_owned());
        };
        let intent = match case.run {
            Run::Inspect => Intent::pull(&reference),
            _ => Intent::Other,
        };
        contact(registries, &reference.repository(), intent, events);
        return;
    }
    let Ok(resolved) = names.resolve(&Written::parse(&name).unwrap(), None) else {
        return events.push("refused".to_owned());
    };
    let mut attempts = resolved.attempts();
    while let Some(candidate) = attempts.next_name() {
        let reference = candidate.reference();
        let failure = contact(
            registries,
            &reference.repository(),
            Intent::pull(reference),
            events,
        );
        attempts.failed((), failure);
    }
}

/// Contacts the hosts of a repository; says how the last one, whose error counts, failed.
fn contact(
    registries: &Registries,
    repository: &Repository,
    intent: Intent,
    events: &mut Vec<String>,
) -> Failure {
    let candidates = match registries.resolve(repository, intent) {
        Ok(candidates) => candidates,
        Err(wharf_config::ResolveError::Blocked(_)) => {
            events.push("blocked".to_owned());
            return Failure::Blocked;
        }
        Err(_) => {
            events.push("refused".to_owned());
            return Failure::Final;
        }
    };
    let mut failure = Failure::Final;
    let mut blocked = false;
    for candidate in candidates {
        if candidate.blocked.is_some() {
            blocked = true;
            continue;
        }
        let registry = candidate.repository.registry();
        let host = if registry.is_docker_hub() {
            "registry-1.docker.io"
        } else {
            registry.as_str()
        };
        if candidate.tls == TlsMode::Insecure {
            events.push(format!("http {host} {}", candidate.repository.path()));
            failure = Failure::NotFound;
        } else {
            events.push(format!("https {}", host.trim_end_matches(":443")));
            failure = Failure::Final;
        }
    }
    if blocked {
        events.push("blocked".to_owned());
    }
    failure
}
