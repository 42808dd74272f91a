use wharf_reference::Digest;

use super::*;

#[test]
fn images_are_read_as_skopeo_reads_them() {
    for text in [
        "docker://docker.io/library/alpine",
        "docker://localhost:5000/app:1",
        "docker://localhost:5000/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "oci:dir",
        "oci:/srv/store:docker.io/library/alpine:3.20",
        "oci:dir:a:b",
        "oci:dir:a@sha256:b",
        "oci:dir:@0",
        "oci:dir@home:@12",
        "oci:dir@sha256:app",
        "oci:dir@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "dir:/srv/image",
        "dir:a:b:c",
        "dir:a@sha256:b",
        "oci-archive:a.tar",
        "oci-archive:a.tar:b/c:d",
        "oci-archive:a.tar:@3",
        "oci-archive:a.tar@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "docker-archive:a.tar",
        "docker-archive:a.tar:docker.io/library/busybox:1",
        "docker-archive:a.tar:@0",
        "docker-archive:a.tar@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "docker-daemon:docker.io/library/busybox:1",
        "docker-daemon:localhost/app:latest",
        "docker-daemon:registry.example:5000/team/app:v1",
        "docker-daemon:quay.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "docker-daemon:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ] {
        assert_eq!(text.parse::<ImageLocation>().unwrap().to_string(), text);
    }
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let name = |text| StoreImage::Name(Name::parse(text).unwrap());
    let by_digest = StoreImage::Digest(Digest::parse(digest).unwrap());
    for (path, directory, image) in [
        ("dir".to_owned(), "dir", StoreImage::Only),
        ("dir:a:b".to_owned(), "dir", name("a:b")),
        ("dir:@7".to_owned(), "dir", StoreImage::Position(7)),
        (format!("dir@{digest}"), "dir", by_digest.clone()),
        ("dir:app:1".to_owned(), "dir", name("app:1")),
        (format!("d@r@{digest}"), "d@r", by_digest.clone()),
        (format!("dir:@{digest}"), "dir", by_digest.clone()),
        (format!("dir:{digest}"), "dir", by_digest),
        (format!("dir:a@{digest}"), "dir", name(&format!("a@{digest}"))),
        ("dir@sha256:abc".to_owned(), "dir@sha256", name("abc")),
    ] {
        let parsed: ImageLocation = format!("oci:{path}").parse().unwrap();
        let directory = directory.into();
        assert_eq!(parsed, ImageLocation::Store { directory, image }, "{path}");
    }
}

#[test]
fn the_name_in_a_docker_archive_is_a_reference() {
    for (text, expected) in [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("quay.io/a/b", "quay.io/a/b:latest"),
        ("localhost:5000/b:2", "localhost:5000/b:2"),
    ] {
        let parsed: ImageLocation = format!("docker-archive:a.tar:{text}").parse().unwrap();
        assert_eq!(parsed.to_string(), format!("docker-archive:a.tar:{expected}"));
    }
    let verbatim: ImageLocation = "oci-archive:a.tar:busybox".parse().unwrap();
    assert_eq!(verbatim.to_string(), "oci-archive:a.tar:busybox");
}

#[test]
fn mistakes_are_explained() {
    for (text, part) in [
        ("alpine", "a transport is missing; write docker://alpine"),
        (
            "docker:alpine:3",
            "a transport is missing; write docker://alpine:3",
        ),
        (
            "localhost:5000/app",
            "a transport is missing; write docker://localhost:5000/app",
        ),
        ("oci-archve:x.tar", "oci-archive is"),
        ("ociarchive:x.tar", "oci-archive is"),
        ("docker_archive:x.tar", "docker-archive is"),
        ("docker-archvie:x.tar", "docker-archive is"),
        ("Docker-Archive:x.tar", "docker-archive is"),
        ("app@sha256:0", "no known transport"),
        ("", "no known transport"),
        ("/tmp/x", "no known transport"),
        ("dir:", "the directory is missing"),
        ("oci-archive:", "the file is missing"),
        ("oci-archive::app", "the file is missing"),
        ("oci-archive:x.tar:", "invalid image name"),
        ("docker-archive:", "the file is missing"),
        ("docker-archive:x.tar:", "invalid reference"),
        ("docker-archive:x.tar:App", "invalid reference"),
        (
            "docker-archive:x.tar:x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "has no image by the digest of its manifest",
        ),
        ("docker-archive:x.tar:@x", "expected after @"),
        ("docker-daemon:", "the image is missing"),
        ("docker-daemon:app", "the tag is missing; write NAME:TAG"),
        ("docker-daemon:App:1", "invalid reference"),
        ("docker-daemon:app:1:2", "invalid reference"),
        ("docker-daemon:sha256:abc", "an image ID is not shortened"),
        (
            "docker-daemon:app:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "a tag or a digest, and not both",
        ),
        ("docker://", "invalid reference \"\""),
        ("docker://app@sha256:0", "invalid reference \"app@sha256:0\""),
        ("docker://App", "invalid reference \"App\""),
        ("docker://app:", "invalid reference \"app:\""),
        ("docker://app:a b", "invalid reference \"app:a b\""),
        ("oci:", "the directory is missing"),
        ("oci::name", "the directory is missing"),
        ("oci:dir:na me", "invalid image name"),
        ("oci:dir:", "invalid image name"),
        ("oci:dir:@", "expected after @"),
        ("oci:dir:@-1", "expected after @"),
        ("oci:dir:@x", "expected after @"),
        (
            "oci:@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "directory is missing",
        ),
    ] {
        let error = text.parse::<ImageLocation>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn an_unsupported_transport_is_named_with_what_to_do_instead() {
    for (text, part) in [
        ("containers-storage:app", "podman push IMAGE oci:DIRECTORY"),
        ("containers-storage:app", "podman pull oci:DIRECTORY"),
        (
            "containers-storage:[vfs@/x]app",
            "`podman save` and `podman load`",
        ),
        (
            "containers-storage:",
            "docker-daemon:NAME:TAG through Podman's socket",
        ),
        ("atomic:host/a/b", "the transport atomic is not supported"),
        ("ostree:app@/repo", "the transport ostree is not supported"),
        ("sif:app.sif", "the transport sif is not supported"),
        ("tarball:a.tar", "the transport tarball is not supported"),
    ] {
        for error in [
            text.parse::<ImageLocation>().unwrap_err(),
            ImageLocation::of_image(text).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}

#[test]
fn an_image_to_read_needs_no_transport_unless_it_begins_as_one() {
    for (text, expected) in [
        (
            "quay.io/fedora/fedora:latest",
            "docker://quay.io/fedora/fedora:latest",
        ),
        ("localhost:5000/app", "docker://localhost:5000/app"),
        ("alpine:3.20", "docker://docker.io/library/alpine:3.20"),
        ("oci", "docker://docker.io/library/oci"),
        ("dir/app:1", "docker://docker.io/dir/app:1"),
        ("docker/app:1", "docker://docker.io/docker/app:1"),
        ("docker://alpine", "docker://docker.io/library/alpine"),
        ("oci:latest", "oci:latest"),
        ("oci:images:app", "oci:images:app"),
    ] {
        assert_eq!(
            ImageLocation::of_image(text).unwrap().to_string(),
            expected,
            "{text}"
        );
    }
    for (text, part) in [
        ("docker:24", "a transport is missing; write docker://24"),
        ("docker-daemon:app", "the tag is missing"),
        ("docker-archive:", "the file is missing"),
        ("/tmp/x", "no known transport"),
        ("./images", "no known transport"),
        ("~/images", "no known transport"),
        ("", "no known transport"),
        ("quay.io/App", "invalid reference \"quay.io/App\""),
        ("https://quay.io/app", "invalid reference \"https://quay.io/app\""),
        ("oci:", "the directory is missing"),
    ] {
        let error = ImageLocation::of_image(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}
