//! The configurations, in a short notation: one `[[registry]]` table per line.
//!
//! A line has the table's fields as `prefix=NAME`, `location=NAME`, `insecure`, `blocked` and `mirror-by-digest-only`,
//! and `mirror=LOCATION` for each mirror, with `+insecure` and `+` a value of `pull-from-mirror`. Lines that begin with `=`
//! are TOML as it stands. `@D` in a name is a digest.

use std::fmt::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// `skopeo inspect`: a pull.
    Inspect,
    /// `skopeo delete`.
    Delete,
    /// `skopeo list-tags`.
    ListTags,
    /// `podman pull`, which knows short names.
    Podman,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    conf: &'static str,
    /// Files in the home directory.
    pub(crate) files: &'static [(&'static str, &'static str)],
    reference: &'static str,
}

impl Case {
    pub(crate) fn conf(&self) -> String {
        expand(self.conf)
    }

    pub(crate) fn reference(&self) -> String {
        let digest = format!("@sha256:{}", "0123456789abcdef".repeat(4));
        self.reference.replace("@D", &digest)
    }
}

/// A configuration file from the short notation.
pub(crate) fn expand(text: &str) -> String {
    let mut toml = String::new();
    for line in text.lines().map(str::trim) {
        match line.strip_prefix('=') {
            Some(raw) => writeln!(toml, "{raw}").unwrap(),
            None => registry(line, &mut toml),
        }
    }
    toml
}

fn registry(line: &str, toml: &mut String) {
    if line.is_empty() {
        return;
    }
    toml.push_str("[[registry]]\n");
    let mut mirrors = Vec::new();
    for field in line.split_whitespace() {
        match field.split_once('=') {
            Some((key @ ("prefix" | "location"), value)) => writeln!(toml, "{key} = '{value}'").unwrap(),
            Some(("mirror", mirror)) => mirrors.push(mirror),
            None if ["insecure", "blocked", "mirror-by-digest-only"].contains(&field) => {
                writeln!(toml, "{field} = true").unwrap();
            }
            _ => unreachable!("what is {field}?"),
        }
    }
    for mirror in mirrors {
        let mut parts = mirror.split('+');
        writeln!(
            toml,
            "[[registry.mirror]]\nlocation = '{}'",
            parts.next().unwrap()
        )
        .unwrap();
        for part in parts {
            match part {
                "insecure" => writeln!(toml, "insecure = true").unwrap(),
                pulls => writeln!(toml, "pull-from-mirror = '{pulls}'").unwrap(),
            }
        }
    }
}

const fn inspect(name: &'static str, conf: &'static str, reference: &'static str) -> Case {
    Case {
        name,
        run: Run::Inspect,
        conf,
        files: &[],
        reference,
    }
}

const fn other(name: &'static str, run: Run, conf: &'static str, reference: &'static str) -> Case {
    Case {
        name,
        run,
        conf,
        files: &[],
        reference,
    }
}

const fn with_files(
    name: &'static str,
    run: Run,
    conf: &'static str,
    files: &'static [(&'static str, &'static str)],
    reference: &'static str,
) -> Case {
    Case {
        name,
        run,
        conf,
        files,
        reference,
    }
}

const A: &str = ".config/containers/registries.conf.d/a.conf";
const B: &str = ".config/containers/registries.conf.d/b.conf";
const ALIASES: &str = ".cache/containers/short-name-aliases.conf";

const MIRRORS: &str = "location=r.lan insecure mirror=all.lan+insecure mirror=also.lan+insecure+all mirror=tag.lan+insecure+tag-only mirror=digest.lan+insecure+digest-only";
const TWO: &str = "=unqualified-search-registries = ['s1.lan', 's2.lan']\nlocation=s1.lan insecure\nlocation=s2.lan insecure";
const TWO_ENFORCING: &str = "=unqualified-search-registries = ['s1.lan', 's2.lan']\n=short-name-mode = 'enforcing'\nlocation=s1.lan insecure\nlocation=s2.lan insecure";
const TWO_DISABLED: &str = "=unqualified-search-registries = ['s1.lan', 's2.lan']\n=short-name-mode = 'disabled'\nlocation=s1.lan insecure\nlocation=s2.lan insecure";

pub(crate) const CASES: &[Case] = &[
    // Nothing, and TLS.
    inspect("nothing configured", "", "r.lan/x:1"),
    inspect("nothing configured, docker hub", "", "alpine:1"),
    inspect("nothing configured, host and port", "", "r.lan:5000/x:1"),
    inspect("insecure", "location=r.lan insecure", "r.lan/x:1"),
    inspect(
        "insecure by namespace",
        "location=r.lan/ns insecure",
        "r.lan/ns/x:1",
    ),
    inspect(
        "insecure by namespace, another",
        "location=r.lan/ns insecure",
        "r.lan/nsx/y:1",
    ),
    inspect(
        "insecure by repository",
        "location=r.lan/ns/x insecure",
        "r.lan/ns/x:1",
    ),
    inspect(
        "insecure host, other port",
        "location=r.lan:5000 insecure",
        "r.lan:5001/x:1",
    ),
    inspect(
        "insecure host with port",
        "location=r.lan:5000 insecure",
        "r.lan:5000/x:1",
    ),
    inspect(
        "insecure host, name with port",
        "location=r.lan insecure",
        "r.lan:5000/x:1",
    ),
    inspect(
        "insecure host without dot, name with port",
        "location=plain insecure",
        "plain:5000/x:1",
    ),
    inspect(
        "insecure namespace, name with port",
        "location=r.lan/ns insecure",
        "r.lan:5000/ns/x:1",
    ),
    inspect(
        "insecure host, but not on that port",
        "location=r.lan insecure\nlocation=r.lan:5000",
        "r.lan:5000/x:1",
    ),
    inspect(
        "insecure on that port, but not the host",
        "location=r.lan\nlocation=r.lan:5000 insecure",
        "r.lan:5000/x:1",
    ),
    inspect("slash at the end", "location=r.lan/ insecure", "r.lan/x:1"),
    inspect("insecure docker hub", "location=docker.io insecure", "alpine:1"),
    inspect(
        "insecure docker hub library",
        "location=docker.io/library insecure",
        "alpine:1",
    ),
    inspect(
        "insecure docker hub without library",
        "location=docker.io/alpine insecure",
        "alpine:1",
    ),
    inspect(
        "insecure index.docker.io",
        "location=index.docker.io insecure",
        "alpine:1",
    ),
    // Locations.
    inspect("location", "prefix=ex.com location=in.lan insecure", "ex.com/x:1"),
    inspect(
        "location with path",
        "prefix=ex.com location=in.lan/a/b insecure",
        "ex.com/x:1",
    ),
    inspect(
        "location with port",
        "prefix=ex.com location=in.lan:5000 insecure",
        "ex.com/x:1",
    ),
    inspect(
        "location with slash",
        "prefix=ex.com/ location=in.lan/a/ insecure",
        "ex.com/x:1",
    ),
    inspect(
        "namespace to host",
        "prefix=ex.com/ns location=in.lan insecure",
        "ex.com/ns/x:1",
    ),
    inspect(
        "repository to repository",
        "prefix=ex.com/x location=in.lan/y insecure",
        "ex.com/x:1",
    ),
    inspect(
        "repository to host",
        "prefix=ex.com/x location=in.lan insecure",
        "ex.com/x:1",
    ),
    inspect(
        "location of digest",
        "prefix=ex.com location=in.lan insecure",
        "ex.com/x@D",
    ),
    inspect(
        "hub to a mirror of its own",
        "prefix=docker.io location=in.lan/hub insecure",
        "alpine:1",
    ),
    inspect(
        "to the hub, one component",
        "prefix=ex.com location=docker.io insecure",
        "ex.com/busybox:1",
    ),
    inspect(
        "to the hub, two components",
        "prefix=ex.com location=docker.io insecure",
        "ex.com/a/b:1",
    ),
    inspect(
        "to a host no name can have",
        "prefix=ex.com location=plain insecure",
        "ex.com/x:1",
    ),
    inspect(
        "no second look-up",
        "prefix=a.lan location=b.lan insecure\nprefix=b.lan location=c.lan insecure",
        "a.lan/x:1",
    ),
    inspect(
        "location's own insecure is not looked up",
        "prefix=a.lan location=b.lan/y\nlocation=b.lan insecure",
        "a.lan/x:1",
    ),
    inspect(
        "prefix with tag",
        "prefix=ex.com/x:1 location=in.lan/y insecure",
        "ex.com/x:1",
    ),
    // Specificity.
    inspect(
        "longest prefix",
        "location=r.lan\nlocation=r.lan/a\nlocation=r.lan/a/b insecure",
        "r.lan/a/b/c:1",
    ),
    inspect(
        "longest prefix, any order",
        "location=r.lan/a/b insecure\nlocation=r.lan\nlocation=r.lan/a",
        "r.lan/a/b/c:1",
    ),
    inspect(
        "shadowed flags",
        "location=r.lan insecure\nlocation=r.lan/a",
        "r.lan/a/b:1",
    ),
    inspect(
        "shadowed mirrors",
        "location=r.lan insecure mirror=m.lan+insecure\nlocation=r.lan/a insecure",
        "r.lan/a/b:1",
    ),
    inspect(
        "component, not bytes",
        "location=r.lan/foo insecure",
        "r.lan/foobar:1",
    ),
    inspect(
        "component with dot",
        "location=r.lan/foo insecure",
        "r.lan/foo.bar:1",
    ),
    inspect(
        "suffix of host",
        "location=ex.com insecure",
        "ex.com.evil.lan/x:1",
    ),
    inspect("prefix of host", "location=ex.com insecure", "notex.com/x:1"),
    inspect(
        "prefix without port, rewritten",
        "prefix=ex.com location=in.lan insecure",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, rewritten to a host without dot",
        "prefix=ex.com location=plain insecure",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, rewritten to a host with port",
        "prefix=ex.com location=in.lan:6000 insecure",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, rewritten to a path",
        "prefix=ex.com location=in.lan/a insecure",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, mirrored",
        "location=r.lan insecure mirror=m.lan+insecure mirror=n.lan+insecure+tag-only mirror=o.lan+insecure+digest-only",
        "r.lan:5000/x:1",
    ),
    inspect(
        "prefix without port, mirrored by digest only",
        "location=r.lan insecure mirror-by-digest-only mirror=m.lan+insecure",
        "r.lan:5000/x@D",
    ),
    inspect(
        "same prefix twice in a file",
        "prefix=p.lan location=a.lan insecure\nprefix=p.lan location=b.lan insecure",
        "p.lan/x:1",
    ),
    // Wildcards.
    inspect("wildcard", "prefix=*.ex.com insecure", "a.ex.com/x:1"),
    inspect(
        "wildcard, many labels",
        "prefix=*.ex.com insecure",
        "a.b.c.ex.com/x:1",
    ),
    inspect("wildcard, bare domain", "prefix=*.ex.com insecure", "ex.com/x:1"),
    inspect(
        "wildcard, other domain",
        "prefix=*.ex.com insecure",
        "a.ex.community/x:1",
    ),
    inspect(
        "wildcard, domain in front",
        "prefix=*.ex.com insecure",
        "a.ex.com.evil.lan/x:1",
    ),
    inspect("wildcard, no label", "prefix=*.ex.com insecure", "aex.com/x:1"),
    inspect(
        "wildcard with port",
        "prefix=*.ex.com insecure",
        "a.ex.com:5000/x:1",
    ),
    inspect(
        "wildcard with location",
        "prefix=*.ex.com location=in.lan insecure",
        "a.b.ex.com/x:1",
    ),
    inspect(
        "wildcard with location, port",
        "prefix=*.ex.com location=in.lan insecure",
        "a.ex.com:5000/x:1",
    ),
    inspect(
        "wildcard with mirror",
        "prefix=*.ex.com insecure mirror=m.lan/c+insecure",
        "q.r.ex.com/a/b:1",
    ),
    inspect(
        "wildcard, domain twice",
        "prefix=*.ex.com insecure",
        "a.ex.com.ex.com/x:1",
    ),
    inspect(
        "wildcard, domain begins twice",
        "prefix=*.ex.com insecure",
        "a.ex.community.ex.com/x:1",
    ),
    inspect(
        "longer wildcard",
        "prefix=*.ex.com\nprefix=*.b.ex.com insecure",
        "a.b.ex.com/x:1",
    ),
    inspect(
        "wildcard against equal length",
        "prefix=*.ex.com location=wild.lan insecure\nprefix=a.ex.com location=exact.lan insecure",
        "a.ex.com/x:1",
    ),
    inspect(
        "wildcard against longer host",
        "prefix=*.ex.com location=wild.lan insecure\nprefix=ab.ex.com location=exact.lan insecure",
        "ab.ex.com/x:1",
    ),
    inspect(
        "wildcard against namespace",
        "prefix=*.aaaa.ex.com location=wild.lan insecure\nprefix=b.aaaa.ex.com/x location=exact.lan/x insecure",
        "b.aaaa.ex.com/x:1",
    ),
    inspect("star alone", "prefix=* location=in.lan insecure", "ex.com/x:1"),
    inspect(
        "star without dot",
        "prefix=*ex.com location=in.lan insecure",
        "a.ex.com/x:1",
    ),
    inspect(
        "star inside",
        "prefix=a.*.com location=in.lan insecure",
        "a.ex.com/x:1",
    ),
    // Mirrors.
    inspect("mirror of a tag", MIRRORS, "r.lan/x:1"),
    inspect("mirror of no tag", MIRRORS, "r.lan/x"),
    inspect("mirror of a digest", MIRRORS, "r.lan/x@D"),
    inspect(
        "by digest only, tag",
        "location=r.lan insecure mirror-by-digest-only mirror=m.lan+insecure mirror=n.lan+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "by digest only, digest",
        "location=r.lan insecure mirror-by-digest-only mirror=m.lan+insecure mirror=n.lan+insecure",
        "r.lan/x@D",
    ),
    inspect(
        "mirror over TLS",
        "location=r.lan insecure mirror=m.lan mirror=n.lan+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "insecure is the mirror's own",
        "location=r.lan insecure mirror=m.lan\nlocation=m.lan insecure",
        "r.lan/x:1",
    ),
    inspect(
        "primary over TLS",
        "location=r.lan mirror=m.lan+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "mirror with path",
        "prefix=ex.com/ns location=in.lan/a insecure mirror=m.lan/b/c+insecure",
        "ex.com/ns/x:1",
    ),
    inspect(
        "mirror of the hub",
        "location=docker.io mirror=m.lan/hub+insecure",
        "alpine:1",
    ),
    inspect(
        "mirror with a slash at the end",
        "location=r.lan insecure mirror=m.lan/+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "mirror that cannot be",
        "location=r.lan insecure mirror=docker.io mirror=m.lan+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "mirror is the primary",
        "location=r.lan insecure mirror=r.lan/cache+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "mirrors inline",
        "=registry = [{location = 'r.lan', insecure = true, mirror = [{location = 'm.lan', insecure = true}]}]",
        "r.lan/x:1",
    ),
    // Blocked.
    inspect("blocked", "location=r.lan blocked", "r.lan/x:1"),
    inspect(
        "blocked namespace",
        "location=r.lan/ns blocked\nlocation=r.lan insecure",
        "r.lan/ns/x:1",
    ),
    inspect(
        "not the blocked namespace",
        "location=r.lan/ns blocked\nlocation=r.lan insecure",
        "r.lan/x:1",
    ),
    inspect(
        "blocked with mirror",
        "location=r.lan blocked mirror=m.lan+insecure",
        "r.lan/x:1",
    ),
    inspect(
        "blocked mirror",
        "location=r.lan insecure mirror=m.lan+insecure\nlocation=m.lan blocked",
        "r.lan/x:1",
    ),
    inspect(
        "blocked prefix elsewhere",
        "prefix=pub.lan location=priv.lan insecure blocked",
        "pub.lan/x:1",
    ),
    inspect(
        "blocked location",
        "prefix=pub.lan location=priv.lan/a insecure\nlocation=priv.lan blocked",
        "pub.lan/x:1",
    ),
    inspect(
        "blocked, moved to a name that cannot be",
        "prefix=r.lan/x location=in.lan blocked",
        "r.lan/x:1",
    ),
    inspect("blocked wildcard", "prefix=*.ex.com blocked", "a.ex.com/x:1"),
    inspect(
        "allowed in a blocked wildcard",
        "prefix=*.ex.com blocked\nlocation=ok.ex.com insecure",
        "ok.ex.com/x:1",
    ),
    inspect(
        "blocked host, name with port",
        "location=r.lan blocked",
        "r.lan:5000/x:1",
    ),
    inspect(
        "blocked host, name with port of https",
        "location=r.lan blocked",
        "r.lan:443/x:1",
    ),
    inspect(
        "blocked host with port, other port",
        "location=r.lan:5000 blocked",
        "r.lan:5001/x:1",
    ),
    inspect(
        "blocked host, but not on that port",
        "location=r.lan blocked\nlocation=r.lan:5000 insecure",
        "r.lan:5000/x:1",
    ),
    inspect(
        "blocked host without dot, name with port",
        "location=plain blocked",
        "plain:5000/x:1",
    ),
    inspect(
        "blocked namespace of the hub",
        "location=docker.io/ceph blocked",
        "ceph/ceph:1",
    ),
    inspect(
        "blocked wildcard, host with port allowed",
        "prefix=*.ex.com blocked\nlocation=ok.ex.com insecure",
        "ok.ex.com:5000/x:1",
    ),
    // Not pulls.
    other(
        "delete is not mirrored",
        Run::Delete,
        "location=r.lan insecure mirror=m.lan+insecure",
        "r.lan/x:1",
    ),
    other(
        "delete is not moved",
        Run::Delete,
        "prefix=ex.com location=in.lan insecure",
        "ex.com/x:1",
    ),
    other(
        "delete is blocked",
        Run::Delete,
        "location=r.lan blocked",
        "r.lan/x:1",
    ),
    other(
        "delete is blocked by its prefix",
        Run::Delete,
        "prefix=ex.com location=in.lan blocked",
        "ex.com/x:1",
    ),
    other(
        "tags are not mirrored",
        Run::ListTags,
        "location=r.lan insecure mirror=m.lan+insecure",
        "r.lan/x",
    ),
    other(
        "tags are blocked",
        Run::ListTags,
        "location=r.lan blocked mirror=m.lan+insecure",
        "r.lan/x",
    ),
    // Keys in other cases.
    inspect(
        "Blocked",
        "=[[registry]]\n=location = 'r.lan'\n=Blocked = true",
        "r.lan/x:1",
    ),
    inspect(
        "INSECURE",
        "=[[Registry]]\n=LOCATION = 'r.lan'\n=INSECURE = true",
        "r.lan/x:1",
    ),
    inspect(
        "Mirror",
        "=[[registry]]\n=location = 'r.lan'\n=[[registry.Mirror]]\n=Location = 'm.lan'\n=Insecure = true",
        "r.lan/x:1",
    ),
    inspect(
        "Prefix and Location",
        "=[[registry]]\n=Prefix = 'p.lan'\n=Location = 'r.lan'\n=Insecure = true",
        "p.lan/x:1",
    ),
    inspect(
        "Mirror-By-Digest-Only",
        "=[[registry]]\n=location = 'r.lan'\n=insecure = true\n=Mirror-By-Digest-Only = true\n=[[registry.mirror]]\n=location = 'm.lan'",
        "r.lan/x:1",
    ),
    inspect(
        "a letter that folds to another",
        "=[[registry]]\n=location = 'r.lan'\n=\"bloc\u{212a}ed\" = true",
        "r.lan/x:1",
    ),
    inspect(
        "Registries.Block",
        "=[Registries.Block]\n=Registries = ['r.lan']",
        "r.lan/x:1",
    ),
    other(
        "Unqualified-Search-Registries",
        Run::Podman,
        "=Unqualified-Search-Registries = ['s1.lan']\nlocation=s1.lan insecure",
        "wharf-x:1",
    ),
    other(
        "Short-Name-Mode",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan', 's2.lan']\n=Short-Name-Mode = 'enforcing'\nlocation=s1.lan insecure\nlocation=s2.lan insecure",
        "wharf-x:1",
    ),
    other(
        "Aliases",
        Run::Podman,
        "location=a.lan insecure\n=[Aliases]\n=wharf-x = 'a.lan/y'",
        "wharf-x:1",
    ),
    // Files that are refused.
    inspect("not TOML", "=x", "r.lan/x:1"),
    inspect("wrong type", "=[[registry]]\n=location = 1", "r.lan/x:1"),
    inspect("no location", "insecure", "r.lan/x:1"),
    inspect("prefix alone", "prefix=r.lan insecure", "r.lan/x:1"),
    inspect("wildcard with path", "prefix=*.ex.com/ns insecure", "r.lan/x:1"),
    inspect("scheme", "location=http://r.lan insecure", "r.lan/x:1"),
    inspect(
        "scheme of mirror",
        "location=r.lan insecure mirror=https://m.lan",
        "r.lan/x:1",
    ),
    inspect(
        "mirror without location",
        "=[[registry]]\n=location = 'r.lan'\n=[[registry.mirror]]\n=insecure = true",
        "r.lan/x:1",
    ),
    inspect(
        "two values of insecure",
        "location=r.lan insecure\nprefix=p.lan location=r.lan",
        "r.lan/x:1",
    ),
    inspect(
        "two values of blocked",
        "location=r.lan blocked\nprefix=p.lan location=r.lan",
        "r.lan/x:1",
    ),
    inspect(
        "unknown pull-from-mirror",
        "location=r.lan insecure mirror=m.lan+sometimes",
        "r.lan/x:1",
    ),
    inspect(
        "digest-only twice",
        "location=r.lan insecure mirror-by-digest-only mirror=m.lan+all",
        "r.lan/x:1",
    ),
    inspect("unknown mode", "=short-name-mode = 'maybe'", "r.lan/x:1"),
    inspect(
        "search registry with path",
        "=unqualified-search-registries = ['r.lan/ns']",
        "r.lan/x:1",
    ),
    inspect(
        "unknown keys",
        "=future = 1\nlocation=r.lan insecure\n=[more]\n=x = 1",
        "r.lan/x:1",
    ),
    inspect("bad alias", "=[aliases]\n=a = 'b'", "r.lan/x:1"),
    // Version 1.
    inspect(
        "version 1, insecure",
        "=[registries.insecure]\n=registries = ['r.lan']",
        "r.lan/x:1",
    ),
    inspect(
        "version 1, blocked",
        "=[registries.block]\n=registries = ['r.lan']",
        "r.lan/x:1",
    ),
    inspect(
        "version 1, both",
        "=[registries.block]\n=registries = ['r.lan']\n=[registries.insecure]\n=registries = ['r.lan', 'i.lan']",
        "r.lan/x:1",
    ),
    inspect(
        "version 1 and 2",
        "=[registries.block]\n=registries = ['b.lan']\nlocation=r.lan insecure",
        "r.lan/x:1",
    ),
    // Drop-ins.
    with_files(
        "drop-in",
        Run::Inspect,
        "",
        &[(A, "location=r.lan insecure")],
        "r.lan/x:1",
    ),
    with_files(
        "drop-in replaces a table",
        Run::Inspect,
        "prefix=p.lan location=a.lan insecure mirror=m.lan+insecure",
        &[(A, "prefix=p.lan location=b.lan insecure")],
        "p.lan/x:1",
    ),
    with_files(
        "later drop-in wins",
        Run::Inspect,
        "",
        &[
            (B, "prefix=p.lan location=b.lan insecure"),
            (A, "prefix=p.lan location=a.lan insecure"),
        ],
        "p.lan/x:1",
    ),
    with_files(
        "two values in two files",
        Run::Inspect,
        "location=r.lan insecure",
        &[(A, "prefix=p.lan location=r.lan")],
        "r.lan/x:1",
    ),
    with_files(
        "bad drop-in",
        Run::Inspect,
        "location=r.lan insecure",
        &[(A, "=x")],
        "r.lan/x:1",
    ),
    with_files(
        "drop-in in version 1",
        Run::Inspect,
        "",
        &[(A, "=[registries.insecure]\n=registries = ['r.lan']")],
        "r.lan/x:1",
    ),
    with_files(
        "not a drop-in",
        Run::Inspect,
        "location=r.lan insecure",
        &[(".config/containers/registries.conf.d/a.conf.bak", "=x")],
        "r.lan/x:1",
    ),
    with_files(
        "empty drop-in",
        Run::Inspect,
        "location=r.lan insecure",
        &[(A, "")],
        "r.lan/x:1",
    ),
    // Short names.
    other("short, nothing configured", Run::Podman, "", "wharf-x:1"),
    other(
        "short, one registry",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nlocation=s1.lan insecure",
        "wharf-x:1",
    ),
    other("short, permissive", Run::Podman, TWO, "wharf-x:1"),
    other(
        "short, permissive, first fails",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan', 's2.lan']\nlocation=s2.lan insecure",
        "wharf-x:1",
    ),
    other(
        "short, permissive, first blocked",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan', 's2.lan']\nlocation=s1.lan blocked\nlocation=s2.lan insecure",
        "wharf-x:1",
    ),
    other("short, enforcing", Run::Podman, TWO_ENFORCING, "wharf-x:1"),
    other("short, disabled", Run::Podman, TWO_DISABLED, "wharf-x:1"),
    other("short with namespace", Run::Podman, TWO, "ns/wharf-x:1"),
    other("short with digest", Run::Podman, TWO, "wharf-x@D"),
    other(
        "short, no list",
        Run::Podman,
        "=unqualified-search-registries = []",
        "wharf-x:1",
    ),
    other(
        "short with mirror",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nlocation=s1.lan insecure mirror=m.lan+insecure",
        "wharf-x:1",
    ),
    other(
        "full name of podman",
        Run::Podman,
        TWO_ENFORCING,
        "s1.lan/wharf-x:1",
    ),
    other(
        "alias",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nlocation=a.lan insecure\n=[aliases]\n=wharf-x = 'a.lan/y'",
        "wharf-x:1",
    ),
    other(
        "alias, exact name",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nlocation=s1.lan insecure\n=[aliases]\n=wharf-x = 'a.lan/y'",
        "library/wharf-x:1",
    ),
    other(
        "alias erased",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nlocation=s1.lan insecure\n=[aliases]\n=wharf-x = ''",
        "wharf-x:1",
    ),
    with_files(
        "alias of the machine",
        Run::Podman,
        "location=a.lan insecure\nlocation=m.lan insecure\n=[aliases]\n=wharf-x = 'a.lan/y'",
        &[(ALIASES, "=[aliases]\n=wharf-x = 'm.lan/y'")],
        "wharf-x:1",
    ),
    with_files(
        "alias erased by the machine",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nlocation=s1.lan insecure\n=[aliases]\n=wharf-x = 'a.lan/y'",
        &[(ALIASES, "=[aliases]\n=wharf-x = ''")],
        "wharf-x:1",
    ),
    with_files(
        "bad aliases of the machine, short",
        Run::Podman,
        TWO,
        &[(ALIASES, "=x")],
        "wharf-x:1",
    ),
    with_files(
        "bad aliases of the machine, full",
        Run::Podman,
        TWO,
        &[(ALIASES, "=x")],
        "s1.lan/wharf-x:1",
    ),
    with_files(
        "drop-in empties the list",
        Run::Podman,
        TWO,
        &[(A, "=unqualified-search-registries = []")],
        "wharf-x:1",
    ),
    with_files(
        "drop-in without the list",
        Run::Podman,
        TWO,
        &[(A, "location=other.lan")],
        "wharf-x:1",
    ),
    with_files(
        "drop-in alias",
        Run::Podman,
        "location=a.lan insecure\nlocation=b.lan insecure\n=[aliases]\n=wharf-x = 'a.lan/y'",
        &[(A, "=[aliases]\n=wharf-x = 'b.lan/y'")],
        "wharf-x:1",
    ),
];
