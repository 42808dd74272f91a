//! Images whose config is made with them.

use wharf_content::{
    ErrorKind, Hasher, ImageBuilder, ImageConfig, ImageConfigBuilder, MediaType, Platform, SourceExt as _,
};

const TAR: &[u8] = b"a tar of files";

fn arm() -> Platform {
    Platform::new("linux", "arm64")
}

#[test]
fn an_image_for_a_platform_is_the_same_as_one_of_a_config_and_layers() {
    let members: fn(ImageConfigBuilder) -> ImageConfigBuilder = |config| {
        config
            .with_entrypoint(["/bin/app"])
            .with_cmd(["serve"])
            .with_env("LANG", "C")
            .with_user("1000:1000")
            .with_working_dir("/srv")
            .with_label("key", "value")
            .with_exposed_port("8080/tcp")
    };
    let config = members(ImageConfig::builder(arm()))
        .with_diff_id(&Hasher::sha256(TAR))
        .with_diff_id(&Hasher::sha256(b"a second tar"))
        .build()
        .unwrap();
    let long = ImageBuilder::new()
        .with_config(config)
        .with_layer_bytes(MediaType::OCI_LAYER, TAR)
        .with_layer_bytes(MediaType::OCI_LAYER_GZIP, "compressed")
        .build()
        .unwrap();
    let short = ImageBuilder::for_platform(arm())
        .with_entrypoint(["/bin/app"])
        .with_tar(TAR)
        .with_cmd(["serve"])
        .with_env("LANG", "C")
        .with_user("1000:1000")
        .with_working_dir("/srv")
        .with_tar_gzip("compressed", &Hasher::sha256(b"a second tar"))
        .with_label("key", "value")
        .with_exposed_port("8080/tcp")
        .build()
        .unwrap();
    assert_eq!(short.digest(), long.digest());
    assert_eq!(short.platform(), Some(&arm()));
    assert_eq!(short.blobs().count(), 3);
}

#[tokio::test]
async fn an_image_is_for_the_host_unless_a_platform_is_given() {
    let image = ImageBuilder::new()
        .with_tar(TAR)
        .with_cmd(["/bin/app"])
        .build()
        .unwrap();
    assert_eq!(image.platform(), Some(&Platform::host()));
    let config = image.config(image.root()).await.unwrap();
    assert_eq!(config.cmd().unwrap(), ["/bin/app"]);
    assert_eq!(config.diff_ids().unwrap(), [Hasher::sha256(TAR)]);
}

#[test]
fn a_container_image_that_cannot_be_is_refused() {
    let config = || ImageConfig::builder(arm()).build().unwrap();
    let builder = || ImageBuilder::for_platform(arm());
    let sha256 = Hasher::sha256(TAR);
    let table = [
        (
            builder().with_layer_bytes(MediaType::OCI_LAYER_ZSTD, TAR),
            "layer 1 is of type application/vnd.oci.image.layer.v1.tar+zstd, and the digest of its tar",
        ),
        (builder().with_config(config()), "members of another are set"),
        (
            ImageBuilder::new().with_config(config()).with_cmd(["/bin/app"]),
            "members of another are set",
        ),
        (
            builder().with_config_bytes(MediaType::OCI_EMPTY, "{}"),
            "members of another are set",
        ),
        (builder().with_env("", "x"), "invalid environment variable"),
        (builder().with_exposed_port("x"), "invalid port"),
        (
            ImageBuilder::for_platform(Platform::new("linux", "")),
            "needs operating system and architecture",
        ),
        (ImageBuilder::new().with_tar_gzip("x", &sha256), "needs a config"),
        (
            builder().with_tar(TAR).with_docker_types(true),
            "layer 1 is of OCI's type",
        ),
    ];
    for (builder, message) in table {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}
