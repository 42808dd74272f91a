//! Where a host keeps things.

use std::path::PathBuf;

use wharf_config::{HostOs, Locations};

/// Which location is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Location {
    User,
    Admin,
    Vendor,
    AliasFile,
}

/// The environment, the user, the system, and where a location is.
type Case = (
    &'static [(&'static str, &'static str)],
    Option<u32>,
    HostOs,
    Location,
    Option<&'static str>,
);

const HOME: (&str, &str) = ("HOME", "/home/ada");

pub(crate) const CASES: &[Case] = &[
    (
        &[HOME],
        Some(1),
        HostOs::Linux,
        Location::User,
        Some("/home/ada/.config/containers"),
    ),
    (
        &[HOME, ("XDG_CONFIG_HOME", "/x")],
        Some(1),
        HostOs::Linux,
        Location::User,
        Some("/x/containers"),
    ),
    (
        &[HOME, ("XDG_CONFIG_HOME", "")],
        Some(1),
        HostOs::Linux,
        Location::User,
        Some("/home/ada/.config/containers"),
    ),
    (
        &[("XDG_CONFIG_HOME", "/x")],
        Some(1),
        HostOs::Linux,
        Location::User,
        Some("/x/containers"),
    ),
    (&[], Some(1), HostOs::Linux, Location::User, None),
    (
        &[HOME],
        Some(1),
        HostOs::MacOs,
        Location::User,
        Some("/home/ada/.config/containers"),
    ),
    (
        &[("APPDATA", "/ad"), HOME],
        None,
        HostOs::Windows,
        Location::User,
        Some("/ad/containers"),
    ),
    (&[HOME], None, HostOs::Windows, Location::User, None),
    (
        &[],
        Some(1),
        HostOs::Linux,
        Location::Admin,
        Some("/etc/containers"),
    ),
    (
        &[],
        Some(1),
        HostOs::MacOs,
        Location::Admin,
        Some("/etc/containers"),
    ),
    (
        &[],
        Some(1),
        HostOs::FreeBsd,
        Location::Admin,
        Some("/usr/local/etc/containers"),
    ),
    (
        &[("ProgramData", "/pd")],
        None,
        HostOs::Windows,
        Location::Admin,
        Some("/pd/containers"),
    ),
    (
        &[("PROGRAMDATA", "/pd")],
        None,
        HostOs::Windows,
        Location::Admin,
        Some("/pd/containers"),
    ),
    (&[], None, HostOs::Windows, Location::Admin, None),
    (
        &[],
        Some(1),
        HostOs::Linux,
        Location::Vendor,
        Some("/usr/share/containers"),
    ),
    (
        &[],
        Some(1),
        HostOs::FreeBsd,
        Location::Vendor,
        Some("/usr/local/share/containers"),
    ),
    (
        &[("ProgramData", "/pd")],
        None,
        HostOs::Windows,
        Location::Vendor,
        None,
    ),
    (
        &[HOME],
        Some(0),
        HostOs::Linux,
        Location::AliasFile,
        Some("/var/cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME],
        Some(1),
        HostOs::Linux,
        Location::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME],
        None,
        HostOs::Linux,
        Location::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("XDG_CACHE_HOME", "/c")],
        Some(1),
        HostOs::Linux,
        Location::AliasFile,
        Some("/c/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("XDG_CACHE_HOME", "/c")],
        Some(0),
        HostOs::Linux,
        Location::AliasFile,
        Some("/var/cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("XDG_CACHE_HOME", "")],
        Some(1),
        HostOs::Linux,
        Location::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (&[], Some(1), HostOs::Linux, Location::AliasFile, None),
    // Podman tells programs in its user namespace, where everyone is 0, who they are.
    (
        &[HOME, ("_CONTAINERS_ROOTLESS_UID", "1000")],
        None,
        HostOs::Linux,
        Location::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("_CONTAINERS_ROOTLESS_UID", "x")],
        None,
        HostOs::Linux,
        Location::AliasFile,
        Some("/var/cache/containers/short-name-aliases.conf"),
    ),
    (
        &[HOME, ("_CONTAINERS_ROOTLESS_UID", "")],
        Some(1),
        HostOs::Linux,
        Location::AliasFile,
        Some("/home/ada/.cache/containers/short-name-aliases.conf"),
    ),
];

#[test]
fn locations_follow_from_the_environment() {
    for (vars, uid, os, location, expected) in CASES {
        let mut locations = Locations::from_vars(vars.iter().copied()).with_os(*os);
        if let Some(uid) = uid {
            locations = locations.with_uid(*uid);
        }
        let found = match location {
            Location::User => locations.user_dir(),
            Location::Admin => locations.admin_dir(),
            Location::Vendor => locations.vendor_dir(),
            Location::AliasFile => locations.alias_file(),
        };
        assert_eq!(
            found,
            expected.map(PathBuf::from),
            "{location:?} of {locations:?}"
        );
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
