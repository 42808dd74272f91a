//! certs.d.

use wharf_config::{
    Certificates,
    ConfigErrorKind::{self, Incomplete, Syntax, Unreadable},
    Generation, HostOs, Locations,
};
use wharf_reference::Registry;

use crate::support::Host;

const CERT: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";

/// Files, a description of the host, a registry, and what is found: authorities, then clients with their keys.
pub(crate) struct Case {
    files: &'static [&'static str],
    host: fn(&Host, Locations) -> Locations,
    registry: &'static str,
    found: Result<&'static [&'static str], (ConfigErrorKind, &'static str)>,
}

fn plain(_: &Host, locations: Locations) -> Locations {
    locations
}

fn classic(_: &Host, locations: Locations) -> Locations {
    locations.with_generation(Generation::Podman5)
}

const fn case(
    files: &'static [&'static str],
    host: fn(&Host, Locations) -> Locations,
    registry: &'static str,
    found: &'static [&'static str],
) -> Case {
    Case {
        files,
        host,
        registry,
        found: Ok(found),
    }
}

const fn error(files: &'static [&'static str], kind: ConfigErrorKind, file: &'static str) -> Case {
    Case {
        files,
        host: plain,
        registry: "r.lan",
        found: Err((kind, file)),
    }
}

const ETC: &str = "etc/containers/certs.d/r.lan/ca.crt";
const USR: &str = "usr/share/containers/certs.d/r.lan/ca.crt";
const HOME: &str = "root/.config/containers/certs.d/r.lan/ca.crt";
const DOCKER: &str = "etc/docker/certs.d/r.lan/ca.crt";
const ROOTFUL: &str = "etc/containers/certs.rootful.d/r.lan/ca.crt";
const ROOTLESS: &str = "etc/containers/certs.rootless.d/r.lan/ca.crt";
const ROOTLESS_UID: &str = "etc/containers/certs.rootless.d/1000/r.lan/ca.crt";

pub(crate) const CASES: &[Case] = &[
    case(&[], plain, "r.lan", &[]),
    case(&[ETC], plain, "r.lan", &[ETC]),
    case(&[ETC], plain, "other.lan", &[]),
    case(&[ETC], plain, "r.lan:443", &[]),
    case(
        &["etc/containers/certs.d/r.lan:5000/ca.crt"],
        plain,
        "r.lan:5000",
        &["etc/containers/certs.d/r.lan:5000/ca.crt"],
    ),
    case(
        &["etc/containers/certs.d/docker.io/ca.crt"],
        plain,
        "index.docker.io",
        &["etc/containers/certs.d/docker.io/ca.crt"],
    ),
    // The first directory alone.
    case(&[HOME, ETC, USR, DOCKER, ROOTFUL], plain, "r.lan", &[HOME]),
    case(&[ETC, USR, DOCKER, ROOTFUL], plain, "r.lan", &[ROOTFUL]),
    case(&[ETC, USR, DOCKER], plain, "r.lan", &[ETC]),
    case(&[USR, DOCKER], plain, "r.lan", &[USR]),
    case(&[DOCKER], plain, "r.lan", &[DOCKER]),
    case(
        &["root/.config/containers/certs.d/r.lan/", ETC],
        plain,
        "r.lan",
        &[],
    ),
    case(
        &[HOME, ETC],
        |h, l| l.with_xdg_config_home(h.path("xdg")),
        "r.lan",
        &[ETC],
    ),
    case(
        &[ROOTLESS, ROOTLESS_UID, ROOTFUL, ETC],
        |_, l| l.with_uid(1000),
        "r.lan",
        &[ROOTLESS_UID],
    ),
    case(
        &[ROOTLESS, ROOTFUL, ETC],
        |_, l| l.with_uid(1000),
        "r.lan",
        &[ROOTLESS],
    ),
    // Podman 5.
    case(&[HOME, ETC, USR, DOCKER, ROOTFUL], classic, "r.lan", &[HOME]),
    case(&[ETC, USR, DOCKER, ROOTFUL], classic, "r.lan", &[ETC]),
    case(&[USR, DOCKER, ROOTFUL], classic, "r.lan", &[DOCKER]),
    case(
        &[HOME, "xdg/containers/certs.d/r.lan/ca.crt"],
        |h, l| classic(h, l).with_xdg_config_home(h.path("xdg")),
        "r.lan",
        &[HOME],
    ),
    // Explicit.
    case(
        &[HOME, "mine/ca.crt"],
        |h, l| l.with_cert_dir(h.path("mine")),
        "r.lan",
        &["mine/ca.crt"],
    ),
    case(
        &[HOME, "mine/ca.crt"],
        |h, l| l.with_cert_dir(h.path("mine")),
        "other.lan",
        &["mine/ca.crt"],
    ),
    case(&[HOME], |h, l| l.with_cert_dir(h.path("missing")), "r.lan", &[]),
    case(
        &[HOME, "base/r.lan/ca.crt"],
        |h, l| l.with_certs_base(h.path("base")),
        "r.lan",
        &["base/r.lan/ca.crt"],
    ),
    case(&[HOME], |h, l| l.with_certs_base(h.path("base")), "r.lan", &[]),
    // Other systems.
    case(
        &["usr/local/etc/containers/certs.d/r.lan/ca.crt", ETC],
        |_, l| l.with_os(HostOs::FreeBsd),
        "r.lan",
        &["usr/local/etc/containers/certs.d/r.lan/ca.crt"],
    ),
    case(
        &["pd/docker/certs.d/r.lan5000/ca.crt"],
        |h, l| l.with_os(HostOs::Windows).with_program_data(h.path("pd")),
        "r.lan:5000",
        &["pd/docker/certs.d/r.lan5000/ca.crt"],
    ),
    // What a directory may hold.
    case(
        &[
            "etc/containers/certs.d/r.lan/b.crt",
            "etc/containers/certs.d/r.lan/a.crt",
            "etc/containers/certs.d/r.lan/README",
            "etc/containers/certs.d/r.lan/c.pem",
        ],
        plain,
        "r.lan",
        &[
            "etc/containers/certs.d/r.lan/a.crt",
            "etc/containers/certs.d/r.lan/b.crt",
        ],
    ),
    case(
        &[
            "etc/containers/certs.d/r.lan/me.key",
            "etc/containers/certs.d/r.lan/me.cert",
            "etc/containers/certs.d/r.lan/a.b.cert",
            "etc/containers/certs.d/r.lan/a.b.key",
        ],
        plain,
        "r.lan",
        &[
            "etc/containers/certs.d/r.lan/a.b.cert",
            "etc/containers/certs.d/r.lan/a.b.key",
            "etc/containers/certs.d/r.lan/me.cert",
            "etc/containers/certs.d/r.lan/me.key",
        ],
    ),
    error(
        &["etc/containers/certs.d/r.lan/me.cert"],
        Incomplete,
        "etc/containers/certs.d/r.lan/me.cert",
    ),
    error(
        &["etc/containers/certs.d/r.lan/me.key"],
        Incomplete,
        "etc/containers/certs.d/r.lan/me.key",
    ),
    error(
        &[
            "etc/containers/certs.d/r.lan/me.crt",
            "etc/containers/certs.d/r.lan/me.key",
        ],
        Incomplete,
        "etc/containers/certs.d/r.lan/me.key",
    ),
    error(
        &["etc/containers/certs.d/r.lan/ca.crt/"],
        Unreadable,
        "etc/containers/certs.d/r.lan/ca.crt",
    ),
    error(
        &[
            "etc/containers/certs.d/r.lan/bad.cert",
            "etc/containers/certs.d/r.lan/bad.key",
        ],
        Syntax,
        "etc/containers/certs.d/r.lan/bad.cert",
    ),
    error(
        &[
            "etc/containers/certs.d/r.lan/x.cert",
            "etc/containers/certs.d/r.lan/x.key",
        ],
        Syntax,
        "etc/containers/certs.d/r.lan/x.key",
    ),
    error(
        &["etc/containers/certs.d/r.lan"],
        Unreadable,
        "etc/containers/certs.d/r.lan",
    ),
];

#[test]
fn certificates_are_found_where_they_belong() {
    for case in CASES {
        let host = Host::new(&[]);
        for file in case.files {
            if file.ends_with('/') {
                std::fs::create_dir_all(host.path(file)).unwrap();
            } else {
                let (_, name) = file.rsplit_once('/').unwrap();
                let text = match name {
                    "bad.cert" | "x.key" => "garbage",
                    _ if name.contains(".key") => KEY,
                    _ => CERT,
                };
                host.write(file, text);
            }
        }
        let locations = (case.host)(&host, host.locations());
        let registry = Registry::parse(case.registry).unwrap();
        let found = Certificates::load(&locations, &registry);
        let found = found.map(|certificates| {
            let clients = certificates.clients().iter();
            let authorities = certificates.authorities().iter();
            authorities
                .map(|file| file.path().to_owned())
                .chain(clients.flat_map(|client| {
                    assert_eq!(client.key().expose(), KEY);
                    [
                        client.certificate().path().to_owned(),
                        client.key_path().to_owned(),
                    ]
                }))
                .collect::<Vec<_>>()
        });
        let found = found.map_err(|error| (error.kind(), error.file().unwrap().to_owned()));
        let expected = match case.found {
            Ok(files) => Ok(files.iter().map(|file| host.path(file)).collect()),
            Err((kind, file)) => Err((kind, host.path(file))),
        };
        assert_eq!(found, expected, "{:?} for {}", case.files, case.registry);
    }
}

#[test]
fn an_authority_that_is_not_pem_is_ignored_with_a_warning() {
    let host = Host::new(&[(ETC, "garbage"), ("etc/containers/certs.d/r.lan/b.crt", CERT)]);
    let certificates = Certificates::load(&host.locations(), &Registry::parse("r.lan").unwrap()).unwrap();
    assert_eq!(certificates.authorities()[0].pem(), CERT.as_bytes());
    assert_eq!(certificates.authorities().len(), 1);
    assert_eq!(certificates.warnings()[0].file(), Some(host.path(ETC).as_path()));
    assert_eq!(certificates.dir(), host.path(ETC).parent());
}

#[test]
fn a_key_is_never_printed() {
    let host = Host::new(&[("d/me.cert", CERT), ("d/me.key", &KEY.replace("AAAA", "secret"))]);
    let certificates = Certificates::read(&host.path("d")).unwrap();
    assert!(!format!("{certificates:?}").contains("secret"));
}

/// Files, the registry that is contacted, and the file that is named with part of the reason.
type Nearly = (
    &'static [(&'static str, &'static str)],
    &'static str,
    Option<(&'static str, &'static str)>,
);

/// What lies in certs.d and is not used is named, since its owner expects it to be.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_nearly_right_is_named() {
    let table: [Nearly; 20] = [
        (&[(ETC, CERT)], "r.lan", None),
        (
            &[("etc/containers/certs.d/r.lan/README", "x"), (ETC, CERT)],
            "r.lan",
            None,
        ),
        (
            &[
                ("etc/containers/certs.d/r.lan/me.cert", CERT),
                ("etc/containers/certs.d/r.lan/me.key", KEY),
            ],
            "r.lan",
            None,
        ),
        (&[(ETC, "garbage")], "r.lan", Some((ETC, "no certificate in PEM"))),
        (
            &[("etc/containers/certs.d/r.lan/ca.pem", CERT)],
            "r.lan",
            Some(("etc/containers/certs.d/r.lan/ca.pem", "end in .crt")),
        ),
        (
            &[("etc/containers/certs.d/r.lan/ca.cer", CERT)],
            "r.lan",
            Some(("etc/containers/certs.d/r.lan/ca.cer", "end in .crt")),
        ),
        (
            &[("etc/containers/certs.d/r.lan/CA.CRT", CERT)],
            "r.lan",
            Some(("etc/containers/certs.d/r.lan/CA.CRT", "end in .crt")),
        ),
        (&[(ETC, " \n")], "r.lan", Some((ETC, "is empty"))),
        (
            &[(ETC, "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n")],
            "r.lan",
            Some((ETC, "openssl pkcs7 -print_certs")),
        ),
        (
            &[(
                ETC,
                "\u{feff}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            )],
            "r.lan",
            None,
        ),
        (
            &[("etc/containers/certs.d/https:/r.lan:5000/ca.crt", CERT)],
            "r.lan:5000",
            Some(("etc/containers/certs.d/https:", "without a scheme")),
        ),
        (
            &[("etc/containers/certs.d/r.lan_5000/ca.crt", CERT)],
            "r.lan:5000",
            Some(("etc/containers/certs.d/r.lan_5000", "exactly r.lan:5000")),
        ),
        (
            &[("etc/containers/certs.d/R.Lan/ca.crt", CERT)],
            "r.lan",
            Some(("etc/containers/certs.d/R.Lan", "exactly r.lan")),
        ),
        (
            &[("etc/docker/certs.d/ca.crt", CERT)],
            "r.lan",
            Some(("etc/docker/certs.d/ca.crt", "named after their registries")),
        ),
        (
            &[("etc/containers/certs.d/r.lan/README", "x"), (DOCKER, CERT)],
            "r.lan",
            Some((
                "etc/containers/certs.d/r.lan",
                "the first directory that exists counts",
            )),
        ),
        (
            &[
                ("etc/docker/certs.d/ca.crt", CERT),
                ("etc/containers/certs.d/other.lan/ca.crt", CERT),
                (ETC, CERT),
            ],
            "r.lan",
            None,
        ),
        (
            &[(ETC, CERT)],
            "r.lan:5000",
            Some(("etc/containers/certs.d/r.lan", "exactly r.lan:5000")),
        ),
        (
            &[("etc/docker/certs.d/r.lan:443/ca.crt", CERT)],
            "r.lan",
            Some(("etc/docker/certs.d/r.lan:443", "exactly r.lan")),
        ),
        (
            &[("etc/containers/certs.d/r.lan:5000/ca.crt", CERT)],
            "r.lan:5001",
            None,
        ),
        (
            &[(ETC, CERT), ("etc/containers/certs.d/r.lan:5000/ca.crt", CERT)],
            "r.lan:5000",
            None,
        ),
    ];
    for (files, registry, warned) in table {
        let host = Host::new(files);
        let registry = Registry::parse(registry).unwrap();
        let certificates = Certificates::load(&host.locations(), &registry).unwrap();
        let warnings = certificates.warnings();
        assert_eq!(
            warnings.len(),
            usize::from(warned.is_some()),
            "{files:?}: {warnings:?}"
        );
        if let Some((file, words)) = warned {
            assert_eq!(warnings[0].file(), Some(host.path(file).as_path()), "{files:?}");
            assert!(warnings[0].message().contains(words), "{warnings:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_spoils_nothing_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("ca.crt");
    std::os::unix::fs::symlink(directory.path().join("gone.crt"), &link).unwrap();
    std::fs::write(directory.path().join("good.crt"), CERT).unwrap();
    let certificates = Certificates::read(directory.path()).unwrap();
    assert_eq!(certificates.authorities().len(), 1);
    let warning = &certificates.warnings()[0];
    assert_eq!(warning.file(), Some(link.as_path()));
    assert!(warning.message().contains("leads nowhere"), "{warning}");
}

#[test]
fn der_is_said_to_be_der() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.crt"), [0x30, 0x82, 0x01, 0x0a, 0x02]).unwrap();
    let certificates = Certificates::read(directory.path()).unwrap();
    let message = certificates.warnings()[0].message();
    assert!(
        message.contains("DER") && message.contains("openssl x509 -inform der"),
        "{message}"
    );
    assert!(certificates.authorities().is_empty());
}
