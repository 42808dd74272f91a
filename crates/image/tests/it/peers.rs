//! What Skopeo and umoci make of the results.

use std::{fs, sync::Arc};

use wharf_content::{Name, Target};
use wharf_copy::{Options as CopyOptions, Selection, copy};
use wharf_image::{Codec, Format, Layers, Level, Options, Recipe, prepare};
use wharf_store::Layout;
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::support::Store;

#[tokio::test]
async fn skopeo_and_umoci_read_what_was_changed() {
    require_peers!("skopeo", "umoci");
    let image = Image::builder()
        .plain_files(&[("etc/", b""), ("etc/plain", b"1")])
        .files(&[("etc/gzip", b"2")])
        .finish();
    let store = Store::with_image(&image).await;
    let exactly = |codec| Layers::Exactly {
        level: Level::default_of(codec),
        force: true,
    };
    let rows = [
        ("docker", Recipe::new().format(Format::Docker), false),
        ("compressed", Recipe::new().layers(Layers::Compressed), true),
        ("plain", Recipe::new().layers(Layers::Plain), true),
        (
            "gzip",
            Recipe::new().layers(exactly(Codec::Gzip)).format(Format::Oci),
            true,
        ),
        ("zstd", Recipe::new().layers(exactly(Codec::Zstd)), false),
    ];
    let sandbox = Sandbox::new();
    for (name, recipe, unpack) in rows {
        let directory = sandbox.path(name);
        let layout = Arc::new(Layout::create(&directory).await.unwrap());
        let target = Target::from(image.manifest().digest());
        let sink = layout.clone();
        let prepared = prepare(store.0.clone(), sink, &target, &recipe, &Options::default())
            .await
            .unwrap();
        let target = prepared.target();
        let options = CopyOptions::from(Selection::All).with_name(Name::parse("it").unwrap());
        copy(Arc::new(prepared), layout, &target, options).await.unwrap();

        // By a name, this version finds manifests of OCI's types only.
        let source = format!("oci:{}", directory.display());
        let inspected = sandbox.skopeo().run(&["inspect", &source]).json();
        assert_eq!(inspected["Layers"].as_array().unwrap().len(), 2, "{name}");
        // Skopeo verifies digests, and decompresses for the diff_ids where it has to.
        let copy = sandbox.path(format!("{name}-copy"));
        let copy = if name == "zstd" {
            format!("dir:{}", copy.display()) // it does not convert zstd
        } else {
            format!("docker-archive:{}:it:1", copy.display())
        };
        sandbox.skopeo().run(&["copy", &source, &copy]).ok();
        if unpack {
            let bundle = sandbox.path(format!("{name}-bundle"));
            let image = format!("{}:it", directory.display());
            let bundle_text = bundle.display().to_string();
            sandbox
                .umoci()
                .run(&["unpack", "--rootless", "--image", &image, &bundle_text])
                .ok();
            assert_eq!(fs::read(bundle.join("rootfs/etc/plain")).unwrap(), b"1", "{name}");
            assert_eq!(fs::read(bundle.join("rootfs/etc/gzip")).unwrap(), b"2", "{name}");
        }
    }
}
