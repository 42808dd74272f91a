//! Where a host keeps things.

use std::path::PathBuf;

use wharf_config::{HostOs, Locations};

/// Which place is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    User,
    Admin,
    Vendor,
    AliasFile,
}

/// The environment, the user, the system, and where a place is.
type Case = (
    &'static [(&'static str, &'static str)],
    Option<u32>,
    HostOs,
    Place,
    Option<&'static str>,
);

const HOME: (&str, &str) = ("HOME", "/home/ada");

pub(crate) const CASES: &[Case] = &[
    (
        &[HOME],
        Some(1),
        HostOs::Linux,
        Place::User,
        Some("/home/ada/.config/containers"),
    ),
    (
        &[HOME, ("XDG_CONFIG_HOME", "/x")],
        Some(1),
        HostOs::Linux,
        Place::User,
        Some("/x/containers"),
    ),
    (
        &[HOME, ("XDG_CONFIG_HOME", "")],
        Some(1),
        HostOs::Linux,
        Place::User,
        Some("/home/ada/.config/containers"),
    ),
    (
        &[("XDG_CONFIG_HOME", "/x")],
        Some(1),
        HostOs::Linux,
        Place::User,
        Some("/x/containers"),
    ),
    (&[], Some(1), HostOs::Linux, Place::User, None),
    (
        &[HOME],
        Some(1),
        HostOs::MacOs,
        Place::User,
        Some("/home/ada/.config/containers"),
    ),
    (
        &[("APPDATA", "/ad"), HOME],
        None,
        HostOs::Windows,
        Place::User,
        Some("/ad/containers"),
    ),
    (&[HOME], None, HostOs::Windows, Place::User, None),
    (&[], Some(1), HostOs::Linux, Place::Admin, Some("/etc/containers")),
    (&[], Some(1), HostOs::MacOs, Place::Admin, Some("/etc/containers")),
    (
        &[],
        Some(1),
        HostOs::FreeBsd,
        Place::Admin,
        Some("/usr/local/etc/containers"),
    ),
    (
        &[("ProgramData", "/pd")],
        None,
        HostOs::Windows,
        Place::Admin,
        Some("/pd/containers"),
    ),
    (
        &[("PROGRAMDATA", "/pd")],
        None,
        HostOs::Windows,
        Place::Admin,
        Some("/pd/containers"),
    ),
    (&[], None, HostOs::Windows, Place::Admin, None),
    (
        &[],
        Some(1),
        HostOs::Linux,
        Place::Vendor,
        Some("/usr/share/containers"),
    ),
    (
        &[],
        Some(1),
        HostOs::FreeBsd,
        Place::Vendor,
        Some("/usr/local/share/containers"),
    ),
    (
        &[("ProgramData", "/pd")],
        None,
        HostOs::Windows,
        Place::Vendor,
        None,
    ),
    (
        &[HOME],
        Some(0),
        HostOs::Linux,
        Place::AliasFile,
        Some("/var/cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME],
        Some(1),
        HostOs::Linux,
        Place::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME],
        None,
        HostOs::Linux,
        Place::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("XDG_CACHE_HOME", "/c")],
        Some(1),
        HostOs::Linux,
        Place::AliasFile,
        Some("/c/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("XDG_CACHE_HOME", "/c")],
        Some(0),
        HostOs::Linux,
        Place::AliasFile,
        Some("/var/cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("XDG_CACHE_HOME", "")],
        Some(1),
        HostOs::Linux,
        Place::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (&[], Some(1), HostOs::Linux, Place::AliasFile, None),
    // Podman tells programs in its user namespace, where everyone is 0, who they are.
    (
        &[HOME, ("_CONTAINERS_ROOTLESS_UID", "1000")],
        None,
        HostOs::Linux,
        Place::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("_CONTAINERS_ROOTLESS_UID", "x")],
        None,
        HostOs::Linux,
        Place::AliasFile,
        Some("/var/cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("_CONTAINERS_ROOTLESS_UID", "")],
        Some(1),
        HostOs::Linux,
        Place::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
];

#[test]
fn places_follow_from_the_environment() {
    for (vars, uid, os, place, expected) in CASES {
        let mut locations = Locations::from_vars(vars.iter().copied()).with_os(*os);
        if let Some(uid) = uid {
            locations = locations.with_uid(*uid);
        }
        let found = match place {
            Place::User => locations.user_dir(),
            Place::Admin => locations.admin_dir(),
            Place::Vendor => locations.vendor_dir(),
            Place::AliasFile => locations.alias_file(),
        };
        assert_eq!(found, expected.map(PathBuf::from), "{place:?} of {locations:?}");
    }
}

#[test]
fn a_rooted_host_lies_below_its_root_and_a_root_prefix_leaves_the_home_alone() {
    let rooted = Locations::rooted("/r");
    assert_eq!(rooted.home(), Some("/r/root".as_ref()));
    assert_eq!(rooted.admin_dir(), Some("/r/etc/containers".into()));
    assert_eq!(
        rooted.system_path("/run/containers/0"),
        Some("/r/run/containers/0".into())
    );

    let prefixed = Locations::from_vars([HOME]).with_root("/r");
    assert_eq!(prefixed.home(), Some("/home/ada".as_ref()));
    assert_eq!(prefixed.vendor_dir(), Some("/r/usr/share/containers".into()));
}

#[test]
fn this_process_has_a_home_and_a_user() {
    let locations = Locations::from_env();
    assert!(locations.home().is_some());
    assert_eq!(locations.uid().is_some(), cfg!(unix));
    assert_eq!(locations.os(), HostOs::current());
}

#[test]
fn nothing_is_found_without_a_host() {
    let none = Locations::none();
    assert_eq!(none.admin_dir(), None);
    assert_eq!(none.alias_file(), None);
    assert_eq!(none.system_path("/etc"), None);
}
