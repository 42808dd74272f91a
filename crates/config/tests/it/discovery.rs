//! Which files are read, and in what order.

use wharf_config::{
    ConfigErrorKind::{self, Missing, Unreadable},
    Generation::{Podman5, Podman6},
    HostOs, Locations, Registries,
};

use crate::support::Host;

/// The files that exist, how the host is described, and the files that are read or the error.
pub(crate) struct Case {
    /// Below the root; one that ends in `/` is a directory.
    files: &'static [&'static str],
    host: fn(&Host, Locations) -> Locations,
    read: Result<&'static [&'static str], ConfigErrorKind>,
}

const fn case(
    files: &'static [&'static str],
    host: fn(&Host, Locations) -> Locations,
    read: &'static [&'static str],
) -> Case {
    Case {
        files,
        host,
        read: Ok(read),
    }
}

const fn error(
    files: &'static [&'static str],
    host: fn(&Host, Locations) -> Locations,
    kind: ConfigErrorKind,
) -> Case {
    Case {
        files,
        host,
        read: Err(kind),
    }
}

const ETC: &str = "etc/containers/registries.conf";
const USR: &str = "usr/share/containers/registries.conf";
const HOME: &str = "root/.config/containers/registries.conf";
const ETC_D: &str = "etc/containers/registries.conf.d/a.conf";
const USR_D: &str = "usr/share/containers/registries.conf.d/b.conf";
const HOME_D: &str = "root/.config/containers/registries.conf.d/c.conf";
const ALL: &[&str] = &[ETC, USR, HOME, ETC_D, USR_D, HOME_D, "f", "g", "d/1.conf"];

fn plain(_: &Host, locations: Locations) -> Locations {
    locations
}

fn classic(_: &Host, locations: Locations) -> Locations {
    locations.with_generation(Podman5)
}

fn rootless(_: &Host, locations: Locations) -> Locations {
    locations.with_uid(1000)
}

pub(crate) const CASES: &[Case] = &[
    // The main file.
    case(&[], plain, &[]),
    case(&[ETC, USR, HOME], plain, &[HOME]),
    case(&[ETC, USR], plain, &[ETC]),
    case(&[USR], plain, &[USR]),
    case(
        &[HOME, "xdg/containers/registries.conf"],
        |h, l| l.with_xdg_config_home(h.path("xdg")),
        &["xdg/containers/registries.conf"],
    ),
    case(&[HOME, ETC], |h, l| l.with_xdg_config_home(h.path("xdg")), &[ETC]),
    case(&[HOME, ETC], |_, l| l.with_xdg_config_home(""), &[HOME]),
    error(&["etc/containers/registries.conf/"], plain, Unreadable),
    error(
        &["root/.config/containers/registries.conf/", ETC],
        plain,
        Unreadable,
    ),
    // Explicit and from the environment.
    case(
        ALL,
        |h, l| l.with_registries_conf(h.path("f")),
        &["f", ETC_D, USR_D, HOME_D],
    ),
    case(ALL, |h, l| l.with_registries_conf_env(h.path("f")), &["f"]),
    case(
        ALL,
        |h, l| {
            l.with_registries_conf_env(h.path("f"))
                .with_registries_conf(h.path("g"))
        },
        &["g", ETC_D, USR_D, HOME_D],
    ),
    case(
        ALL,
        |h, l| {
            l.with_registries_conf_env(h.path("f"))
                .with_registries_conf_dir(h.path("d"))
        },
        &["f"],
    ),
    case(
        ALL,
        |h, l| {
            l.with_registries_conf_env(h.path("f"))
                .with_registries_conf_override(h.path("g"))
        },
        &["f", "g"],
    ),
    case(
        ALL,
        |h, l| l.with_registries_conf_override(h.path("g")),
        &[HOME, ETC_D, USR_D, HOME_D, "g"],
    ),
    case(
        ALL,
        |h, l| l.with_registries_conf_dir(h.path("d")),
        &[HOME, "d/1.conf"],
    ),
    case(ALL, |h, l| l.with_registries_conf_dir(h.path("missing")), &[HOME]),
    case(
        ALL,
        |h, l| {
            l.with_registries_conf_dir(h.path("d"))
                .with_registries_conf_override(h.path("g"))
        },
        &[HOME, "d/1.conf"],
    ),
    case(
        ALL,
        |h, l| {
            l.with_registries_conf(h.path("f"))
                .with_registries_conf_dir(h.path("d"))
        },
        &["f", "d/1.conf"],
    ),
    case(
        ALL,
        |h, l| {
            l.with_registries_conf("")
                .with_registries_conf_env("")
                .with_registries_conf_override("")
                .with_registries_conf_dir(h.path("d"))
        },
        &[HOME, "d/1.conf"],
    ),
    error(ALL, |h, l| l.with_registries_conf(h.path("missing")), Missing),
    error(ALL, |h, l| l.with_registries_conf_env(h.path("missing")), Missing),
    error(
        ALL,
        |h, l| l.with_registries_conf_override(h.path("missing")),
        Missing,
    ),
    error(ALL, |h, l| l.with_registries_conf_dir(h.path("f")), Unreadable),
    // Drop-ins: by name, whatever the directory.
    case(&[ETC_D, USR_D, HOME_D], plain, &[ETC_D, USR_D, HOME_D]),
    case(
        &[
            "usr/share/containers/registries.conf.d/1.conf",
            "root/.config/containers/registries.conf.d/0.conf",
            "etc/containers/registries.conf.d/10.conf",
        ],
        plain,
        &[
            "root/.config/containers/registries.conf.d/0.conf",
            "usr/share/containers/registries.conf.d/1.conf",
            "etc/containers/registries.conf.d/10.conf",
        ],
    ),
    case(
        &[
            "etc/containers/registries.conf.d/B.conf",
            "etc/containers/registries.conf.d/a.conf",
            "etc/containers/registries.conf.d/_.conf",
        ],
        plain,
        &[
            "etc/containers/registries.conf.d/B.conf",
            "etc/containers/registries.conf.d/_.conf",
            "etc/containers/registries.conf.d/a.conf",
        ],
    ),
    // Masking.
    case(
        &[
            "usr/share/containers/registries.conf.d/x.conf",
            "etc/containers/registries.conf.d/x.conf",
        ],
        plain,
        &["etc/containers/registries.conf.d/x.conf"],
    ),
    case(
        &[
            "usr/share/containers/registries.conf.d/x.conf",
            "etc/containers/registries.conf.d/x.conf",
            "root/.config/containers/registries.conf.d/x.conf",
        ],
        plain,
        &["root/.config/containers/registries.conf.d/x.conf"],
    ),
    case(
        &[
            "etc/containers/registries.conf.d/x.conf",
            "etc/containers/registries.rootful.conf.d/x.conf",
        ],
        plain,
        &["etc/containers/registries.rootful.conf.d/x.conf"],
    ),
    // Only files called *.conf, and no directories.
    case(
        &[
            "etc/containers/registries.conf.d/a.conf.bak",
            "etc/containers/registries.conf.d/b.toml",
            "etc/containers/registries.conf.d/c.conf~",
            "etc/containers/registries.conf.d/conf",
        ],
        plain,
        &[],
    ),
    case(
        &["etc/containers/registries.conf.d/sub.conf/a.conf", ETC_D],
        plain,
        &[ETC_D],
    ),
    // The superuser's and the others' directories.
    case(
        &[
            "etc/containers/registries.conf.rootful.d/a.conf",
            "etc/containers/registries.conf.rootless.d/b.conf",
            "etc/containers/registries.conf.rootless.d/1000/c.conf",
        ],
        plain,
        &[],
    ),
    case(
        &[
            "etc/containers/registries.rootful.conf.d/a.conf",
            "etc/containers/registries.rootless.conf.d/b.conf",
            "etc/containers/registries.rootless.conf.d/1000/c.conf",
        ],
        plain,
        &["etc/containers/registries.rootful.conf.d/a.conf"],
    ),
    case(
        &[
            "etc/containers/registries.rootful.conf.d/a.conf",
            "etc/containers/registries.rootless.conf.d/b.conf",
            "etc/containers/registries.rootless.conf.d/1000/c.conf",
            "etc/containers/registries.rootless.conf.d/1001/d.conf",
        ],
        rootless,
        &[
            "etc/containers/registries.rootless.conf.d/b.conf",
            "etc/containers/registries.rootless.conf.d/1000/c.conf",
        ],
    ),
    case(
        &[
            "etc/containers/registries.rootless.conf.d/x.conf",
            "etc/containers/registries.rootless.conf.d/1000/x.conf",
            "etc/containers/registries.conf.d/x.conf",
        ],
        rootless,
        &["etc/containers/registries.rootless.conf.d/1000/x.conf"],
    ),
    case(
        &[
            "usr/share/containers/registries.rootless.conf.d/1000/x.conf",
            "etc/containers/registries.conf.d/x.conf",
        ],
        rootless,
        &["etc/containers/registries.conf.d/x.conf"],
    ),
    case(
        &["root/.config/containers/registries.rootful.conf.d/a.conf"],
        plain,
        &[],
    ),
    // Podman 5.
    case(ALL, classic, &[HOME, HOME_D]),
    case(&[ETC, USR, ETC_D, USR_D, HOME_D], classic, &[ETC, ETC_D, HOME_D]),
    case(&[USR, USR_D], classic, &[]),
    case(
        &[ETC, "xdg/containers/registries.conf"],
        |h, l| classic(h, l).with_xdg_config_home(h.path("xdg")),
        &[ETC],
    ),
    case(
        ALL,
        |h, l| classic(h, l).with_registries_conf(h.path("f")),
        &["f", ETC_D, HOME_D],
    ),
    case(
        ALL,
        |h, l| classic(h, l).with_registries_conf_env(h.path("f")),
        &["f", ETC_D, HOME_D],
    ),
    case(
        ALL,
        |h, l| {
            classic(h, l)
                .with_registries_conf_env(h.path("f"))
                .with_registries_conf(h.path("g"))
        },
        &["g", ETC_D, HOME_D],
    ),
    case(
        ALL,
        |h, l| classic(h, l).with_registries_conf_dir(h.path("d")),
        &[HOME, "d/1.conf"],
    ),
    case(
        ALL,
        |h, l| classic(h, l).with_registries_conf_override(h.path("g")),
        &[HOME, HOME_D],
    ),
    case(
        &[
            "etc/containers/registries.conf.d/x.conf",
            "root/.config/containers/registries.conf.d/x.conf",
            "root/.config/containers/registries.conf.d/a.conf",
        ],
        classic,
        &[
            "etc/containers/registries.conf.d/x.conf",
            "root/.config/containers/registries.conf.d/a.conf",
            "root/.config/containers/registries.conf.d/x.conf",
        ],
    ),
    error(
        ALL,
        |h, l| classic(h, l).with_registries_conf(h.path("missing")),
        Missing,
    ),
    // The old variable.
    case(
        ALL,
        |h, l| classic(h, l).with_registries_config_path(h.path("f")),
        &["f", ETC_D, HOME_D],
    ),
    case(
        ALL,
        |h, l| {
            classic(h, l)
                .with_registries_config_path(h.path("f"))
                .with_registries_conf_env(h.path("g"))
        },
        &["g", ETC_D, HOME_D],
    ),
    case(
        ALL,
        |h, l| l.with_registries_config_path(h.path("f")),
        &[HOME, ETC_D, USR_D, HOME_D],
    ),
    // Other systems.
    case(
        &[
            "usr/local/etc/containers/registries.conf",
            "usr/local/share/containers/registries.conf.d/x.conf",
            ETC,
            USR_D,
        ],
        |_, l| l.with_os(HostOs::FreeBsd),
        &[
            "usr/local/etc/containers/registries.conf",
            "usr/local/share/containers/registries.conf.d/x.conf",
        ],
    ),
    case(&[ETC, HOME_D], |_, l| l.with_os(HostOs::MacOs), &[ETC, HOME_D]),
    case(
        &[
            "pd/containers/registries.conf",
            "pd/containers/registries.conf.d/b.conf",
            "ad/containers/registries.conf.d/a.conf",
            ETC,
            HOME,
        ],
        |h, l| {
            l.with_os(HostOs::Windows)
                .with_program_data(h.path("pd"))
                .with_app_data(h.path("ad"))
        },
        &[
            "pd/containers/registries.conf",
            "ad/containers/registries.conf.d/a.conf",
            "pd/containers/registries.conf.d/b.conf",
        ],
    ),
    case(ALL, |_, l| l.with_os(HostOs::Windows), &[]),
    // No host at all.
    case(
        ALL,
        |h, _| Locations::none().with_registries_conf(h.path("f")),
        &["f"],
    ),
    case(ALL, |_, _| Locations::none(), &[]),
];

#[test]
fn the_right_files_are_read_in_the_right_order() {
    for (index, case) in CASES.iter().enumerate() {
        let host = Host::new(&[]);
        for file in case.files {
            if file.ends_with('/') {
                std::fs::create_dir_all(host.path(file)).unwrap();
            } else {
                host.write(file, "");
            }
        }
        let locations = (case.host)(&host, host.locations().with_generation(Podman6));
        let read = Registries::load(&locations).map(|registries| registries.files().to_vec());
        let expected = case
            .read
            .map(|files| files.iter().map(|file| host.path(file)).collect());
        assert_eq!(
            read.map_err(|error| error.kind()),
            expected,
            "case {index}: {:?}",
            case.files
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_skipped_and_one_to_a_directory_is_an_error() {
    use std::os::unix::fs::symlink;

    let host = Host::new(&[(ETC_D, "")]);
    let dir = host.path("etc/containers/registries.conf.d");
    symlink("missing", dir.join("b.conf")).unwrap();
    for generation in [Podman6, Podman5] {
        let locations = host.locations().with_generation(generation);
        let registries = Registries::load(&locations).unwrap();
        assert_eq!(registries.files(), [host.path(ETC_D)]);
    }
    symlink(".", dir.join("c.conf")).unwrap();
    let error = Registries::load(&host.locations()).unwrap_err();
    assert_eq!(error.kind(), Unreadable);
}

#[test]
fn text_merges_as_a_drop_in() {
    let mut registries = Registries::parse("short-name-mode = 'disabled'").unwrap();
    let bad = registries.merge_drop_in("x.conf".as_ref(), "short-name-mode = 'x'");
    assert_eq!(
        bad.unwrap_err().to_string(),
        "x.conf:1:19: short-name-mode: expected enforcing, permissive or disabled, found \"x\""
    );
    assert_eq!(registries.short_name_mode().as_str(), "disabled");
    registries
        .merge_drop_in("y.conf".as_ref(), "short-name-mode = 'enforcing'")
        .unwrap();
    assert_eq!(registries.short_name_mode().as_str(), "enforcing");
}
