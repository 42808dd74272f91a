//! The configurations, in a short notation: one `[[registry]]` table per line.
//!
//! `p:` prefix, `l:` location, `i` insecure, `b` blocked, `d` mirror-by-digest-only, and `m:LOCATION` for each
//! mirror, with `+i` and a `pull-from-mirror`. Lines that begin with `=` are TOML as it stands. `@D` in a name
//! is a digest.

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
        match field.split_once(':') {
            Some(("p", prefix)) => writeln!(toml, "prefix = '{prefix}'").unwrap(),
            Some(("l", location)) => writeln!(toml, "location = '{location}'").unwrap(),
            Some(("m", mirror)) => mirrors.push(mirror),
            _ => {
                let key = match field {
                    "i" => "insecure",
                    "b" => "blocked",
                    "d" => "mirror-by-digest-only",
                    _ => unreachable!("what is {field}?"),
                };
                writeln!(toml, "{key} = true").unwrap();
            }
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
                "i" => writeln!(toml, "insecure = true").unwrap(),
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

const MIRRORS: &str =
    "l:r.lan i m:all.lan+i m:also.lan+i+all m:tag.lan+i+tag-only m:digest.lan+i+digest-only";
const TWO: &str = "=unqualified-search-registries = ['s1.lan', 's2.lan']\nl:s1.lan i\nl:s2.lan i";
const TWO_ENFORCING: &str = "=unqualified-search-registries = ['s1.lan', 's2.lan']\n=short-name-mode = 'enforcing'\nl:s1.lan i\nl:s2.lan i";
const TWO_DISABLED: &str = "=unqualified-search-registries = ['s1.lan', 's2.lan']\n=short-name-mode = 'disabled'\nl:s1.lan i\nl:s2.lan i";

pub(crate) const CASES: &[Case] = &[
    // Nothing, and TLS.
    inspect("nothing configured", "", "r.lan/x:1"),
    inspect("nothing configured, docker hub", "", "alpine:1"),
    inspect("nothing configured, host and port", "", "r.lan:5000/x:1"),
    inspect("insecure", "l:r.lan i", "r.lan/x:1"),
    inspect("insecure by namespace", "l:r.lan/ns i", "r.lan/ns/x:1"),
    inspect("insecure by namespace, another", "l:r.lan/ns i", "r.lan/nsx/y:1"),
    inspect("insecure by repository", "l:r.lan/ns/x i", "r.lan/ns/x:1"),
    inspect("insecure host, other port", "l:r.lan:5000 i", "r.lan:5001/x:1"),
    inspect("insecure host with port", "l:r.lan:5000 i", "r.lan:5000/x:1"),
    inspect("insecure host, name with port", "l:r.lan i", "r.lan:5000/x:1"),
    inspect(
        "insecure host without dot, name with port",
        "l:plain i",
        "plain:5000/x:1",
    ),
    inspect(
        "insecure namespace, name with port",
        "l:r.lan/ns i",
        "r.lan:5000/ns/x:1",
    ),
    inspect(
        "insecure host, but not on that port",
        "l:r.lan i\nl:r.lan:5000",
        "r.lan:5000/x:1",
    ),
    inspect(
        "insecure on that port, but not the host",
        "l:r.lan\nl:r.lan:5000 i",
        "r.lan:5000/x:1",
    ),
    inspect("slash at the end", "l:r.lan/ i", "r.lan/x:1"),
    inspect("insecure docker hub", "l:docker.io i", "alpine:1"),
    inspect("insecure docker hub library", "l:docker.io/library i", "alpine:1"),
    inspect(
        "insecure docker hub without library",
        "l:docker.io/alpine i",
        "alpine:1",
    ),
    inspect("insecure index.docker.io", "l:index.docker.io i", "alpine:1"),
    // Locations.
    inspect("location", "p:ex.com l:in.lan i", "ex.com/x:1"),
    inspect("location with path", "p:ex.com l:in.lan/a/b i", "ex.com/x:1"),
    inspect("location with port", "p:ex.com l:in.lan:5000 i", "ex.com/x:1"),
    inspect("location with slash", "p:ex.com/ l:in.lan/a/ i", "ex.com/x:1"),
    inspect("namespace to host", "p:ex.com/ns l:in.lan i", "ex.com/ns/x:1"),
    inspect(
        "repository to repository",
        "p:ex.com/x l:in.lan/y i",
        "ex.com/x:1",
    ),
    inspect("repository to host", "p:ex.com/x l:in.lan i", "ex.com/x:1"),
    inspect("location of digest", "p:ex.com l:in.lan i", "ex.com/x@D"),
    inspect(
        "hub to a mirror of its own",
        "p:docker.io l:in.lan/hub i",
        "alpine:1",
    ),
    inspect(
        "to the hub, one component",
        "p:ex.com l:docker.io i",
        "ex.com/busybox:1",
    ),
    inspect(
        "to the hub, two components",
        "p:ex.com l:docker.io i",
        "ex.com/a/b:1",
    ),
    inspect("to a host no name can have", "p:ex.com l:plain i", "ex.com/x:1"),
    inspect(
        "no second look-up",
        "p:a.lan l:b.lan i\np:b.lan l:c.lan i",
        "a.lan/x:1",
    ),
    inspect(
        "location's own insecure is not looked up",
        "p:a.lan l:b.lan/y\nl:b.lan i",
        "a.lan/x:1",
    ),
    inspect("prefix with tag", "p:ex.com/x:1 l:in.lan/y i", "ex.com/x:1"),
    // Specificity.
    inspect(
        "longest prefix",
        "l:r.lan\nl:r.lan/a\nl:r.lan/a/b i",
        "r.lan/a/b/c:1",
    ),
    inspect(
        "longest prefix, any order",
        "l:r.lan/a/b i\nl:r.lan\nl:r.lan/a",
        "r.lan/a/b/c:1",
    ),
    inspect("shadowed flags", "l:r.lan i\nl:r.lan/a", "r.lan/a/b:1"),
    inspect(
        "shadowed mirrors",
        "l:r.lan i m:m.lan+i\nl:r.lan/a i",
        "r.lan/a/b:1",
    ),
    inspect("component, not bytes", "l:r.lan/foo i", "r.lan/foobar:1"),
    inspect("component with dot", "l:r.lan/foo i", "r.lan/foo.bar:1"),
    inspect("suffix of host", "l:ex.com i", "ex.com.evil.lan/x:1"),
    inspect("prefix of host", "l:ex.com i", "notex.com/x:1"),
    inspect(
        "prefix without port, rewritten",
        "p:ex.com l:in.lan i",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, rewritten to a host without dot",
        "p:ex.com l:plain i",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, rewritten to a host with port",
        "p:ex.com l:in.lan:6000 i",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, rewritten to a path",
        "p:ex.com l:in.lan/a i",
        "ex.com:5000/x:1",
    ),
    inspect(
        "prefix without port, mirrored",
        "l:r.lan i m:m.lan+i m:n.lan+i+tag-only m:o.lan+i+digest-only",
        "r.lan:5000/x:1",
    ),
    inspect(
        "prefix without port, mirrored by digest only",
        "l:r.lan i d m:m.lan+i",
        "r.lan:5000/x@D",
    ),
    inspect(
        "same prefix twice in a file",
        "p:p.lan l:a.lan i\np:p.lan l:b.lan i",
        "p.lan/x:1",
    ),
    // Wildcards.
    inspect("wildcard", "p:*.ex.com i", "a.ex.com/x:1"),
    inspect("wildcard, many labels", "p:*.ex.com i", "a.b.c.ex.com/x:1"),
    inspect("wildcard, bare domain", "p:*.ex.com i", "ex.com/x:1"),
    inspect("wildcard, other domain", "p:*.ex.com i", "a.ex.community/x:1"),
    inspect(
        "wildcard, domain in front",
        "p:*.ex.com i",
        "a.ex.com.evil.lan/x:1",
    ),
    inspect("wildcard, no label", "p:*.ex.com i", "aex.com/x:1"),
    inspect("wildcard with port", "p:*.ex.com i", "a.ex.com:5000/x:1"),
    inspect(
        "wildcard with location",
        "p:*.ex.com l:in.lan i",
        "a.b.ex.com/x:1",
    ),
    inspect(
        "wildcard with location, port",
        "p:*.ex.com l:in.lan i",
        "a.ex.com:5000/x:1",
    ),
    inspect(
        "wildcard with mirror",
        "p:*.ex.com i m:m.lan/c+i",
        "q.r.ex.com/a/b:1",
    ),
    inspect("wildcard, domain twice", "p:*.ex.com i", "a.ex.com.ex.com/x:1"),
    inspect(
        "wildcard, domain begins twice",
        "p:*.ex.com i",
        "a.ex.community.ex.com/x:1",
    ),
    inspect("longer wildcard", "p:*.ex.com\np:*.b.ex.com i", "a.b.ex.com/x:1"),
    inspect(
        "wildcard against equal length",
        "p:*.ex.com l:wild.lan i\np:a.ex.com l:exact.lan i",
        "a.ex.com/x:1",
    ),
    inspect(
        "wildcard against longer host",
        "p:*.ex.com l:wild.lan i\np:ab.ex.com l:exact.lan i",
        "ab.ex.com/x:1",
    ),
    inspect(
        "wildcard against namespace",
        "p:*.aaaa.ex.com l:wild.lan i\np:b.aaaa.ex.com/x l:exact.lan/x i",
        "b.aaaa.ex.com/x:1",
    ),
    inspect("star alone", "p:* l:in.lan i", "ex.com/x:1"),
    inspect("star without dot", "p:*ex.com l:in.lan i", "a.ex.com/x:1"),
    inspect("star inside", "p:a.*.com l:in.lan i", "a.ex.com/x:1"),
    // Mirrors.
    inspect("mirror of a tag", MIRRORS, "r.lan/x:1"),
    inspect("mirror of no tag", MIRRORS, "r.lan/x"),
    inspect("mirror of a digest", MIRRORS, "r.lan/x@D"),
    inspect(
        "by digest only, tag",
        "l:r.lan i d m:m.lan+i m:n.lan+i",
        "r.lan/x:1",
    ),
    inspect(
        "by digest only, digest",
        "l:r.lan i d m:m.lan+i m:n.lan+i",
        "r.lan/x@D",
    ),
    inspect("mirror over TLS", "l:r.lan i m:m.lan m:n.lan+i", "r.lan/x:1"),
    inspect(
        "insecure is the mirror's own",
        "l:r.lan i m:m.lan\nl:m.lan i",
        "r.lan/x:1",
    ),
    inspect("primary over TLS", "l:r.lan m:m.lan+i", "r.lan/x:1"),
    inspect(
        "mirror with path",
        "p:ex.com/ns l:in.lan/a i m:m.lan/b/c+i",
        "ex.com/ns/x:1",
    ),
    inspect("mirror of the hub", "l:docker.io m:m.lan/hub+i", "alpine:1"),
    inspect(
        "mirror with a slash at the end",
        "l:r.lan i m:m.lan/+i",
        "r.lan/x:1",
    ),
    inspect(
        "mirror that cannot be",
        "l:r.lan i m:docker.io m:m.lan+i",
        "r.lan/x:1",
    ),
    inspect("mirror is the primary", "l:r.lan i m:r.lan/cache+i", "r.lan/x:1"),
    inspect(
        "mirrors inline",
        "=registry = [{location = 'r.lan', insecure = true, mirror = [{location = 'm.lan', insecure = true}]}]",
        "r.lan/x:1",
    ),
    // Blocked.
    inspect("blocked", "l:r.lan b", "r.lan/x:1"),
    inspect("blocked namespace", "l:r.lan/ns b\nl:r.lan i", "r.lan/ns/x:1"),
    inspect(
        "not the blocked namespace",
        "l:r.lan/ns b\nl:r.lan i",
        "r.lan/x:1",
    ),
    inspect("blocked with mirror", "l:r.lan b m:m.lan+i", "r.lan/x:1"),
    inspect("blocked mirror", "l:r.lan i m:m.lan+i\nl:m.lan b", "r.lan/x:1"),
    inspect(
        "blocked prefix elsewhere",
        "p:pub.lan l:priv.lan i b",
        "pub.lan/x:1",
    ),
    inspect(
        "blocked location",
        "p:pub.lan l:priv.lan/a i\nl:priv.lan b",
        "pub.lan/x:1",
    ),
    inspect(
        "blocked, moved to a name that cannot be",
        "p:r.lan/x l:in.lan b",
        "r.lan/x:1",
    ),
    inspect("blocked wildcard", "p:*.ex.com b", "a.ex.com/x:1"),
    inspect(
        "allowed in a blocked wildcard",
        "p:*.ex.com b\nl:ok.ex.com i",
        "ok.ex.com/x:1",
    ),
    inspect("blocked host, name with port", "l:r.lan b", "r.lan:5000/x:1"),
    inspect(
        "blocked host, name with port of https",
        "l:r.lan b",
        "r.lan:443/x:1",
    ),
    inspect(
        "blocked host with port, other port",
        "l:r.lan:5000 b",
        "r.lan:5001/x:1",
    ),
    inspect(
        "blocked host, but not on that port",
        "l:r.lan b\nl:r.lan:5000 i",
        "r.lan:5000/x:1",
    ),
    inspect(
        "blocked host without dot, name with port",
        "l:plain b",
        "plain:5000/x:1",
    ),
    inspect(
        "blocked namespace of the hub",
        "l:docker.io/ceph b",
        "ceph/ceph:1",
    ),
    inspect(
        "blocked wildcard, host with port allowed",
        "p:*.ex.com b\nl:ok.ex.com i",
        "ok.ex.com:5000/x:1",
    ),
    // Not pulls.
    other(
        "delete is not mirrored",
        Run::Delete,
        "l:r.lan i m:m.lan+i",
        "r.lan/x:1",
    ),
    other(
        "delete is not moved",
        Run::Delete,
        "p:ex.com l:in.lan i",
        "ex.com/x:1",
    ),
    other("delete is blocked", Run::Delete, "l:r.lan b", "r.lan/x:1"),
    other(
        "delete is blocked by its prefix",
        Run::Delete,
        "p:ex.com l:in.lan b",
        "ex.com/x:1",
    ),
    other(
        "tags are not mirrored",
        Run::ListTags,
        "l:r.lan i m:m.lan+i",
        "r.lan/x",
    ),
    other(
        "tags are blocked",
        Run::ListTags,
        "l:r.lan b m:m.lan+i",
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
        "=Unqualified-Search-Registries = ['s1.lan']\nl:s1.lan i",
        "wharf-x:1",
    ),
    other(
        "Short-Name-Mode",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan', 's2.lan']\n=Short-Name-Mode = 'enforcing'\nl:s1.lan i\nl:s2.lan i",
        "wharf-x:1",
    ),
    other(
        "Aliases",
        Run::Podman,
        "l:a.lan i\n=[Aliases]\n=wharf-x = 'a.lan/y'",
        "wharf-x:1",
    ),
    // Files that are refused.
    inspect("not TOML", "=x", "r.lan/x:1"),
    inspect("wrong type", "=[[registry]]\n=location = 1", "r.lan/x:1"),
    inspect("no location", "i", "r.lan/x:1"),
    inspect("prefix alone", "p:r.lan i", "r.lan/x:1"),
    inspect("wildcard with path", "p:*.ex.com/ns i", "r.lan/x:1"),
    inspect("scheme", "l:http://r.lan i", "r.lan/x:1"),
    inspect("scheme of mirror", "l:r.lan i m:https://m.lan", "r.lan/x:1"),
    inspect(
        "mirror without location",
        "=[[registry]]\n=location = 'r.lan'\n=[[registry.mirror]]\n=insecure = true",
        "r.lan/x:1",
    ),
    inspect(
        "two values of insecure",
        "l:r.lan i\np:p.lan l:r.lan",
        "r.lan/x:1",
    ),
    inspect("two values of blocked", "l:r.lan b\np:p.lan l:r.lan", "r.lan/x:1"),
    inspect(
        "unknown pull-from-mirror",
        "l:r.lan i m:m.lan+sometimes",
        "r.lan/x:1",
    ),
    inspect("digest-only twice", "l:r.lan i d m:m.lan+all", "r.lan/x:1"),
    inspect("unknown mode", "=short-name-mode = 'maybe'", "r.lan/x:1"),
    inspect(
        "search registry with path",
        "=unqualified-search-registries = ['r.lan/ns']",
        "r.lan/x:1",
    ),
    inspect(
        "unknown keys",
        "=future = 1\nl:r.lan i\n=[more]\n=x = 1",
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
        "=[registries.block]\n=registries = ['b.lan']\nl:r.lan i",
        "r.lan/x:1",
    ),
    // Drop-ins.
    with_files("drop-in", Run::Inspect, "", &[(A, "l:r.lan i")], "r.lan/x:1"),
    with_files(
        "drop-in replaces a table",
        Run::Inspect,
        "p:p.lan l:a.lan i m:m.lan+i",
        &[(A, "p:p.lan l:b.lan i")],
        "p.lan/x:1",
    ),
    with_files(
        "later drop-in wins",
        Run::Inspect,
        "",
        &[(B, "p:p.lan l:b.lan i"), (A, "p:p.lan l:a.lan i")],
        "p.lan/x:1",
    ),
    with_files(
        "two values in two files",
        Run::Inspect,
        "l:r.lan i",
        &[(A, "p:p.lan l:r.lan")],
        "r.lan/x:1",
    ),
    with_files(
        "bad drop-in",
        Run::Inspect,
        "l:r.lan i",
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
        "l:r.lan i",
        &[(".config/containers/registries.conf.d/a.conf.bak", "=x")],
        "r.lan/x:1",
    ),
    with_files(
        "empty drop-in",
        Run::Inspect,
        "l:r.lan i",
        &[(A, "")],
        "r.lan/x:1",
    ),
    // Short names.
    other("short, nothing configured", Run::Podman, "", "wharf-x:1"),
    other(
        "short, one registry",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nl:s1.lan i",
        "wharf-x:1",
    ),
    other("short, permissive", Run::Podman, TWO, "wharf-x:1"),
    other(
        "short, permissive, first fails",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan', 's2.lan']\nl:s2.lan i",
        "wharf-x:1",
    ),
    other(
        "short, permissive, first blocked",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan', 's2.lan']\nl:s1.lan b\nl:s2.lan i",
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
        "=unqualified-search-registries = ['s1.lan']\nl:s1.lan i m:m.lan+i",
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
        "=unqualified-search-registries = ['s1.lan']\nl:a.lan i\n=[aliases]\n=wharf-x = 'a.lan/y'",
        "wharf-x:1",
    ),
    other(
        "alias, exact name",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nl:s1.lan i\n=[aliases]\n=wharf-x = 'a.lan/y'",
        "library/wharf-x:1",
    ),
    other(
        "alias erased",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nl:s1.lan i\n=[aliases]\n=wharf-x = ''",
        "wharf-x:1",
    ),
    with_files(
        "alias of the machine",
        Run::Podman,
        "l:a.lan i\nl:m.lan i\n=[aliases]\n=wharf-x = 'a.lan/y'",
        &[(ALIASES, "=[aliases]\n=wharf-x = 'm.lan/y'")],
        "wharf-x:1",
    ),
    with_files(
        "alias erased by the machine",
        Run::Podman,
        "=unqualified-search-registries = ['s1.lan']\nl:s1.lan i\n=[aliases]\n=wharf-x = 'a.lan/y'",
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
        &[(A, "l:other.lan")],
        "wharf-x:1",
    ),
    with_files(
        "drop-in alias",
        Run::Podman,
        "l:a.lan i\nl:b.lan i\n=[aliases]\n=wharf-x = 'a.lan/y'",
        &[(A, "=[aliases]\n=wharf-x = 'b.lan/y'")],
        "wharf-x:1",
    ),
];
