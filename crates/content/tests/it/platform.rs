use wharf_content::{Descriptor, ErrorKind, Hasher, MediaType, Platform};
use wharf_reference::Algorithm;

/// One manifest per platform; `-` names none, `index` is a nested index.
fn manifests(platforms: &[&str]) -> Vec<Descriptor> {
    platforms
        .iter()
        .map(|text| {
            let digest = Hasher::digest(Algorithm::Sha256, text.as_bytes()).unwrap();
            let media_type = if *text == "index" {
                MediaType::OCI_INDEX
            } else {
                MediaType::OCI_MANIFEST
            };
            let descriptor = Descriptor::new(media_type, digest, 1).unwrap();
            match *text {
                "-" | "index" => descriptor,
                text => descriptor.with_platform(text.parse().unwrap()),
            }
        })
        .collect()
}

#[test]
fn the_best_image_is_chosen() {
    let cases: &[(&str, &[&str], Option<usize>)] = &[
        ("linux/amd64", &["linux/arm64", "linux/amd64"], Some(1)),
        ("linux/amd64", &["linux/arm64/v8", "windows/amd64"], None),
        ("linux/amd64", &["linux/amd64", "linux/amd64"], Some(0)),
        ("linux/arm64", &["linux/arm64/v8"], Some(0)),
        ("linux/arm64", &["linux/arm64/v8", "linux/arm64"], Some(1)),
        ("linux/arm64/v8", &["linux/arm64", "linux/arm64/v8"], Some(1)),
        (
            "linux/arm/v7",
            &["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"],
            Some(1),
        ),
        ("linux/arm/v7", &["linux/arm/v5", "linux/arm/v7"], Some(1)),
        ("linux/arm/v6", &["linux/arm/v7"], None),
        ("linux/arm", &["linux/arm/v5", "linux/arm/v7"], Some(1)),
        ("linux/amd64/v3", &["linux/amd64", "linux/amd64/v3"], Some(1)),
        ("linux/amd64/v3", &["linux/amd64/v2"], None),
        ("linux/amd64", &["-", "linux/amd64"], Some(1)),
        ("linux/amd64", &["-", "linux/arm64"], Some(0)),
        ("linux/amd64", &["index"], None),
        ("linux/amd64", &["unknown/unknown"], None),
        ("linux/amd64", &[], None),
    ];
    for (wanted, offered, expected) in cases {
        let offered_descriptors = manifests(offered);
        let wanted_platform: Platform = wanted.parse().unwrap();
        let chosen = wanted_platform.choose(&offered_descriptors).and_then(|chosen| {
            offered_descriptors
                .iter()
                .position(|other| std::ptr::eq(other, chosen))
        });
        assert_eq!(chosen, *expected, "{wanted} of {offered:?}");
    }
}

#[test]
fn windows_versions_must_agree_if_both_are_known() {
    let mut wanted = Platform::new("windows", "amd64");
    let mut offered = wanted.clone();
    offered.os_version = Some("10.0.20348.1".to_owned());
    let digest = Hasher::digest(Algorithm::Sha256, b"").unwrap();
    let manifests = [Descriptor::new(MediaType::OCI_MANIFEST, digest, 0)
        .unwrap()
        .with_platform(offered.clone())];
    assert!(wanted.choose(&manifests).is_some());
    wanted.os_version = Some("10.0.17763.1".to_owned());
    assert!(wanted.choose(&manifests).is_none());
    wanted.os_version = offered.os_version;
    assert!(wanted.choose(&manifests).is_some());
}

#[test]
fn platforms_are_read_as_people_write_them() {
    for (text, printed) in [
        ("linux/amd64", "linux/amd64"),
        ("Linux/X86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
    ] {
        let platform: Platform = text.parse().unwrap();
        assert_eq!(platform.to_string(), printed, "{text}");
    }
    for text in [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/v1/x",
        "linux /amd64",
        "lïnux/amd64",
    ] {
        assert_eq!(
            text.parse::<Platform>().unwrap_err().kind(),
            ErrorKind::Invalid,
            "{text}"
        );
    }
}

#[test]
fn the_host_is_a_platform() {
    let host = Platform::host();
    assert_eq!(host.to_string().parse::<Platform>().unwrap(), host);
}
