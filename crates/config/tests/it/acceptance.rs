//! The acceptance vectors for registries.conf, in their own order.

use wharf_config::{ConfigErrorKind, Generation, Intent, Registries, Resolve as _};

use crate::support::{Host, candidates, candidates_for};

fn parse(text: &str) -> Registries {
    Registries::parse(text).unwrap()
}

#[test]
fn an_exact_host_beats_a_wildcard_of_equal_length() {
    let registries = parse(
        "[[registry]]\nprefix = '*.ex.com'\nlocation = 'wild.lan'\n\
         [[registry]]\nprefix = 'a.ex.com'\nlocation = 'exact.lan'\n",
    );
    assert_eq!(candidates(&registries, "a.ex.com/x"), ["exact.lan/x"]);
    assert_eq!(candidates(&registries, "b.ex.com/x"), ["wild.lan/x"]);
}

#[test]
fn an_exact_host_beats_a_shorter_wildcard() {
    let registries = parse(
        "[[registry]]\nprefix = '*.ex.com'\nlocation = 'wild.lan'\n\
         [[registry]]\nprefix = 'ab.ex.com'\nlocation = 'exact.lan'\n",
    );
    assert_eq!(candidates(&registries, "ab.ex.com/x"), ["exact.lan/x"]);
}

#[test]
fn a_prefix_without_a_port_matches_its_host_on_every_port() {
    let registries = parse("[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan'\n");
    assert_eq!(candidates(&registries, "ex.com:5000/x:t"), ["in.lan:5000/x"]);
    assert_eq!(candidates(&registries, "ex.com/x:t"), ["in.lan/x"]);
}

#[test]
fn a_hub_prefix_without_library_does_not_match() {
    let registries = parse("[[registry]]\nprefix = 'docker.io/alpine'\nlocation = 'in.lan'\n");
    assert_eq!(
        candidates(&registries, "docker.io/library/alpine"),
        ["docker.io/library/alpine"]
    );
    // It is a namespace like any other.
    assert_eq!(candidates(&registries, "docker.io/alpine/x"), ["in.lan/x"]);
    assert_eq!(registries.warnings(), []);
}

#[test]
fn a_rewritten_name_must_be_canonical() {
    let registries = parse("[[registry]]\nprefix = 'ex.com/ns'\nlocation = 'docker.io'\n");
    let error = candidates(&registries, "ex.com/ns/busybox:1");
    assert!(error[0].contains("not a canonical repository name"), "{error:?}");
    assert_eq!(candidates(&registries, "ex.com/ns/a/b:1"), ["docker.io/a/b"]);
}

#[test]
fn a_wildcard_without_location_keeps_the_name_but_mirrors_rewrite() {
    let registries =
        parse("[[registry]]\nprefix = '*.ex.com'\n[[registry.mirror]]\nlocation = 'm.lan/cache'\n");
    assert_eq!(
        candidates(&registries, "q.r.ex.com/a/b:1"),
        ["mirror m.lan/cache/a/b", "q.r.ex.com/a/b"]
    );
}

#[test]
fn mirrors_of_a_blocked_registry_still_work() {
    let registries =
        parse("[[registry]]\nlocation = 'r.lan'\nblocked = true\n[[registry.mirror]]\nlocation = 'm.lan'\n");
    assert_eq!(
        candidates(&registries, "r.lan/x:1"),
        ["mirror m.lan/x", "r.lan/x blocked"]
    );
}

/// `ex.com` and `ex.com:443` are one candidate: a table that blocks it blocks it under both names.
#[test]
fn the_port_of_https_is_no_way_around_a_block() {
    let blocked = |name: &str| format!("[[registry]]\nlocation = '{name}'\nblocked = true\n");
    let open = |name: &str| format!("[[registry]]\nlocation = '{name}'\n");
    let moved = "[[registry]]\nprefix = 'q.lan'\nlocation = 'r.lan:443'\n";
    for (text, image, is_blocked) in [
        (blocked("r.lan"), "r.lan:443/x", true),
        (blocked("r.lan"), "R.lan:443/x", true),
        (blocked("r.lan:443"), "r.lan/x", true),
        (blocked("r.lan/ns"), "r.lan:443/ns/x", true),
        (blocked("r.lan/ns"), "r.lan:443/x", false),
        (blocked("*.lan"), "r.lan:443/x", true),
        (blocked("r.lan") + moved, "q.lan/x", true),
        (blocked("r.lan:443"), "r.lan:5000/x", false),
        (blocked("r.lan") + &open("r.lan:443"), "r.lan:443/x", false),
        (blocked("r.lan") + &open("r.lan:443"), "r.lan/x", true),
        (blocked("r.lan:443") + &open("r.lan"), "r.lan/x", false),
        (blocked("r.lan:443") + &open("r.lan"), "r.lan:443/x", true),
        // The more specific table counts, whichever way it writes the port.
        (blocked("r.lan/ns") + &open("r.lan"), "r.lan:443/ns/x", true),
        (blocked("r.lan/ns") + &open("r.lan:443"), "r.lan:443/ns/x", true),
        (blocked("r.lan:443/ns") + &open("r.lan"), "r.lan/ns/x", true),
        (blocked("r.lan") + &open("r.lan:443/ns"), "r.lan/ns/x", true), // its own table counts first
        (open("r.lan"), "r.lan:443/x", false),
    ] {
        let registries = parse(&text);
        let image = image.to_owned() + ":1";
        let found = candidates(&registries, &image);
        assert_eq!(
            found[0].contains("blocked"),
            is_blocked,
            "{text}{image}: {found:?}"
        );
        let registry = wharf_reference::Reference::parse(&image).unwrap().registry();
        if !text.contains("/ns") && !text.contains("q.lan") {
            let whole = wharf_config::Resolve::resolve_registry(&registries, &registry);
            assert_eq!(whole.is_err(), is_blocked, "{text}{image}");
        }
    }
}

/// A blocked prefix, a name, and whether it is blocked.
#[test]
fn a_blocked_host_is_blocked_on_every_port() {
    for (prefix, image, is_blocked) in [
        ("bad.example", "bad.example:8443/app", true),
        ("bad.example", "BAD.example:8443/app", true),
        ("bad.example:8443", "bad.example:8443/app", true),
        ("bad.example:8443", "bad.example:5000/app", false),
        ("bad.example:8443", "bad.example/app", false),
        ("localhost", "localhost:5000/app", true),
        ("registry", "registry:5000/app", true),
        ("127.0.0.1", "127.0.0.1:5000/app", true),
        ("[::1]", "[::1]:5000/app", true),
        ("[0:0::1]", "[::1]:5000/app", true),
        ("*.example", "bad.example:8443/app", true),
        ("*.example", "a.bad.example:8443/app", true),
        ("docker.io", "docker.io:443/library/app", true),
        ("bad.example", "bad.example.evil:8443/app", false),
        ("bad.example", "notbad.example:8443/app", false),
        ("bad.example/ns", "bad.example/ns/app", true),
        ("bad.example/ns", "bad.example:8443/ns/app", false),
    ] {
        let text = format!("[[registry]]\nprefix = '{prefix}'\nlocation = 'x.lan'\nblocked = true\n");
        let registries = parse(&text);
        let found = candidates(&registries, image);
        assert_eq!(
            found[0].contains("is blocked by"),
            is_blocked,
            "{text}{image}: {found:?}"
        );
        if !is_blocked || image.contains("/ns") {
            continue;
        }
        // Nor may it be pushed to, logged in to, or reached by a detour.
        let reference = wharf_reference::Reference::parse(image).unwrap();
        let pushed = candidates_for(&registries, &reference, Intent::Push);
        assert!(pushed[0].contains("is blocked by"), "{image}: {pushed:?}");
        let whole = registries.resolve_registry(&reference.registry());
        assert!(whole.is_err(), "{image}");
        let registry = reference.registry();
        let moved = format!("{text}[[registry]]\nprefix = 'moved.example'\nlocation = '{registry}'\n");
        let found = candidates(&parse(&moved), "moved.example/a/b");
        assert!(found[0].contains("is blocked by"), "{image}: {found:?}");
    }
}

#[test]
fn a_blocked_prefix_blocks_wherever_its_location_is() {
    let registries = parse("[[registry]]\nprefix = 'pub.io'\nlocation = 'priv.lan'\nblocked = true\n");
    let error = candidates(&registries, "pub.io/x:1");
    assert_eq!(
        error,
        ["error: pub.io/x is blocked by line 1 ([[registry]] pub.io)"]
    );
    assert_eq!(candidates(&registries, "priv.lan/x:1"), ["priv.lan/x"]);
}

#[test]
fn tables_of_one_location_must_agree() {
    let error = Registries::parse(
        "[[registry]]\nlocation = 'r.lan'\ninsecure = true\n\
         [[registry]]\nprefix = 'p.lan'\nlocation = 'r.lan'\n",
    )
    .unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Conflict);
    assert_eq!((error.line(), error.key()), (Some(4), Some("registry.insecure")));
}

#[test]
fn the_first_of_equal_prefixes_in_a_file_counts_and_the_last_across_files() {
    let twice = "[[registry]]\nprefix = 'p.lan'\nlocation = 'one.lan'\n\
                 [[registry]]\nprefix = 'p.lan'\nlocation = 'two.lan'\n";
    let host = Host::new(&[("etc/containers/registries.conf", twice)]);
    let registries = Registries::load(&host.locations()).unwrap();
    assert_eq!(candidates(&registries, "p.lan/x"), ["one.lan/x"]);

    let third = "[[registry]]\nprefix = 'p.lan'\nlocation = 'three.lan'\n";
    host.write("etc/containers/registries.conf.d/50-x.conf", third);
    let registries = Registries::load(&host.locations()).unwrap();
    assert_eq!(candidates(&registries, "p.lan/x"), ["three.lan/x"]);
}

#[test]
fn an_empty_array_in_a_drop_in_replaces() {
    let host = Host::new(&[
        (
            "etc/containers/registries.conf",
            "unqualified-search-registries = ['a.io']\n",
        ),
        (
            "etc/containers/registries.conf.d/a.conf",
            "unqualified-search-registries = []\n",
        ),
    ]);
    let registries = Registries::load(&host.locations()).unwrap();
    assert!(registries.search_registries().is_empty());
}

#[test]
fn no_credential_helpers_means_the_files() {
    let host = Host::new(&[
        (
            "etc/containers/registries.conf",
            "credential-helpers = ['pass']\n",
        ),
        (
            "etc/containers/registries.conf.d/a.conf",
            "credential-helpers = []\n",
        ),
    ]);
    let registries = Registries::load(&host.locations()).unwrap();
    let helpers: Vec<&str> = registries.credential_helpers().collect();
    assert_eq!(helpers, ["containers-auth.json"]);
}

#[test]
fn digest_only_is_said_once() {
    let error = Registries::parse(
        "[[registry]]\nlocation = 'r.lan'\nmirror-by-digest-only = true\n\
         [[registry.mirror]]\nlocation = 'm.lan'\npull-from-mirror = 'all'\n",
    )
    .unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Conflict);
    assert_eq!(
        (error.line(), error.key()),
        (Some(6), Some("registry.mirror.pull-from-mirror"))
    );
}

#[cfg(unix)]
#[test]
fn a_file_in_a_higher_directory_masks_that_of_the_same_name() {
    let host = Host::new(&[(
        "usr/share/containers/registries.conf.d/50-a.conf",
        "unqualified-search-registries = ['a.io']\n",
    )]);
    let registries = Registries::load(&host.locations()).unwrap();
    assert_eq!(registries.search_registries().len(), 1);

    let user = host.path("root/.config/containers/registries.conf.d");
    std::fs::create_dir_all(&user).unwrap();
    std::os::unix::fs::symlink("/dev/null", user.join("50-a.conf")).unwrap();
    let registries = Registries::load(&host.locations()).unwrap();
    assert!(registries.search_registries().is_empty());
}

#[test]
fn drop_ins_are_ordered_by_name_whatever_their_directory() {
    let host = Host::new(&[
        (
            "usr/share/containers/registries.conf.d/99-z.conf",
            "unqualified-search-registries = ['usr.io']\n",
        ),
        (
            "root/.config/containers/registries.conf.d/50-y.conf",
            "unqualified-search-registries = ['user.io']\n",
        ),
    ]);
    let registries = Registries::load(&host.locations()).unwrap();
    assert_eq!(registries.search_registries()[0], "usr.io");
}

#[test]
fn the_variable_reads_its_file_and_the_override_alone() {
    let host = Host::new(&[
        ("f", "unqualified-search-registries = ['f.io']\n"),
        ("g", "short-name-mode = 'disabled'\n"),
        (
            "etc/containers/registries.conf.d/a.conf",
            "unqualified-search-registries = ['drop-in.io']\n",
        ),
    ]);
    let locations = host
        .locations()
        .with_registries_conf_env(host.path("f"))
        .with_registries_conf_override(host.path("g"));
    let registries = Registries::load(&locations).unwrap();
    assert_eq!(registries.files(), [host.path("f"), host.path("g")]);
}

#[test]
fn a_classic_user_file_hides_the_systems_drop_ins() {
    let host = Host::new(&[
        ("root/.config/containers/registries.conf", ""),
        (
            "etc/containers/registries.conf.d/a.conf",
            "unqualified-search-registries = ['a.io']\n",
        ),
    ]);
    let locations = host.locations().with_generation(Generation::Podman5);
    let registries = Registries::load(&locations).unwrap();
    assert!(registries.search_registries().is_empty());
}

#[test]
fn version_1_is_read_with_a_warning_in_the_main_file_only() {
    let old = "[registries.search]\nregistries = ['a.io']\n\
               [registries.insecure]\nregistries = ['i.lan', 'b.lan']\n\
               [registries.block]\nregistries = ['b.lan']\n";
    for generation in [Generation::Podman6, Generation::Podman5] {
        let host = Host::new(&[("etc/containers/registries.conf", old)]);
        let locations = host.locations().with_generation(generation);
        let registries = Registries::load(&locations).unwrap();
        assert_eq!(registries.search_registries()[0], "a.io");
        assert_eq!(candidates(&registries, "i.lan/x"), ["i.lan/x insecure"]);
        assert!(candidates(&registries, "b.lan/x")[0].starts_with("error: b.lan/x is blocked"));
        assert_eq!(registries.warnings().len(), 1);

        host.write(
            "etc/containers/registries.conf.d/a.conf",
            "[registries.block]\nregistries = []\n",
        );
        let error = Registries::load(&locations).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Value);
    }
    let mixed = "unqualified-search-registries = []\n[registries.block]\nregistries = []\n";
    let error = Registries::parse(mixed).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Conflict);
}
