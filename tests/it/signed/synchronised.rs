//! Sets of images under a policy that wants signatures.

use wharf::{
    ErrorKind,
    store::Layout,
    sync::{Destination, Options, Outcome, SyncSet, plan, run},
};
use wharf_testkit::hostile::Answer;

use super::{
    host::{Host, Image},
    keys::Kit,
};

/// The names that have an image in a layout.
async fn names(host: &Host, directory: &str) -> Vec<String> {
    let Ok(layout) = Layout::open(host.path(directory)).await else {
        return Vec::new();
    };
    let images = layout.images().await.unwrap();
    images
        .iter()
        .filter_map(|image| Some(image.name()?.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_set_what_is_signed_is_copied_and_the_rest_is_a_failure_each() {
    let (host, kit) = (Host::new().await, Kit::golden());
    host.demand_keys(&kit.keyring);
    host.publish(&kit.name(), &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    let other = Image::with_layer("not signed");
    let repository = format!("{}/{}", kit.registry, kit.path);
    for tag in ["0", "2"] {
        host.publish(&format!("{repository}:{tag}"), &other).await;
    }
    let set = SyncSet::of_repository(&repository).unwrap();
    let synchronised = async |directory: &str| {
        let to = Destination::Layout(host.path(directory));
        let options = Options::default().with_keep_going(true);
        let planned = plan(&host.client(), &set, &to, options).await.unwrap();
        run(planned).await
    };

    let report = synchronised("images").await;
    assert_eq!((report.copied(), report.failed()), (1, 2), "{report:?}");
    for image in &report.images {
        match &image.outcome {
            Outcome::Copied => assert_eq!(image.digest.as_ref(), Some(kit.image.manifest.digest())),
            Outcome::Failed(failure) => {
                assert_eq!(failure.kind(), ErrorKind::Rejected, "{failure}");
                assert!(
                    failure.to_string().contains("A signature was required"),
                    "{failure}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names(&host, "images").await.len(), 1);

    // What is there is not trusted for that: the policy is asked again.
    let again = synchronised("images").await;
    assert_eq!((again.failed(), again.images.len()), (2, 3), "{again:?}");
    host.store.clear();
    host.store.put(
        kit.path,
        &kit.image.manifest,
        1,
        Answer::ok(kit.by_stranger.clone()),
    );
    let refused = synchronised("images").await;
    assert_eq!((refused.copied(), refused.failed()), (0, 3), "{refused:?}");
    let refused = synchronised("others").await;
    assert_eq!((refused.copied(), refused.failed()), (0, 3), "{refused:?}");
    assert!(names(&host, "others").await.is_empty());

    // By default the first refusal ends it.
    let to = Destination::Layout(host.path("more"));
    let failure = host.client().sync(&set, to).await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Rejected, "{failure}");
}
